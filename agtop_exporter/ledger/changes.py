"""What a batch adds to the sums, or takes from one session to give to another."""

from collections import Counter

from msgspec.structs import astuple

from agtop_exporter.ledger.records import Entry, unpriced
from agtop_exporter.ledger.store import Place
from agtop_exporter.model import Cost, ModelUsage, TokenCounts, hour_of


class Changes:
    """The changes of one batch; additions are gathered first, and summed by column at the end."""

    def __init__(self) -> None:
        self._sums: dict[Place, ModelUsage] = {}
        self._added: dict[Place, list[Entry]] = {}
        self._taken: dict[Place, list[Entry]] = {}
        self._calls: list[tuple[int, str, str]] = []
        self._other: dict[tuple[int, str, str], int] = {}

    def add(self, entry: Entry) -> None:
        """Add what an entry says."""
        session = entry.session
        if entry.requests:
            place = (session, entry.model, hour_of(entry.time))
            known = self._added.get(place)
            if known is None:
                self._added[place] = [entry]
            else:
                known.append(entry)
        for _, name in entry.tools:
            self._calls.append((session, "tool_calls", name))
        if entry.turns or entry.compactions or entry.tool_errors:
            self._count(entry, 1)

    def add_sums(self, place: Place, usage: ModelUsage) -> None:
        """Add what has been summed already."""
        known = self._sums.get(place)
        self._sums[place] = usage if known is None else known + usage

    def add_count(self, session: int, kind: str, name: str, number: int) -> None:
        """Add to a count of turns, compactions or tool calls."""
        self._add_to((session, kind, name), number)

    def take(self, entry: Entry) -> None:
        """Take away what an entry said."""
        if entry.requests:
            place = (entry.session, entry.model, hour_of(entry.time))
            self._taken.setdefault(place, []).append(entry)
        for _, name in entry.tools:
            self._add_to((entry.session, "tool_calls", name), -1)
        self._count(entry, -1)

    def _count(self, entry: Entry, sign: int) -> None:
        self._add_to((entry.session, "turns", ""), sign * entry.turns)
        self._add_to((entry.session, "compactions", ""), sign * entry.compactions)
        for _, name in entry.tool_errors:
            self._add_to((entry.session, "tool_call_errors", name), sign)

    def _add_to(self, key: tuple[int, str, str], number: int) -> None:
        self._other[key] = self._other.get(key, 0) + number

    def usage(self) -> dict[Place, ModelUsage]:
        """Return the change of usage by session, model and hour."""
        usage = self._sums
        for place, entries in self._added.items():
            self.add_sums(place, _sum(entries))
        for place, entries in self._taken.items():
            usage[place] = usage.get(place, ModelUsage()) - _sum(entries)
        return usage

    def counts(self) -> dict[tuple[int, str, str], int]:
        """Return the change of all other counts by session, kind and tool name."""
        counts = Counter(self._calls)
        for key, number in self._other.items():
            counts[key] += number
        return counts


def _sum(entries: list[Entry]) -> ModelUsage:
    tokens = [astuple(entry.tokens) for entry in entries]
    costs = [
        astuple(unpriced(entry.tokens) if entry.cost is None else entry.cost) for entry in entries
    ]
    return ModelUsage(
        sum(entry.requests for entry in entries),
        TokenCounts(*map(sum, zip(*tokens, strict=True))),
        Cost(*map(sum, zip(*costs, strict=True))),
    )
