"""Implements `agtop json` and `agtop-exporter --once --json`: one scan, printed as JSON."""

from argparse import Namespace

from agtop_exporter.cli.output import leave, write
from agtop_exporter.cli.snapshot import one_snapshot
from agtop_exporter.cli.wiring import settings_of
from agtop_exporter.render import json


def run(options: Namespace) -> None:
    """Scan once, and print the JSON document with all sessions and totals."""
    write(json.render(one_snapshot(settings_of(options))))
    leave()
