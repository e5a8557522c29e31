"""Finds the selectors of a PromQL expression and their context, without a parser."""

import re
from typing import NamedTuple

SELECTOR = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\{(?P<matchers>(?:[^}\"]|\"[^\"]*\")*)\}"
    r"(?:\[(?P<range>[^\]]+)\])?"
)
FUNCTION = re.compile(r"([a-z_]+)\($")


class Selector(NamedTuple):
    """One selector of an expression."""

    name: str
    matchers: tuple[str, ...]
    range: str | None
    function: str | None  # the one that it is the first argument of


def selectors(expression):
    """Return every selector that has matchers."""
    found = []
    for match in SELECTOR.finditer(expression):
        before = FUNCTION.search(expression[: match.start()])
        matchers = re.findall(r'\w+\s*(?:=~|!~|!=|=)\s*"[^"]*"', match["matchers"])
        found.append(Selector(match["name"], tuple(matchers), match["range"], before and before[1]))
    return found


def substituted(expression, values, *, seconds=60, rate_seconds=60):
    """Replace Grafana's variables for a time range in seconds, as Grafana does."""
    given = {
        "__rate_interval": f"{rate_seconds}s",
        "__range": f"{seconds}s",
        "__range_s": str(seconds),
        "__interval": "5s",
        **values,
    }
    names = sorted(given, key=len, reverse=True)
    for name in names:
        expression = expression.replace(f"${name}", given[name])
    return expression
