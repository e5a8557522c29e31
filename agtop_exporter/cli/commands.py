"""Declares the commands of `agtop-exporter` and `agtop`: their options, settings and modules."""

from functools import partial
from pathlib import Path

from agtop_exporter.cli import option_types
from agtop_exporter.cli.backfill_command import BACKFILL
from agtop_exporter.cli.command import Command, Option, Program
from agtop_exporter.cli.report_commands import report_commands
from agtop_exporter.settings import Settings

DELAY_SECONDS = 5.0
VIEW_DELAY_SECONDS = 2.0

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
"""Names of the settings that apply to every command that reads the agents' files."""

PRICING = ("cache_dir", "no_pricing_refresh", "refresh_pricing")
"""Names of the settings that apply to every command that looks up prices."""

ONLY_IN_FILE = {"budgets", "prices", "store_titles"}  # settings without an option
ALL = tuple(name for name in Settings.model_fields if name not in ONLY_IN_FILE)
"""Every setting that has a command-line option."""

OF_THE_DAEMON = (
    "listen_address",
    "web_config_file",
    "web_allowed_host",
    "web_external_url",
    "web_route_prefix",
    "web_max_connections",
    "interval",
    "otlp",
    "otlp_genai",
    "textfile_interval",
)
"""Settings of the daemon. They have no effect on a single scan."""


ONCE = Option(("--once",), "Scan once, print the metrics and exit.")
JSON = Option(("-j", "--json"), "Print JSON.")
SCHEMA = Option(("--schema",), "Print the JSON Schema of the output, and scan nothing.")
EXAMPLE = Option(("--example",), "Print a configuration file with all settings and defaults.")
UNINSTALL = Option(("--uninstall",), "Remove the service. The ledger and the settings stay.")
LIST = Option(("-l", "--list"), "Print the table, like the command list.")
WATCH = Option(
    ("-w", "--watch"),
    "Refresh the table every --delay seconds. On a terminal it fills the screen, and q quits.",
)
AT = Option(
    ("--at",),
    "The day, or the time, of the price: 2026-03-01, 2026-03-01T14:30:00Z (default: now).",
    default=None,
    arguments={"metavar": "DATE", "type": option_types.moment},
)
PROVIDER = Option(
    ("--provider",),
    "Who bills the tokens, such as anthropic, openrouter or aws (default: the model's maker).",
    default="",
    arguments={"metavar": "NAME"},
)
TIER = Option(
    ("--tier",),
    "The service tier or speed, such as fast, priority, flex or batch (default: all).",
    default="",
    arguments={"metavar": "NAME"},
)
PASS_THROUGH = Option(
    ("--pass-through",), "Print the input unchanged, for another status line command in a pipe."
)
STATE_DIR = Option(
    ("--state-dir",),
    "The state directory of the daemon, if it is not the default [AGTOP_STATE_DIR].",
    default=None,
    arguments={"metavar": "DIR"},
)
DELAY = Option(
    ("-d", "--delay"),
    f"Time between two tables of --watch (default: {DELAY_SECONDS:g}).",
    default=DELAY_SECONDS,
    arguments={"metavar": "SECONDS", "type": option_types.delay},
)

VIEW_DELAY = Option(
    ("-d", "--delay"),
    f"Time between two refreshes (default: {VIEW_DELAY_SECONDS:g}).",
    default=VIEW_DELAY_SECONDS,
    arguments={"metavar": "SECONDS", "type": option_types.delay},
)
DASHBOARD = Option(("-D", "--dashboard"), "Show the interactive view, like the command top.")
LOG_FILE = Option(
    ("--log-file",),
    "Append the messages of the view to this file.",
    default=None,
    arguments={"metavar": "FILE", "type": Path},
)
NO_MOUSE = Option(("--no-mouse",), "Leave the mouse to the terminal, to select text.")
VIEW = (DASHBOARD, LOG_FILE, NO_MOUSE)
OF_THE_VIEW = tuple(option.dest for option in VIEW)
"""Options of the interactive view that the table and the JSON output do not have."""

TOP = Command(
    name="top",
    summary="Show the sessions, their processes, totals and limits, and refresh them.",
    module="top",
    options=(VIEW_DELAY, *VIEW),
    settings=READING,
)

COMPLETION = Command(
    name="completion",
    summary="Print the script that completes commands and options in bash, zsh or fish.",
    module="completion",
    operand=("SHELL", "bash, zsh or fish."),
)

