"""Many new events at once: summed where they were read, and looked at one by one only if need be.

A first scan has hundreds of thousands of them, nearly all of which nobody asks for ever again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

import msgspec
from msgspec.structs import astuple

from agtop_exporter.ledger.records import Entry, tally
from agtop_exporter.model import (
    MAX_SUM,
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


def event_key(agent: str, key: str) -> bytes:
    """Return the name of an event among those of all agents."""
    return f"{agent}\0{key}".encode()


def pack(agent: str, events: Sequence[UsageEvent]) -> Packed:
    """Sum events by column."""
    counts = Counter(
        [(event.session_id, "tool_calls", name) for event in events for _, name in event.tools]
    )
    for event in events:
        if event.turns or event.compactions or event.tool_errors:
            tally(counts, event.session_id, event)
    return Packed(
        keys=[event_key(agent, event.key) for event in events],
        session_ids=list(dict.fromkeys([event.session_id for event in events])),
        runs=_runs([event for event in events if event.requests]),
        counts=[(*kind, number) for kind, number in counts.items()],
        events=_encode(events),
    )


def unpack(packed: Packed) -> list[UsageEvent]:
    """Return the events."""
    return _decode_events(packed.events)


def _runs(responses: Sequence[UsageEvent]) -> list[Run]:
    if not responses:
        return []
    gathered: dict[RunKey, list[UsageEvent]] = {}
    for key, run in groupby(zip(_run_keys(responses), responses, strict=True), itemgetter(0)):
        gathered.setdefault(key, []).extend(response for _, response in run)
    return [_run(key, run) for key, run in gathered.items()]


def _run_keys(responses: Sequence[UsageEvent]) -> Iterator[RunKey]:
    _, session_ids, times, models, *_, providers, speeds, reported = zip(
        *map(astuple, responses), strict=True
    )
    hours = map(hour_of, times)
    return zip(session_ids, models, providers, speeds, hours, map(bool, reported), strict=True)


def _run(key: RunKey, responses: Sequence[UsageEvent]) -> Run:
    times = [response.time for response in responses]
    columns = list(zip(*(astuple(response.tokens) for response in responses), strict=True))
    return Run(
        *key,
        first=min(times),
        last=max(times),
        longest_prompt=max(map(sum, zip(*columns[:4], strict=True))),
        requests=sum(response.requests for response in responses),
        tokens=TokenCounts(*map(sum, columns)),
        reported_cost=min(MAX_SUM, sum(response.reported_cost or 0 for response in responses)),
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
