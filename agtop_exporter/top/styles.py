"""Maps the names of styles to Rich styles. The colors of states are those of Okabe and Ito.

A style never depends on its color alone, and the background is that of the terminal, so that the
view is readable on light and dark terminals, with 16 colors and without colors. The sky blue is
darker than that of Okabe and Ito, whose contrast with white is only 2.3:1.
"""

from collections.abc import Mapping

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from agtop_exporter.top.spans import Line, to_ascii

SKY_BLUE = "#2a8ac4"

PLAIN: Mapping[str, Style] = {
    "": Style(),
    "bold": Style(bold=True),
    "dim": Style(dim=True),
    "title": Style(bold=True),
    "sorted": Style(bold=True),
    "selected": Style(reverse=True),
    "mark": Style(bold=True),
    "live": Style(bold=True),
    "tab": Style(reverse=True),
    "bar": Style(),
    "high": Style(bold=True),
    "wait": Style(bold=True, reverse=True),
    "error": Style(bold=True),
    "stalled": Style(bold=True),
    "run": Style(),
    "idle": Style(),
    "closed": Style(dim=True),
}
"""The styles without colors."""

COLORED: Mapping[str, Style] = {
    **PLAIN,
    "live": Style(bold=True, color="#009e73"),
    "bar": Style(color=SKY_BLUE),
    "high": Style(bold=True, color="#d55e00"),
    "wait": Style(bold=True, color="#000000", bgcolor="#e69f00"),
    "error": Style(bold=True, color="#d55e00"),
    "stalled": Style(bold=True, color="#000000", bgcolor="#f0e442"),
    "run": Style(bold=True, color="#009e73"),
    "idle": Style(color=SKY_BLUE),
}
"""The styles with colors. Text on yellow and orange is black, which is readable everywhere."""


class Palette:
    """Converts lines of spans to strips, the lines that Textual draws."""

    def __init__(self, *, colored: bool, ascii_only: bool) -> None:
        """Set the characters and the colors.

        If `colored` is false, no colors are used. If `ascii_only` is true, only ASCII characters
        are used.
        """
        self._known = dict(COLORED if colored else PLAIN)
        self._ascii_only = ascii_only

    def strip(self, line: Line, width: int) -> Strip:
        """Return a strip of exactly `width` cells."""
        segments = [
            Segment(to_ascii(text) if self._ascii_only else text, self._style(name))
            for text, name in line
        ]
        return Strip(segments).adjust_cell_length(width, self._known[""])

    def _style(self, name: str) -> Style:
        """Return a style; a name may have several parts, such as `selected wait`."""
        style = self._known.get(name)
        if style is None:
            style = sum((self._known[part] for part in name.split()), Style())
            if name.startswith("selected "):
                style += self._known["selected"]
            self._known[name] = style
        return style
