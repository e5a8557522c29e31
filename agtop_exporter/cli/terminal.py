"""Describes the terminal on which a command prints."""

import os
import shutil

from agtop_exporter.cli.output import is_ascii_only, on_terminal
from agtop_exporter.cli.wiring import environment
from agtop_exporter.render.table.layout import Terminal


def is_dumb() -> bool:
    """Return whether the terminal cannot move its cursor."""
    return environment().get("TERM") == "dumb"


def terminal(size: os.terminal_size | None = None) -> Terminal:
    """Return what standard output can show: a page of this size, or lines if there is no size."""
    columns = shutil.get_terminal_size().columns if on_terminal() else None
    return Terminal(
        width=size.columns if size else columns,
        height=size.lines if size else None,
        ascii_only=is_ascii_only(environment()),
        color=on_terminal() and not (environment().get("NO_COLOR") or is_dumb()),
    )
