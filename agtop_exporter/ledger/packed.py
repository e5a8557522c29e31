"""Many new events at once: summed where they were read, and looked at one by one only if need be.

A first scan has hundreds of thousands of them, nearly all of which nobody asks for ever again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

import msgspec
from msgspec.structs import astuple

from agtop_exporter.ledger.records import Entry, tally
from agtop_exporter.model import (
    MAX_SUM,
    NO_TOKENS,
    Cost,
    ModelUsage,
    Packed,
    Run,
    TokenCounts,
    UsageEvent,
    hour_of,
)

Tariff = Callable[[TokenCounts], Cost]
"""What any response of a run costs; of several, what they cost together."""

FindTariff = Callable[[Run], Tariff | None]
"""The tariff of a run, None where there is no price or more than one."""

RunKey = tuple[str, str, str, str, int, bool]  # the first fields of a Run

_encode = msgspec.msgpack.Encoder().encode
_decode_events = msgspec.msgpack.Decoder(list[UsageEvent]).decode


def event_keys(agent: str, events: Sequence[UsageEvent]) -> list[bytes]:
    """Return the names of events among those of all agents."""
    prefix = f"{agent}\0"
    return [(prefix + event.key).encode() for event in events]


def pack(agent: str, events: Sequence[UsageEvent]) -> Packed:
    """Sum events by column."""
    counts = Counter(
        [(event.session_id, "tool_calls", name) for event in events for _, name in event.tools]
    )
    seldom = [e for e in events if e.turns or e.compactions or e.tool_errors]
    for event in seldom:
        tally(counts, event.session_id, event)
    runs = _runs([event for event in events if event.requests])
    unasked = [e for e in events if not e.requests and e.tokens is not NO_TOKENS]
    return Packed(
        keys=event_keys(agent, events),
        session_ids=list(dict.fromkeys([event.session_id for event in events])),
        runs=runs,
        counts=[(*kind, number) for kind, number in counts.items()],
        events=_encode(events),
        least=min([0, *(run.least for run in runs), *(e.least for e in (*seldom, *unasked))]),
    )


def unpack(packed: Packed) -> list[UsageEvent]:
    """Return the events."""
    return _decode_events(packed.events)


def _runs(responses: Sequence[UsageEvent]) -> list[Run]:
    """Sum responses that one price may hold for, which mostly follow on one another."""
    places: dict[RunKey, list[slice]] = {}
    begin = 0
    for key, run in groupby(map(_run_key, responses)):
        end = begin + len(list(run))
        places.setdefault(key, []).append(slice(begin, end))
        begin = end
    return [
        _run(key, [response for place in where for response in responses[place]])
        for key, where in places.items()
    ]


def _run_key(response: UsageEvent) -> RunKey:
    return (
        response.session_id,
        response.model,
        response.provider,
        response.speed,
        hour_of(response.time),
        bool(response.reported_cost),
    )


def _run(key: RunKey, responses: Sequence[UsageEvent]) -> Run:
    times = [response.time for response in responses]
    columns = list(zip(*[astuple(response.tokens) for response in responses], strict=True))
    prompts = map(sum, zip(*columns[:4], strict=True))
    requests = [response.requests for response in responses]
    costs = [response.reported_cost or 0 for response in responses]
    return Run(
        *key,
        first=min(times),
        last=max(times),
        longest_prompt=max(prompts),
        requests=sum(requests),
        tokens=TokenCounts(*map(sum, columns)),
        reported_cost=min(MAX_SUM, sum(costs)),
        least=min(map(min, [*columns, requests, costs])),
    )


class Page:
    """Packed events that have been counted, each by the tariff of its run."""

    def __init__(
        self,
        keys: Sequence[bytes],
        packed: Packed,
        *,
        ids: Mapping[str, int],
        tariffs: Sequence[Tariff | None],
    ) -> None:
        """Take the keys as the store has them, the ids of the sessions, and a tariff a run."""
        self.keys = keys
        self._packed = packed
        self._ids = ids
        self._tariffs = tariffs

    def usage(self) -> Iterator[tuple[tuple[int, str, int], ModelUsage]]:
        """Return the sums by session, model and hour."""
        for run, tariff in zip(self._packed.runs, self._tariffs, strict=True):
            cost = tariff(run.tokens) if tariff else Cost(reported=run.reported_cost)
            place = (self._ids[run.session_id], run.model, run.hour)
            yield place, ModelUsage(run.requests, run.tokens, cost)

    def counts(self) -> Iterator[tuple[int, str, str, int]]:
        """Return the other counts by session, kind and tool name."""
        for session_id, kind, name, number in self._packed.counts:
            yield self._ids[session_id], kind, name, number

    def entries(self) -> Iterator[tuple[bytes, Entry]]:
        """Return every event by its key."""
        tariffs = {
            (run.session_id, run.model, run.provider, run.speed, run.hour): tariff
            for run, tariff in zip(self._packed.runs, self._tariffs, strict=True)
            if tariff is not None
        }
        for key, event in zip(self.keys, unpack(self._packed), strict=True):
            cost = None
            if event.requests and event.reported_cost:
                cost = Cost(reported=event.reported_cost)
            elif event.requests:
                hour = hour_of(event.time)
                place = (event.session_id, event.model, event.provider, event.speed, hour)
                cost = tariffs[place](event.tokens)
            yield key, entry_of(event, self._ids[event.session_id], cost)


def entry_of(event: UsageEvent, session: int, cost: Cost | None) -> Entry:
    """Return an event as the ledger remembers it; `session` is the id of the record."""
    return Entry(
        session,
        event.copied,
        event.time,
        event.model,
        event.tokens,
        cost,
        event.requests,
        event.turns,
        event.compactions,
        event.tools,
        event.tool_errors,
        event.provider,
        event.speed,
        event.reported_cost,
    )
