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
    """Return the width, the height and the characters that standard output can show.

    With `size`, the output has this width and height. Without it, the output has the width of the
    terminal (None if standard output is no terminal), and its height is not limited.
    """
    columns = shutil.get_terminal_size().columns if on_terminal() else None
    return Terminal(
        width=size.columns if size else columns,
        height=size.lines if size else None,
        ascii_only=is_ascii_only(environment()),
        color=on_terminal() and not (environment().get("NO_COLOR") or is_dumb()),
    )
