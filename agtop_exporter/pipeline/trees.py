"""Stores which sessions are subagents of which other sessions."""

from collections import Counter
from collections.abc import Callable, Container

from agtop_exporter.ledger import Key

NO_KEY = ("", "")


class SessionTree:
    """The sessions as a tree, in which the children of a session are its subagents.

    A parent that is not in `known` is ignored. A session with such a parent counts as a top-level
    session.
    """

    def __init__(self, known: Container[Key]) -> None:
        self._known = known
        self._parents: dict[Key, Key] = {}
        self._children: dict[Key, list[Key]] = {}
        self.subagents: Counter[str] = Counter()  # sessions with a parent, by agent

    def add(self, key: Key, parent_session_id: str) -> None:
        """Add a session. A session without a parent has "" as `parent_session_id`."""
        if parent_session_id and key not in self._parents:
            parent = self._parents[key] = (key[0], parent_session_id)
            self._children.setdefault(parent, []).append(key)
            self.subagents[key[0]] += parent in self._known

    def is_top(self, key: Key) -> bool:
        """Return whether a session has no known parent."""
        return self._parents.get(key, NO_KEY) not in self._known

    def line(self, key: Key) -> list[Key]:
        """Return the keys of a session, of its parent, and so on up to the top-level session."""
        line: list[Key] = []
        while key in self._known and key not in line:
            line.append(key)
            key = self._parents.get(key, NO_KEY)
        return line

    def members(self, key: Key, wanted: Callable[[Key], bool] = lambda _key: True) -> list[Key]:
        """Return the keys of a session and of its direct and indirect subagents.

        If `wanted` returns False for a subagent, the subagent and its own subagents are skipped.
        """
        members: dict[Key, None] = {}
        waiting = [key]
        while waiting:
            member = waiting.pop()
            if member not in members:
                members[member] = None
                waiting.extend(filter(wanted, self._children.get(member, ())))
        return list(members)

    def children(self, key: Key) -> tuple[str, ...]:
        """Return the session ids of the direct subagents of a session."""
        return tuple(sorted([session_id for _, session_id in self._children.get(key, ())]))
