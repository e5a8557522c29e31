"""Counts records of types that a reader does not know: an agent's format may have changed.

The names come from files that anybody may have written. So few are kept, and only those that look
like the name of a type: what else stands there may be long, or a secret.
"""

import re
from collections.abc import Collection

NAMES_MAX = 16
NAME_CHARACTERS = 48
OTHER = "other"  # all types whose names are not kept
UNTYPED = "untyped"  # records that do not say what they are

_WORD = r"(?:[A-Z]{0,4}[a-z]{1,24}(?:[A-Z]{1,4}[a-z]{1,24}){0,5}|[A-Z]{1,10})[0-9]{0,2}"
_NAME = re.compile(rf"\$?{_WORD}(?:[._-](?:{_WORD}|[0-9]{{1,3}}))*")


class UnknownTypes:
    """The record types that are not among the known ones, and how many records have them."""

    def __init__(self, known: frozenset[str] = frozenset()) -> None:
        self._known = known
        self._counts: dict[str, int] = {}

    def see(self, kind: str) -> None:
        """Take note of a record's type; empty where it has none."""
        if kind not in self._known:
            self.add(kind or UNTYPED)

    def see_all(self, kinds: Collection[str]) -> None:
        """Take note of the types of many records, most of which are known."""
        if not self._known.issuperset(kinds):
            for kind in kinds:
                self.see(kind)

    def add(self, kind: str, count: int = 1) -> None:
        """Count records of an unknown type."""
        if kind not in self._counts and (len(self._counts) >= NAMES_MAX or not is_name(kind)):
            kind = OTHER
        self._counts[kind] = self._counts.get(kind, 0) + count

    def all(self) -> tuple[tuple[str, int], ...]:
        """Return the counts by type, in the order in which the types were first seen."""
        return tuple(self._counts.items())


def is_name(kind: str) -> bool:
    """Tell whether a text looks like the name of a type: a few plain words, joined."""
    return len(kind) <= NAME_CHARACTERS and _NAME.fullmatch(kind) is not None
