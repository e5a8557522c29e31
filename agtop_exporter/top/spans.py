"""Lines of styled text, and the signs in them: states, bars and sparklines."""

from collections.abc import Iterable, Sequence

import msgspec
from rich.cells import cell_len, set_cell_size

from agtop_exporter.model import StateKind

Span = tuple[str, str]
"""A text and the name of its style, see `styles`; "" is the style of the terminal."""
Line = tuple[Span, ...]

NEARLY_FULL = 0.85  # share from which a bar is marked
MASK, ASCII_MASK = "•••••", "*****"
BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", "_.-:=+*#"
UNSURE = frozenset("\ufe0e\ufe0f\u20e3\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
"""Characters that change the look of the character before them.

They are variation selectors, the keycap and the skin tones. Terminals disagree on the width of the
result.
"""
PENDING, ASCII_PENDING = "…", "~"


class StateSign(msgspec.Struct, frozen=True):
    """The signs of a state: a glyph, the glyph without UTF-8, a word and a style."""

    glyph: str
    ascii: str
    word: str
    style: str


STATE_SIGNS: dict[StateKind, StateSign] = {
    "waiting": StateSign("◆", "!", "wait", "wait"),
    "error": StateSign("✖", "x", "error", "error"),
    "warning": StateSign("▲", "^", "stalled", "stalled"),
    "running": StateSign("●", "*", "run", "run"),
    "idle": StateSign("○", "o", "idle", "idle"),
    "closed": StateSign("·", ".", "closed", "closed"),
}
"""The signs of all states, the most urgent state first."""


def visible(text: str) -> str:
    """Return the text without control characters.

    Marks that change how a character looks are removed too, such as those for colored emoji and
    skin tones, because terminals do not agree on the width of the result.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign for sign in text if sign.isprintable() and sign not in UNSURE)


def cells(text: str) -> int:
    """Return the number of terminal cells of a text without control characters."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, width: int, *, left: bool = False) -> str:
    """Return the text cut to at most `width` terminal cells.

    If `left` is true, the start of the text is removed, else the end.
    """
    if cells(text) <= width:
        return text
    if width <= 0:
        return ""
    if not left:
        return f"{set_cell_size(text, width - 1).rstrip()}{PENDING}"
    while cells(text) > width - 1:
        text = text[1:]
    return f"{PENDING}{text}"


def fitted(text: str, width: int, *, align: str = "left", keep_end: bool = False) -> str:
    """Return the text cut and padded to `width` terminal cells."""
    if text.isascii() and len(text) <= width:  # most texts, and much faster
        return text.ljust(width) if align == "left" else text.rjust(width)
    text = cut(text, width, left=keep_end)
    space = " " * (width - cells(text))
    return text + space if align == "left" else space + text


def width_of(line: Iterable[Span]) -> int:
    """Return the number of terminal cells of a line."""
    return cells(plain(line))


def plain(line: Iterable[Span]) -> str:
    """Return the text of a line."""
    return "".join([text for text, _ in line])


def clipped(line: Iterable[Span], width: int) -> Line:
    """Return the line in at most `width` terminal cells, with an ellipsis if it is longer."""
    line = tuple(line)
    if width_of(line) <= width:
        return line
    kept: list[Span] = []
    space = width
    for text, style in line:
        if cells(text) > space - 1:
            kept.append((f"{set_cell_size(text, max(0, space - 1))}{PENDING}", style))
            break
        kept.append((text, style))
        space -= cells(text)
    return tuple(kept)


def ends(left: Iterable[Span], right: Iterable[Span], width: int) -> Line:
    """Return one line of `width` cells, with a text at each end.

    If there is not enough space, the left text is cut first.
    """
    right = tuple(right)
    left = clipped(left, max(0, width - width_of(right) - 1))
    return (*left, (" " * max(0, width - width_of(left) - width_of(right)), ""), *right)


def bar(ratio: float, width: int, *, ascii_only: bool) -> Line:
    """Return a bar of `width` cells, followed by `!` if `ratio` is at least NEARLY_FULL."""
    full = min(width, max(0, round(ratio * width)))
    done, rest = ("#", "-") if ascii_only else ("█", "░")
    high = ratio >= NEARLY_FULL
    return (
        (done * full, "high" if high else "bar"),
        (rest * (width - full), "dim"),
        ("!" if high else " ", "high"),
    )


def sparkline(values: Sequence[float | None], width: int, *, ascii_only: bool) -> str:
    """Return a graph of the last values, with one character for each value.

    An unknown value is a space. The values are scaled to the largest of them. If there are more
    values than `width`, each character shows the mean of several values.
    """
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    size = max(1, -(-len(values) // width))
    groups = [values[start : start + size] for start in range(0, len(values), size)]
    means = [_mean([one for one in group if one is not None]) for group in groups]
    top = max((mean for mean in means if mean is not None), default=0.0)
    steps = len(blocks) - 1
    return "".join(
        " " if mean is None else blocks[round(steps * mean / top) if top > 0 else 0]
        for mean in means
    ).rjust(width)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def to_ascii(text: str) -> str:
    """Return a text for a terminal without UTF-8: `?` stands for each other character."""
    if text.isascii():
        return text
    return "".join(
        letter if letter.isascii() else _REPLACED.get(letter, "?" * cell_len(letter))
        for letter in text
    )


_REPLACED = {PENDING: ASCII_PENDING, "·": "|", "─": "-", "│": "|", "└": "`", "├": "|", "▌": ">"}
_REPLACED |= {"▼": "v", "▲": "^", "•": "*"}
