"""The dashboard of CPU, memory and disk use of the agents' processes."""

from generator.panels import ORANGE, bars, board, row, stat, steps, timeseries
from generator.variables import Selectors

of = Selectors("agent")
NONE = "No agent is running"


def by_agent(expression):
    return f"sum by (agent) ({expression})", "{{agent}}"


NOW = row(
    "Now",
    stat(
        "Processes",
        "Running processes of agents, including their children.",
        f"sum({of('agtop_processes')})",
        unit="short",
        empty="Unknown",
    ),
    stat(
        "Orphan processes",
        "Processes of agents without a session.",
        f"sum({of('agtop_orphan_processes')})",
        unit="short",
        empty="Unknown",
        thresholds=steps((1, ORANGE)),
    ),
    stat(
        "Duplicate processes",
        "Processes whose session is also open in another process.",
        f"sum({of('agtop_duplicate_processes')})",
        unit="short",
        empty="Unknown",
        thresholds=steps((1, ORANGE)),
    ),
    stat(
        "CPU cores",
        "CPU cores used by agents and their child processes.",
        f"sum({of.rate('agtop_agent_cpu_seconds_total')})",
        unit="short",
        empty=NONE,
        defaults={"decimals": 2},
    ),
    stat(
        "Memory",
        "Resident memory of agents and their child processes.",
        f"sum({of('agtop_agent_memory_rss_bytes')})",
        unit="bytes",
        empty=NONE,
    ),
    stat(
        "Not readable",
        "Processes that could not be read, in the selected time range.",
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
        empty="Processes cannot be read",
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
        "Resident memory of process trees.",
        by_agent(of("agtop_agent_memory_rss_bytes")),
        unit="bytes",
        empty=NONE,
        stack=True,
    ),
    timeseries(
        "Virtual memory",
        "Address space of process trees. JavaScript runtimes reserve a lot; this is normal.",
        by_agent(of("agtop_agent_virtual_memory_bytes")),
        unit="bytes",
        empty=NONE,
    ),
    timeseries(
        "Disk reads",
        "Bytes per second read from storage, excluding the page cache.",
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
    "Problems",
    timeseries(
        "Orphan and duplicate processes",
        "Processes without a session, and processes whose session is open in another process.",
        (f"sum by (agent) ({of('agtop_orphan_processes')})", "{{agent}} orphan"),
        (f"sum by (agent) ({of('agtop_duplicate_processes')})", "{{agent}} duplicate"),
        unit="short",
        empty="Processes cannot be read",
    ),
    bars(
        "Unreadable processes by reason",
        "In the selected time range. access_denied is common with sandboxes and containers.",
        (
            f"round(sum by (reason) ({of.grown('agtop_process_scan_errors_total')})) > 0",
            "{{reason}}",
        ),
        unit="short",
        empty="All processes could be read",
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
