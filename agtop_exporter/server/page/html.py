"""All HTML of the page at `/`. Every text is escaped here, and nowhere else."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import NamedTuple

HIGH, FULL = 0.7, 0.9
"""The shares of a limit above which a bar is yellow and red."""

_FOLDER = files(__package__ or "")
STYLE = (_FOLDER / "page.css").read_text("utf-8")
SCRIPT = (_FOLDER / "page.js").read_text("utf-8")
_PAGE = Template((_FOLDER / "page.html").read_text("utf-8"))


class Column(NamedTuple):
    """A column of a table. `style` is the CSS class of its cells."""

    title: str
    style: str = ""


class Cell(NamedTuple):
    """A cell of a table.

    `detail` is a second line in small letters. The column is sorted by `order`, or by the text if
    `order` is None. `share` is a number from 0 to 1 that is drawn as a bar. `style` is an
    additional CSS class.
    """

    text: str
    detail: str = ""
    order: float | None = None
    share: float | None = None
    style: str = ""


class Card(NamedTuple):
    """A figure with a title, and lines of details below it."""

    title: str
    figure: str
    details: Sequence[str]


def document(main: str, *, title: str, version: str, refresh_seconds: int) -> bytes:
    """Return the whole page as UTF-8. `main` is the main part of the page as HTML.

    The page reloads itself periodically.
    """
    page = _PAGE.substitute(
        main=main,
        title=escape(title),
        version=escape(version),
        refresh_seconds=refresh_seconds,
        style=STYLE,
        script=SCRIPT,
    )
    return page.encode("utf-8", "replace")


def policy_hash(text: str) -> str:
    """Return the source expression for an inline style or script in a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def section(title: str, content: str, *, note: str = "") -> str:
    """Return a section with a heading. `content` is HTML."""
    small = f" <span>{escape(note)}</span>" if note else ""
    return f"<section>\n<h2>{escape(title)}{small}</h2>\n{content}\n</section>"


def columns(sections: Iterable[str]) -> str:
    """Return sections beside each other, or below each other on a narrow screen."""
    content = "\n".join(sections)
    return f'<div class="columns">\n{content}\n</div>'


def message(*lines: str, share: float | None = None) -> str:
    """Return a box with lines of text, and a progress bar if `share` (from 0 to 1) is given."""
    content = "".join(f"<p>{escape(line)}</p>" for line in lines)
    bar = (
        "" if share is None else f'<progress value="{share:.3f}" aria-label="Progress"></progress>'
    )
    return f'<div class="none">{content}{bar}</div>'


def footer(*sentences: str) -> str:
    """Return the explanations at the end of the page."""
    return f"<footer>{escape(' '.join(sentences))}</footer>"


def notice(text: str) -> str:
    """Return a box with the description of a problem."""
    return f'<p class="notice">{escape(text)}</p>'


def states(counts: Iterable[tuple[str, int]], *, note: str) -> str:
    """Return the numbers of sessions by state, and a note."""
    items = "".join(
        f'<span class="state {escape(state)}">{number} {escape(state)}</span>'
        for state, number in counts
    )
    return f'<p class="states">{items}<span class="soft">{escape(note)}</span></p>'


def cards(shown: Iterable[Card]) -> str:
    """Return cards beside each other."""
    items = "\n".join(map(_card, shown))
    return f"<dl>\n{items}\n</dl>"


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, name: str, style: str
) -> str:
    """Return a table. The first cell of a row is its heading.

    `name` is the id of the table. `style` is a list of CSS classes.
    """
    heads = "".join(
        f'<th scope="col"{_class(one.style)}>{escape(one.title)}</th>' for one in columns
    )
    lines = "\n".join(_row(columns, row) for row in rows)
    return (
        f'<table id="{escape(name)}" class="{escape(style)}">\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table>"
    )


def _card(card: Card) -> str:
    details = "".join(f"<small>{escape(detail)}</small>" for detail in card.details)
    figure = f"<strong>{escape(card.figure)}</strong>"
    return f"<div><dt>{escape(card.title)}</dt><dd>{figure}{details}</dd></div>"


def _row(columns: Sequence[Column], cells: Sequence[Cell]) -> str:
    first, *others = zip(columns, cells, strict=True)
    heading = f'<th scope="row"{_attributes(*first)}>{_content(first[1])}</th>'
    rest = "".join(f"<td{_attributes(*pair)}>{_content(pair[1])}</td>" for pair in others)
    return f"<tr>{heading}{rest}</tr>"


def _attributes(column: Column, cell: Cell) -> str:
    title = f' data-title="{escape(column.title)}"' if column.style == "number" else ""
    order = "" if cell.order is None else f' data-order="{cell.order:.10g}"'
    return f"{_class(f'{column.style} {cell.style}'.strip())}{title}{order}"


def _class(style: str) -> str:
    return f' class="{escape(style)}"' if style else ""


def _content(cell: Cell) -> str:
    detail = f"<small>{escape(cell.detail)}</small>" if cell.detail else ""
    return f"{'' if cell.share is None else _meter(cell.share)}{escape(cell.text)}{detail}"


def _meter(share: float) -> str:
    """Return a bar that is green, yellow or red. The cell also has the share as text."""
    value = f"{min(1.0, max(0.0, share)):.2f}"
    return (
        f'<meter low="{HIGH}" high="{FULL}" optimum="0" value="{value}" aria-hidden="true"></meter>'
    )
