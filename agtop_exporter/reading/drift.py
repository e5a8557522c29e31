"""Counts records of unknown types, which indicate that an agent has changed its file format.

Type names come from files that anyone may have written, so a name can be long or private text. At
most NAMES_MAX names are stored, and only names that look like identifiers. All other types are
counted together as `other`.
"""

import re
from collections.abc import Collection

NAMES_MAX = 16
NAME_CHARACTERS = 48
OTHER = "other"  # all types whose names are not stored
UNTYPED = "untyped"  # records without a type

_WORD = r"(?:[A-Z]{0,4}[a-z]{1,24}(?:[A-Z]{1,4}[a-z]{1,24}){0,5}|[A-Z]{1,10})[0-9]{0,2}"
_NAME = re.compile(rf"\$?{_WORD}(?:[._-](?:{_WORD}|[0-9]{{1,3}}))*")


class UnknownTypes:
    """Counts the records of each type that is not in `known`, the set of known types."""

    def __init__(self, known: frozenset[str] = frozenset()) -> None:
        self._known = known
        self._counts: dict[str, int] = {}

    def observe(self, kind: str) -> None:
        """Count a record if its type is unknown; `kind` is "" if the record has no type."""
        if kind not in self._known:
            self.add(kind or UNTYPED)

    def observe_all(self, kinds: Collection[str]) -> None:
        """Count the records of unknown types; `kinds` has one item per record."""
        if not self._known.issuperset(kinds):
            for kind in kinds:
                self.observe(kind)

    def add(self, kind: str, count: int = 1) -> None:
        """Count `count` records of the unknown type `kind`."""
        if kind not in self._counts and (len(self._counts) >= NAMES_MAX or not is_name(kind)):
            kind = OTHER
        self._counts[kind] = self._counts.get(kind, 0) + count

    def all(self) -> tuple[tuple[str, int], ...]:
        """Return (type, count) of each unknown type, in order of first appearance."""
        return tuple(self._counts.items())


def is_name(kind: str) -> bool:
    """Return whether a text looks like a type name: short words joined by `.`, `_` or `-`."""
    return len(kind) <= NAME_CHARACTERS and _NAME.fullmatch(kind) is not None