REPLACED = {
    "-v": "set AGTOP_LOG_LEVEL=info instead",
    "--verbose": "set AGTOP_LOG_LEVEL=info instead",
    "--no-update-check": "this program never checks for updates: leave it out",
    "quota": "`agtop top` shows the rate limits (key l), and `agtop json` as rate_limits",
}
"""Options and commands of rust-agtop that this program does not have."""

SORT = Option(
    ("--sort",),
    "Sort the table by this column, such as cost, cpu or state (default: last, the last activity).",
    default="last",
    arguments={"metavar": "COLUMN"},
)
LIVE = Option(("--live",), "Leave out closed sessions.")
PROJECT = Option(
    ("--project",),
    "Show only the sessions of this project.",
    default="",
    arguments={"metavar": "NAME"},
)
SINCE = Option(
    ("--since",),
    "Leave out sessions without activity since this day or local time: 2026-03-01.",
    default=None,
    arguments={"metavar": "DATE", "type": partial(option_types.moment, default=None)},
)
ALL_ROWS = Option(("--all",), "Show every row, however many there are.")

SELECTION = (WATCH, SORT, LIVE, PROJECT, SINCE, ALL_ROWS)
TABLE = (DELAY, *SELECTION)
"""The options of the table."""
NOT_IN_JSON = tuple(option.dest for option in SELECTION)
"""Options of the table that the JSON output does not have."""
OF_THE_TABLE = (LIST.dest, *NOT_IN_JSON)
"""Options that only the table has.

With one of them, `agtop` without a command prints the table, even on a terminal.
"""

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
            options=(Option(("--json",), "Print JSON."), SCHEMA),
            settings=READING,
        ),
        Command(
            name="check-config",
            summary="Validate the settings, and print them as TOML with the origin of each value.",
            module="check_config",
            options=(EXAMPLE,),
            settings=ALL,
            excludes={"example": ("config", *ALL)},
        ),
        Command(
            name="reprice",
            summary="Compute the cost of the stored usage again, at the prices known today. "
            "Counters do not change.",
            module="reprice",
            settings=("home", "plan", "state_dir", "no_state", *PRICING),
        ),
        BACKFILL,
        Command(
            name="statusline",
            summary="Print a status line for an agent, and store the rate limits that it sends.",
            module="statusline",
            options=(PASS_THROUGH, STATE_DIR),
        ),
        Command(
            name="catalogue",
            summary="Print every metric as a Markdown table.",
            module="catalogue",
            ignored=READING,
        ),
        Command(
            name="install-service",
            summary="Install a systemd user service with these settings, or remove it.",
            module="install_service",
            options=(UNINSTALL,),
            settings=ALL,
            excludes={"uninstall": ("config", *ALL)},
        ),
        TOP,
        COMPLETION,
    ),
    replaced=REPLACED,
)

AGTOP = Program(
    name="agtop",
    summary="Tokens, cost and state of your AI coding agents. Without a command: the interactive"
    " view on a terminal, otherwise the table.",
    default=Command(
        name="",
        summary="Show the interactive view on a terminal, and else print the table.",
        module="plain",
        options=(LIST, JSON, VIEW_DELAY, *SELECTION, *VIEW),
        settings=READING,
        instead={"json": "json", **dict.fromkeys(OF_THE_TABLE, "table"), "dashboard": "top"},
        excludes={
            "json": (*OF_THE_TABLE, "delay", *OF_THE_VIEW),
            **dict.fromkeys(OF_THE_TABLE, OF_THE_VIEW),
        },
    ),
    commands=(
        TOP,
        Command(
            name="list",
            summary="Print the sessions as a table.",
            module="table",
            options=(LIST, JSON, *TABLE),
            settings=READING,
            instead={"json": "json"},
            needs={"delay": "watch"},
            excludes={"json": NOT_IN_JSON},
        ),
        Command(
            name="json",
            summary="Print all sessions, totals and rate limits as JSON.",
            module="json",
            options=(JSON, SCHEMA),
            settings=READING,
            instead={"schema": "schema"},
        ),
        *report_commands(settings=READING, json=JSON, schema=SCHEMA),
        Command(
            name="price",
            summary="Explain the price of a model: its source, every rate, and what other sources"
            " list.",
            module="price",
            options=(AT, PROVIDER, TIER, JSON),
            settings=PRICING,
            operand=("MODEL", "The name of the model, as in a transcript."),
        ),
        COMPLETION,
    ),
    replaced=REPLACED,
)
