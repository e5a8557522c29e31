"""The commands of both programs, with their options, settings and modules."""

import argparse
import math

from agtop_exporter.cli.command import Command, Option, Program
from agtop_exporter.settings import Settings

SECONDS_PER_DAY = 86_400
DELAY_SECONDS = 5.0
SHORTEST_DELAY_SECONDS = 1.0

READING = (
    "home",
    "agent",
    "plan",
    "procfs",
    "state_dir",
    "no_state",
    "cache_dir",
    "no_pricing_refresh",
    "refresh_pricing",
)
"""Settings of commands that read the agents' files."""

ONLY_IN_FILE = {"prices", "store_titles"}  # or in a variable
ALL = tuple(name for name in Settings.model_fields if name not in ONLY_IN_FILE)
"""Every setting that can be an option."""

OF_THE_DAEMON = ("listen_address", "interval", "otlp", "otlp_genai", "textfile_interval")
"""Settings that have no effect on a single scan."""


def _delay(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= SECONDS_PER_DAY:
        expected = f"a number of seconds greater than 0, at most {SECONDS_PER_DAY}"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return max(SHORTEST_DELAY_SECONDS, seconds)


ONCE = Option(("--once",), "Scan once, print the metrics and exit.")
JSON = Option(("-j", "--json"), "Print JSON.")
SCHEMA = Option(("--schema",), "Print the JSON Schema of the output, and scan nothing.")
LIST = Option(("-l", "--list"), "Print the table, like the command list.")
WATCH = Option(("-w", "--watch"), "Refresh the table every --delay seconds.")
DELAY = Option(
    ("-d", "--delay"),
    f"Time between two tables of --watch (default: {DELAY_SECONDS:g}).",
    default=DELAY_SECONDS,
    arguments={"metavar": "SECONDS", "type": _delay},
)

EXPORTER = Program(
    name="agtop-exporter",
    summary="Prometheus exporter for AI coding agents. Without a command: serve /metrics.",
    default=Command(
        name="",
        summary="Serve /metrics.",
        module="serve",
        options=(ONCE, Option(("--json",), "With --once: print JSON instead of metrics.")),
        settings=ALL,
        instead={"json": "json", "once": "once"},
        needs={"json": "once"},
        excludes={"once": OF_THE_DAEMON, "json": ("textfile",)},
    ),
    commands=(
        Command(
            name="doctor",
            summary="Check the files of every agent, and report problems.",
            module="doctor",
            options=(Option(("--json",), "Print JSON."),),
            settings=READING,
        ),
        Command(
            name="check-config",
            summary="Validate the settings, and print them.",
            module="check_config",
            settings=ALL,
        ),
        Command(
            name="catalogue",
            summary="Print every metric as a Markdown table.",
            module="catalogue",
            ignored=READING,
        ),
        Command(
            name="install-service",
            summary="Write and enable a systemd user unit for this installation.",
            module="install_service",
        ),
    ),
)

AGTOP = Program(
    name="agtop",
    summary="Tokens, cost and state of your AI coding agents. Without a command: the table.",
    default=Command(
        name="",
        summary="Print the table.",
        module="table",
        options=(LIST, JSON, WATCH, DELAY),
        settings=READING,
        instead={"json": "json"},
        needs={"delay": "watch"},
        excludes={"json": ("list", "watch")},
    ),
    commands=(
        Command(
            name="list",
            summary="Print the sessions as a table.",
            module="table",
            options=(LIST, JSON, WATCH, DELAY),
            settings=READING,
            instead={"json": "json"},
            needs={"delay": "watch"},
            excludes={"json": ("watch",)},
        ),
        Command(
            name="json",
            summary="Print everything that is known as JSON.",
            module="json",
            options=(JSON, SCHEMA),
            settings=READING,
            instead={"schema": "schema"},
        ),
    ),
)
