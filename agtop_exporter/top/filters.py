"""The language of the filter: words that must all occur, and conditions such as `cost>1`.

    webshop !codex state:wait age<1h

`word` occurs in the project, title, agent, model, id, path, branch, plan, pid or state. `!` before
a term negates it. `name:text` searches only one of these values. `name>number` and `name<number`
compare a number of the session, such as its cost.
"""

import re
from collections.abc import Callable, Mapping

from agtop_exporter.model import PICODOLLARS_PER_USD, Session
from agtop_exporter.top.history import SessionId
from agtop_exporter.top.rows import Row
from agtop_exporter.top.spans import STATE_SIGNS

Matches = Callable[[Row, float], bool]
"""A function that returns whether a row matches one term at a time (unix seconds)."""
Filter = Callable[[list[Row], float], list[Row]]
"""A function that returns the rows that match all terms at a time (unix seconds).

The rows keep their order.
"""


class FilterError(ValueError):
    """A filter is not valid. The message is the reason in a few words."""


def _state(row: Row) -> str:
    if row.session is None:
        return ""
    kind = row.session.state.kind
    return f"{kind} {STATE_SIGNS[kind].word} {row.session.state.reason or ''}"


def _fact(name: str) -> Callable[[Row], str]:
    return lambda row: str(getattr(row.session, name) or "") if row.session else ""


TEXTS: Mapping[str, Callable[[Row], str]] = {
    "project": lambda row: (row.session.project or "") if row.session else "no session",
    "title": _fact("title"),
    "agent": lambda row: row.agent,
    "model": _fact("model"),
    "id": _fact("session_id"),
    "path": _fact("cwd"),
    "branch": _fact("git_branch"),
    "plan": _fact("subscription"),
    "pid": lambda row: str(row.pid or ""),
    "state": _state,
}
"""The values of a session in which words are searched, by the name used in a filter."""


def _context(row: Row, _now: float) -> float | None:
    session = row.session
    if session is None or not session.context_window_tokens or session.context_used_tokens is None:
        return None
    return 100 * session.context_used_tokens / session.context_window_tokens


def _cost(row: Row, _now: float) -> float | None:
    tree = row.session.tree if row.session else None
    known = tree is not None and tree.cost.known_for(tree.tokens)
    return tree.cost.total / PICODOLLARS_PER_USD if tree is not None and known else None


def _age(row: Row, now: float) -> float | None:
    return now - row.last_active if row.last_active else None


NUMBERS: Mapping[str, Callable[[Row, float], float | None]] = {
    "cost": _cost,
    "ctx": _context,
    "cpu": lambda row, _now: row.usage.cpu_percent if row.usage else None,
    "mem": lambda row, _now: row.usage.rss_bytes if row.usage else None,
    "tokens": lambda row, _now: row.session.tree.tokens.total if row.session else None,
    "age": _age,
}
"""The numbers of a session that can be compared, by the name used in a filter.

If a number is unknown (None), no comparison matches.
"""

UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "%": 1.0}
AGES = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
COMPARISON = re.compile(r"(\w+)([<>])(.*)", re.DOTALL)
AMOUNT = re.compile(r"(\d+(?:\.\d+)?|\.\d+)([a-z%]?)", re.ASCII)


def text_of(row: Row) -> str:
    """Return the values of TEXTS for a row in lower case, one in each line."""
    return "\n".join(place(row) for place in TEXTS.values()).lower()


class Texts:
    """Stores the text of each session in which words are searched, until the session changes."""

    def __init__(self) -> None:
        """Start without stored texts."""
        self._known: dict[SessionId, tuple[Session, str]] = {}

    def of(self, row: Row) -> str:
        """Return the result of `text_of` for a row."""
        if row.session is None:
            return text_of(row)
        known = self._known.get(row.key)
        if known is None or known[0] is not row.session:
            known = self._known[row.key] = row.session, text_of(row)
        return known[1]


def parse(text: str, text_of: Callable[[Row], str] = text_of) -> Filter:
    """Return the filter that `text` describes. Raises FilterError if it is not valid.

    `text_of` returns the text of a row in which words are searched.
    """
    terms = [_term(word, text_of) for word in text.lower().split()]

    def fitting(rows: list[Row], now: float) -> list[Row]:
        for fits in terms:
            rows = [row for row in rows if fits(row, now)]
        return rows

    return fitting


def _term(word: str, text_of: Callable[[Row], str]) -> Matches:
    if word.startswith("!"):
        if word == "!":
            raise FilterError("a word is missing after !")
        fits = _term(word[1:], text_of)
        return lambda row, now: not fits(row, now)
    if found := COMPARISON.fullmatch(word):
        return _comparison(*found.groups())
    name, colon, wanted = word.partition(":")
    if colon:
        if name not in TEXTS:
            raise FilterError(f"no such field: {name} ({', '.join(TEXTS)})")
        text = TEXTS[name]
        return lambda row, _now: wanted in text(row).lower()
    return lambda row, _now: word in text_of(row)


def _comparison(name: str, sign: str, text: str) -> Matches:
    if name not in NUMBERS:
        raise FilterError(f"no such figure: {name} ({', '.join(NUMBERS)})")
    units = AGES if name == "age" else UNITS
    amount = AMOUNT.fullmatch(text)
    if amount is None or amount[2] not in units:
        raise FilterError(f"{name}{sign} needs a number")
    limit, value_of = float(amount[1]) * units[amount[2]], NUMBERS[name]

    def fits(row: Row, now: float) -> bool:
        value = value_of(row, now)
        return value is not None and (value > limit if sign == ">" else value < limit)

    return fits
