"""Implements `agtop` without a command: the view on a terminal, and else the table."""

from argparse import Namespace
from importlib import import_module

from agtop_exporter.cli.output import can_draw
from agtop_exporter.cli.wiring import environment


def run(options: Namespace) -> None:
    """Show the interactive view if this is possible. Otherwise, print the table once.

    Only the module that runs is imported, because that of the view loads Textual.
    """
    module = "top" if can_draw(environment()) else "table"
    import_module(f"{__package__}.{module}").run(options)
