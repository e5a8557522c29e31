"""`Entry`, a stored event, and the rules for merging.

Two records of one event are merged, and two updates of one session are merged.
"""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from agtop_exporter.model import (
    NO_TOKENS,
    PROMPT_RANK,
    Cost,
    SessionUpdate,
    TokenCounts,
    UsageEvent,
)

S = TypeVar("S", int, str)
"""Type of the identity of a session: its number in the ledger, or its session id."""

Calls = tuple[tuple[str, str], ...]


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A counted event. It is stored so that another record of the event adds only a difference."""

    session: int  # number of the session that owns the event
    copied: bool
    time: float  # in unix seconds
    model: str
    tokens: TokenCounts
    cost: Cost | None  # None if no price was known
    requests: int
    turns: int
    compactions: int
    tools: Calls
    tool_errors: Calls
    provider: str
    speed: str
    reported_cost: int | None  # picodollars
    web_searches: int
    region: str
    own_price: bool = False

    @property
    def is_billed(self) -> bool:
        """Return whether the event is billed: it has requests, tokens or billed web searches.

        If the number of requests is unknown, an event has tokens without requests.
        """
        return bool(self.requests or self.web_searches or self.tokens != NO_TOKENS)

    @property
    def billed(self) -> int:
        """The billed amount minus the cost, in picodollars.

        The value is 0 if the agent did not record the billed amount (`reported_cost`), or if a
        price of the user replaces the recorded amount (`own_price`).
        """
        return 0 if self.own_price else self.reported_difference

    @property
    def reported_difference(self) -> int:
        """The recorded amount minus the cost, in picodollars; 0 if no amount was recorded."""
        if self.reported_cost is None:
            return 0
        return self.reported_cost - (self.cost.total if self.cost is not None else 0)

    @property
    def claim(self) -> tuple[bool, float]:
        """The sort key that decides which session owns an event that several sessions contain.

        The session of the record with the smallest sort key owns the event.
        """
        return self.copied, self.time or math.inf

    def moved_to(self, session: int) -> "Entry":
        """Return a copy of the event that belongs to another session."""
        return msgspec.structs.replace(self, session=session)

    def merged(self, other: "Entry", *, began_before: bool = False) -> "Entry":
        """Merge two records of one event. The result has the larger value of each number.

        `self` is the record that is already counted (see also `TokenCounts.merged`).

        The result belongs to the session of the record that is not marked as a copy. If both or
        none are marked, it belongs to the session of the earlier record. If the times are equal, it
        belongs to the session of `other` if `began_before` is set, else to the session of `self`.
        `began_before` means that the session of `other` started first.
        """
        ours, theirs = self.claim, other.claim
        owner = other if theirs < ours or (theirs == ours and began_before) else self
        return msgspec.structs.replace(
            owner,
            model=self.model or other.model,
            speed=self.speed or other.speed,
            region=self.region or other.region,
            tokens=self.tokens.merged(other.tokens),
            requests=max(self.requests, other.requests),
            turns=max(self.turns, other.turns),
            compactions=max(self.compactions, other.compactions),
            tools=union(self.tools, other.tools),
            tool_errors=union(self.tool_errors, other.tool_errors),
            reported_cost=larger(self.reported_cost, other.reported_cost),
            web_searches=max(self.web_searches, other.web_searches),
            own_price=other.own_price,
        )


def tally(
    counts: Counter[tuple[S, str, str]], session: S, event: Entry | UsageEvent, sign: int = 1
) -> None:
    """Add the turns, compactions and failed tool calls of an event to `counts`.

    The keys of `counts` are (session, kind of count, tool name). A `sign` of -1 subtracts.
    """
    counts[session, "turns", ""] += sign * event.turns
    counts[session, "compactions", ""] += sign * event.compactions
    for _, name in event.tool_errors:
        counts[session, "tool_call_errors", name] += sign


def unpriced(tokens: TokenCounts) -> Cost:
    """Return the `Cost` of tokens whose price is unknown. It has only `unpriced_tokens`."""
    return Cost(unpriced_tokens=tokens.total)


def union(first: Calls, second: Calls) -> Calls:
    """Return the tool calls that are in any of two tuples, with each call id only once."""
    return first if first == second else tuple({**dict(second), **dict(first)}.items())


def larger(first: int | None, second: int | None) -> int | None:
    """Return the larger of two numbers. A number that is None is unknown."""
    return max(first, second) if first is not None and second is not None else first or second


class _Pair(NamedTuple):
    """Two updates of one session. A merge rule selects an update by its field name."""

    known: SessionUpdate  # the stored update
    new: SessionUpdate
    late: SessionUpdate  # the update with the later activity
    early: SessionUpdate
    first: SessionUpdate  # the update that started first
    second: SessionUpdate
    titled: SessionUpdate  # the update with the preferred title


Rule = Callable[[_Pair, str], Any]
"""A function that returns the merged value of a field. Its second argument is the field name."""


def _known(pair: _Pair, name: str) -> object:
    return getattr(pair.known, name) or getattr(pair.new, name)


def _first(pair: _Pair, name: str) -> object:
    return getattr(pair.first, name) or getattr(pair.second, name)


def _latest(pair: _Pair, name: str) -> object:
    return getattr(pair.late, name) or getattr(pair.early, name)


def _titled(pair: _Pair, name: str) -> object:
    return getattr(pair.titled, name)


def _minimum(pair: _Pair, name: str) -> object:
    known, new = getattr(pair.known, name), getattr(pair.new, name)
    return known if new is None else new if known is None else min(known, new)


def _maximum(pair: _Pair, name: str) -> object:
    known, new = getattr(pair.known, name), getattr(pair.new, name)
    return known if new is None else new if known is None else max(known, new)


def _account(pair: _Pair, name: str) -> object:
    """Return the account in the update with the later activity.

    If the activities are equal, as in two copies of a transcript, return the account that is first
    in alphabetical order. An empty value is the account in the default directory, so it is not a
    missing value.
    """
    if pair.known.last_active is not None and pair.known.last_active == pair.new.last_active:
        return min(getattr(pair.known, name), getattr(pair.new, name))
    return getattr(pair.late, name)


MERGE_RULES: dict[str, Rule] = {
    "session_id": _known,
    "parent_session_id": _known,
    "started_at": _minimum,
    "last_active": _maximum,
    "title": _titled,
    "title_rank": _titled,
    "cwd": _first,
    "context_peak_tokens": _maximum,
    "subagent": _maximum,
    "account": _account,
}
"""The merge rule of each field of `SessionUpdate`. Any other field gets its latest known value."""

_RULES = [(name, MERGE_RULES.get(name, _latest)) for name in SessionUpdate.__struct_fields__]


def merge_facts(known: SessionUpdate, new: SessionUpdate) -> SessionUpdate:
    """Merge two updates of a session by MERGE_RULES. The order of updates has no influence."""
    late, early = (new, known) if _is_newer(new, known) else (known, new)
    first, second = (new, known) if _began_before(new, known) else (known, new)
    titled = late if known.title_rank > PROMPT_RANK else first
    if known.title_rank != new.title_rank:
        titled = known if known.title_rank > new.title_rank else new
    pair = _Pair(known, new, late, early, first, second, titled)
    return SessionUpdate(*[rule(pair, name) for name, rule in _RULES])


def _is_newer(new: SessionUpdate, known: SessionUpdate) -> bool:
    if new.last_active is None or known.last_active is None:
        return new.last_active is not None or known.last_active is None
    return new.last_active >= known.last_active


def _began_before(new: SessionUpdate, known: SessionUpdate) -> bool:
    if new.started_at is None or known.started_at is None:
        return new.started_at is not None
    return new.started_at < known.started_at
