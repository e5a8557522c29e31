"""Implements `agtop-exporter check-config`, which prints the effective settings and directories."""

from argparse import Namespace

from agtop_exporter.cli.output import write
from agtop_exporter.cli.wiring import cache_directory, settings_of, state_directory


def run(options: Namespace) -> None:
    """Validate the settings. Print all settings and the directories of the ledger and the cache."""
    settings = settings_of(options)
    lines = [f"{name} = {value!r}" for name, value in settings]
    places = (f"# state: {state_directory(settings)}", f"# cache: {cache_directory(settings)}")
    write("".join(f"{line}\n" for line in (*lines, *places)))
