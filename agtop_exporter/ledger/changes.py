"""What was read adds to the sums, or takes from one session to give to another."""

from collections import Counter

from agtop_exporter.ledger.records import Entry, tally, unpriced
from agtop_exporter.model import NO_TOKENS, NO_USAGE, ModelUsage, hour_of

Place = tuple[int, str, int]  # session, model, hour


class Changes:
    """Changes that are to be made: of usage by place, and of counts by session, kind and tool."""

    def __init__(self) -> None:
        self.usage: dict[Place, ModelUsage] = {}
        self.counts: Counter[tuple[int, str, str]] = Counter()
        self.billed: Counter[tuple[int, str]] = Counter()  # above the cost, by session and model

    def add(self, entry: Entry) -> None:
        """Add what an entry says."""
        if entry.is_billed or _has_tokens(entry):
            place = _place(entry)
            self.usage[place] = self.usage.get(place, ModelUsage()) + _usage(entry)
        self._bill(entry, 1)
        self._count(entry, 1)

    def add_changes(self, other: "Changes") -> None:
        """Add all changes of another value."""
        for place, usage in other.usage.items():
            self.usage[place] = self.usage.get(place, ModelUsage()) + usage
        self.counts.update(other.counts)
        self.billed.update(other.billed)

    def take(self, entry: Entry) -> None:
        """Take away what an entry said."""
        if entry.is_billed or _has_tokens(entry):
            place = _place(entry)
            self.usage[place] = self.usage.get(place, ModelUsage()) - _usage(entry)
        self._bill(entry, -1)
        self._count(entry, -1)

    def net(self) -> "Changes":
        """Return the changes without the places where nothing changed in the end."""
        net = Changes()
        net.usage = {place: usage for place, usage in self.usage.items() if usage != NO_USAGE}
        net.counts, net.billed = self.counts, self.billed
        return net

    def _bill(self, entry: Entry, sign: int) -> None:
        if entry.reported_cost is not None:
            self.billed[entry.session, entry.model] += sign * entry.billed

    def _count(self, entry: Entry, sign: int) -> None:
        for _, name in entry.tools:
            self.counts[entry.session, "tool_calls", name] += sign
        if entry.turns or entry.compactions or entry.tool_errors:
            tally(self.counts, entry.session, entry, sign)


def _has_tokens(entry: Entry) -> bool:
    """Return whether an entry has tokens, which may be of requests that another one counts."""
    return entry.tokens is not NO_TOKENS and entry.tokens != NO_TOKENS


def _place(entry: Entry) -> Place:
    return entry.session, entry.model, hour_of(entry.time)


def _usage(entry: Entry) -> ModelUsage:
    cost = unpriced(entry.tokens) if entry.cost is None else entry.cost
    return ModelUsage(entry.requests, entry.tokens, cost)
