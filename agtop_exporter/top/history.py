"""Keeps the last samples of each open session and of all sessions in memory."""

from collections.abc import Iterable, Mapping
from itertools import pairwise

import msgspec

from agtop_exporter.model import PICODOLLARS_PER_USD, Session, Snapshot
from agtop_exporter.render.table.rows import top_level

SAMPLES_MAX = 120
RATE_SECONDS = 60.0  # time over which tokens per minute are measured, if so many samples exist
SHORTEST_SECONDS = 1.0  # shortest time between two samples that gives a rate
SECONDS_PER_MINUTE, SECONDS_PER_HOUR = 60.0, 3600.0

SessionId = tuple[str, str]
"""Agent and session id."""


class Sample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The values of a session, or the sums of all sessions, at one time (unix seconds)."""

    at: float
    tokens: int
    cost: int = 0  # picodollars
    cpu_percent: float | None = None
    rss_bytes: float | None = None
    disk_bytes_per_second: float | None = None


class Ring(msgspec.Struct, frozen=True):
    """At most SAMPLES_MAX samples, the latest last. An item is None if the refresh failed."""

    samples: tuple[Sample | None, ...] = ()

    def then(self, sample: Sample | None) -> "Ring":
        """Return the ring with one more sample. The oldest sample is dropped if it is full."""
        return Ring((*self.samples[-(SAMPLES_MAX - 1) :], sample))

    @property
    def tokens_per_minute(self) -> float | None:
        """The tokens per minute in the last RATE_SECONDS; None if there are not two samples."""
        if not self.samples:  # of most sessions, because they are closed
            return None
        first = last = None
        for sample in reversed(self.samples):
            if sample is None:
                continue
            if last is None:
                last = sample
            elif first is None or last.at - sample.at <= RATE_SECONDS:
                first = sample
            else:
                break
        return _tokens_rate(first, last)

    @property
    def usd_per_hour(self) -> float | None:
        """The cost per hour of all samples in US dollars; None if there are not two samples."""
        known = [sample for sample in self.samples if sample is not None]
        if not known or known[-1].at - known[0].at < SHORTEST_SECONDS:
            return None
        spent = max(0, known[-1].cost - known[0].cost) / PICODOLLARS_PER_USD
        return spent * SECONDS_PER_HOUR / (known[-1].at - known[0].at)

    def token_rates(self, number: int = SAMPLES_MAX) -> list[float | None]:
        """Return the tokens per minute between consecutive samples: the last `number` of them."""
        samples = self.samples[-number - 1 :]
        return [_tokens_rate(first, second) for first, second in pairwise(samples)]

    def cpu(self) -> list[float | None]:
        """Return the CPU usage of each sample in percent of one core."""
        return [sample.cpu_percent if sample else None for sample in self.samples]

    def memory(self) -> list[float | None]:
        """Return the memory of each sample in bytes."""
        return [sample.rss_bytes if sample else None for sample in self.samples]

    def disk(self) -> list[float | None]:
        """Return the bytes read and written per second of each sample."""
        return [sample.disk_bytes_per_second if sample else None for sample in self.samples]


NO_SAMPLES = Ring()


class History:
    """Collects the samples of one snapshot after the other."""

    def __init__(self) -> None:
        """Start without samples."""
        self.sessions: Mapping[SessionId, Ring] = {}
        self.total = NO_SAMPLES

    def add(self, snapshot: Snapshot, *, rated: bool) -> None:
        """Add the samples of a snapshot. If `rated` is false, the CPU and disk rates are left out.

        Pass false if the rates cover too short a time. Samples of closed sessions are deleted, so
        that memory does not grow with the number of closed sessions.
        """
        at = snapshot.generated_at
        opened = [
            session for session in top_level(snapshot.sessions) if session.state.kind != "closed"
        ]
        samples = {key_of(session): _sample(session, at, rated=rated) for session in opened}
        self.sessions = {
            key: self.sessions.get(key, NO_SAMPLES).then(sample) for key, sample in samples.items()
        }
        self.total = self.total.then(
            Sample(
                at,
                sum(session.tokens.total for session in snapshot.sessions),
                sum(session.cost.total for session in snapshot.sessions),
                _sum(one.cpu_percent for one in samples.values()),
                _sum(one.rss_bytes for one in samples.values()),
                _sum(one.disk_bytes_per_second for one in samples.values()),
            )
        )

    def miss(self) -> None:
        """Add a gap to every ring, because a refresh failed."""
        self.sessions = {key: ring.then(None) for key, ring in self.sessions.items()}
        self.total = self.total.then(None)


def key_of(session: Session) -> SessionId:
    """Return the identity of a session."""
    return session.agent, session.session_id


def _sample(session: Session, at: float, *, rated: bool) -> Sample:
    usage = session.process.usage if session.process else None
    if usage is None:
        return Sample(at, session.tree.tokens.total, session.tree.cost.total)
    read, written = usage.disk_read_bytes_per_second, usage.disk_written_bytes_per_second
    return Sample(
        at,
        session.tree.tokens.total,
        session.tree.cost.total,
        usage.cpu_percent if rated else None,
        usage.rss_bytes,
        _sum([read, written]) if rated else None,
    )


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _tokens_rate(first: Sample | None, second: Sample | None) -> float | None:
    if first is None or second is None or second.at - first.at < SHORTEST_SECONDS:
        return None
    growth = max(0, second.tokens - first.tokens)
    return growth * SECONDS_PER_MINUTE / (second.at - first.at)
