"""`Changes` collects differences of usage and counts until they are added to sums and totals."""

from collections import Counter
from collections.abc import Callable

from agtop_exporter.ledger.records import Entry, tally, unpriced
from agtop_exporter.model import NO_USAGE, ModelUsage, hour_of

Place = tuple[int, str, int]  # session, model, hour


class Changes:
    """Differences of usage and counts that are not yet added to the sums of sessions and totals.

    `usage` is by session, model and hour. `counts` is by session, kind of count and tool name.
    `billed` is the billed amount minus the cost, by session and model.
    """

    def __init__(self) -> None:
        self.usage: dict[Place, ModelUsage] = {}
        self.counts: Counter[tuple[int, str, str]] = Counter()
        self.billed: Counter[tuple[int, str]] = Counter()  # picodollars

    def add(self, entry: Entry) -> None:
        """Add the usage and the counts of an event."""
        if entry.is_billed:
            place = _place(entry)
            self.usage[place] = self.usage.get(place, ModelUsage()) + _usage(entry)
        self._bill(entry, 1)
        self._count(entry, 1)

    def add_changes(self, other: "Changes") -> None:
        """Add all differences of another `Changes` object."""
        for place, usage in other.usage.items():
            self.usage[place] = self.usage.get(place, ModelUsage()) + usage
        self.counts.update(other.counts)
        self.billed.update(other.billed)

    def take(self, entry: Entry) -> None:
        """Subtract the usage and the counts of an event that was added before."""
        if entry.is_billed:
            place = _place(entry)
            self.usage[place] = self.usage.get(place, ModelUsage()) - _usage(entry)
        self._bill(entry, -1)
        self._count(entry, -1)

    def net(self) -> "Changes":
        """Return the same differences, but without usage differences that are zero."""
        net = Changes()
        net.usage = {place: usage for place, usage in self.usage.items() if usage != NO_USAGE}
        net.counts, net.billed = self.counts, self.billed
        return net

    def only(self, wanted: Callable[[int], bool]) -> "Changes":
        """Return the differences of the sessions for whose numbers `wanted` returns True."""
        part = Changes()
        part.usage = {place: usage for place, usage in self.usage.items() if wanted(place[0])}
        part.counts = Counter({key: n for key, n in self.counts.items() if wanted(key[0])})
        part.billed = Counter({key: n for key, n in self.billed.items() if wanted(key[0])})
        return part

    def _bill(self, entry: Entry, sign: int) -> None:
        if entry.reported_cost is not None:
            self.billed[entry.session, entry.model] += sign * entry.billed

    def _count(self, entry: Entry, sign: int) -> None:
        for _, name in entry.tools:
            self.counts[entry.session, "tool_calls", name] += sign
        if entry.turns or entry.compactions or entry.tool_errors:
            tally(self.counts, entry.session, entry, sign)


def _place(entry: Entry) -> Place:
    return entry.session, entry.model, hour_of(entry.time)


def _usage(entry: Entry) -> ModelUsage:
    cost = unpriced(entry.tokens) if entry.cost is None else entry.cost
    return ModelUsage(entry.requests, entry.tokens, cost)
