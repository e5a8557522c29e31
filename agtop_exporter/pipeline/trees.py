"""The tree of sessions and their subagents."""

from collections import Counter
from collections.abc import Callable, Container

from agtop_exporter.ledger import Key

NO_KEY = ("", "")


class SessionTree:
    """The sessions with their parents. A parent that is not in `known` is ignored."""

    def __init__(self, known: Container[Key]) -> None:
        self._known = known
        self._parents: dict[Key, Key] = {}
        self._children: dict[Key, list[Key]] = {}
        self.subagents: Counter[str] = Counter()  # sessions with a parent, by agent

    def add(self, key: Key, parent_session_id: str) -> None:
        """Add a session that may have a parent."""
        if parent_session_id and key not in self._parents:
            parent = self._parents[key] = (key[0], parent_session_id)
            self._children.setdefault(parent, []).append(key)
            self.subagents[key[0]] += parent in self._known

    def is_top(self, key: Key) -> bool:
        """Return whether a session has no parent."""
        return self._parents.get(key, NO_KEY) not in self._known

    def line(self, key: Key) -> list[Key]:
        """Return a session and its ancestors, the top-level session last."""
        line: list[Key] = []
        while key in self._known and key not in line:
            line.append(key)
            key = self._parents.get(key, NO_KEY)
        return line

    def members(self, key: Key, wanted: Callable[[Key], bool] = lambda _key: True) -> list[Key]:
        """Return a session and all its subagents that are `wanted`, each once."""
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
        return tuple([session_id for _, session_id in self._children.get(key, ())])
