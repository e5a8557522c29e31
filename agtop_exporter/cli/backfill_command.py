"""Declares the command `backfill` and its options."""

from pathlib import Path

from agtop_exporter.cli import option_types
from agtop_exporter.cli.command import Command, Option

STEP_SECONDS = 300  # PromQL ignores a series without a sample in the last 5 minutes

BACKFILL = Command(
    name="backfill",
    summary="Write the usage from before the first scrape to files for promtool or to"
    " VictoriaMetrics.",
    module="backfill",
    options=(
        Option(
            ("--output",),
            "Write one file per UTC day to this new directory, and print the promtool command.",
            default=None,
            arguments={"metavar": "DIR", "type": Path},
        ),
        Option(
            ("--victoriametrics",),
            "Send the samples to this VictoriaMetrics server, such as http://127.0.0.1:8428.",
            default="",
            arguments={"metavar": "URL"},
        ),
        Option(
            ("--label",),
            "A label of the scraped series, such as job=agtop or instance=127.0.0.1:10041;"
            " repeatable.",
            default=(),
            arguments={"metavar": "NAME=VALUE", "type": option_types.label, "action": "append"},
        ),
        Option(
            ("--since",),
            "Begin with this day or time (default: the earliest usage).",
            default=None,
            arguments={"metavar": "DATE", "type": option_types.moment},
        ),
        Option(
            ("--until",),
            "End before this day or time, which must not be after the first scrape (default: the"
            " first scrape of the daemon, or 3 hours ago if that is earlier).",
            default=None,
            arguments={"metavar": "DATE", "type": option_types.moment},
        ),
        Option(
            ("--step",),
            f"Time between two samples (default: {STEP_SECONDS}).",
            default=STEP_SECONDS,
            arguments={"metavar": "SECONDS", "type": option_types.step},
        ),
    ),
    settings=("home", "agent", "state_dir"),
)
