"""What the agents' processes take of the machine."""

from generator.panels import ORANGE, bars, board, row, stat, steps, timeseries
from generator.variables import Selectors

of = Selectors("agent")
NONE = "No agent runs."


def by_agent(expression):
    return f"sum by (agent) ({expression})", "{{agent}}"


NOW = row(
    "Now",
    stat(
        "Processes",
        "Live processes of agents, with their children.",
        f"sum({of('agtop_processes')})",
        unit="short",
        empty="Unknown",
    ),
    stat(
        "Without a session",
        "Processes of agents that belong to no session.",
        f"sum({of('agtop_orphan_processes')})",
        unit="short",
        empty="Unknown",
        thresholds=steps((1, ORANGE)),
    ),
    stat(
        "On one session",
        "Processes on a session that another process has open too.",
        f"sum({of('agtop_duplicate_processes')})",
        unit="short",
        empty="Unknown",
        thresholds=steps((1, ORANGE)),
    ),
    stat(
        "CPU cores",
        "Processor cores in use by agents and what they started.",
        f"sum({of.rate('agtop_agent_cpu_seconds_total')})",
        unit="short",
        empty=NONE,
        defaults={"decimals": 2},
    ),
    stat(
        "Memory",
        "Resident memory of agents and what they started.",
        f"sum({of('agtop_agent_memory_rss_bytes')})",
        unit="bytes",
        empty=NONE,
    ),
    stat(
        "Not looked at",
        "Times in the time shown that a process could not be looked at.",
        "sum("
        + Selectors().grown("agtop_process_scan_errors_total", reason="!=no_such_process")
        + ")",
        unit="short",
        empty="None",
        thresholds=steps((1, ORANGE)),
    ),
)

COURSE = row(
    "By agent",
    timeseries(
        "Processes",
        "Live processes with their children.",
        by_agent(of("agtop_processes")),
        unit="short",
        empty="Processes cannot be seen here.",
    ),
    timeseries(
        "CPU cores",
        "Processor cores in use.",
        by_agent(of.rate("agtop_agent_cpu_seconds_total")),
        unit="short",
        empty=NONE,
        stack=True,
    ),
    timeseries(
        "Resident memory",
        "Memory in use by process trees.",
        by_agent(of("agtop_agent_memory_rss_bytes")),
        unit="bytes",
        empty=NONE,
        stack=True,
    ),
    timeseries(
        "Virtual memory",
        "Address space of process trees: large with JavaScript runtimes, and no cause for alarm.",
        by_agent(of("agtop_agent_virtual_memory_bytes")),
        unit="bytes",
        empty=NONE,
    ),
    timeseries(
        "Disk reads",
        "Bytes per second read from storage, not from the system's cache.",
        by_agent(of.rate("agtop_agent_disk_read_bytes_total")),
        unit="Bps",
        empty=NONE,
    ),
    timeseries(
        "Disk writes",
        "Bytes per second written to storage.",
        by_agent(of.rate("agtop_agent_disk_written_bytes_total")),
        unit="Bps",
        empty=NONE,
    ),
)

TROUBLE = row(
    "Trouble",
    timeseries(
        "Without a session, and on one session",
        "Processes that belong to no session, and those on a session that another one has open.",
        (f"sum by (agent) ({of('agtop_orphan_processes')})", "{{agent}} without a session"),
        (f"sum by (agent) ({of('agtop_duplicate_processes')})", "{{agent}} on one session"),
        unit="short",
        empty="Processes cannot be seen here.",
    ),
    bars(
        "Why processes could not be looked at",
        "By reason, in the time shown: access_denied comes of sandboxes and containers; a process "
        "that ended meanwhile is no fault.",
        (
            f"round(sum by (reason) ({of.grown('agtop_process_scan_errors_total')})) > 0",
            "{{reason}}",
        ),
        unit="short",
        empty="All could be looked at.",
    ),
)

BOARD = board(
    "Processes",
    "CPU, memory and disk use of the agents' process trees.",
    NOW,
    COURSE,
    TROUBLE,
    since="now-1h",
)
