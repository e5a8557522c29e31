"""Implements `agtop` without a command: the interactive view on a terminal, else the table."""

from argparse import Namespace
from importlib import import_module

from agtop_exporter.cli.output import can_draw
from agtop_exporter.cli.wiring import environment


def run(options: Namespace) -> None:
    """Show the interactive view if this is possible. Otherwise, print the table once.

    Only the module that runs is imported, because the module of the view imports Textual.
    """
    module = "top" if can_draw(environment()) else "table"
    import_module(f"{__package__}.{module}").run(options)
