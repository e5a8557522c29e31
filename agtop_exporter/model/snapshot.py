"""The published result of one refresh."""

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from agtop_exporter.model.batch import RateLimit
from agtop_exporter.model.session import Session
from agtop_exporter.model.usage import Series

Plan = Literal["retail", "max", "included"]
PLANS: tuple[Plan, ...] = ("retail", "max", "included")


class AgentStatus(msgspec.Struct, frozen=True, gc=False):
    """How the last scan of one agent's files went."""

    agent: str
    enabled: bool  # wanted, and its data directory exists
    up: bool | None  # the last scan succeeded; None before it, and where not installed
    files: int = 0
    scan_duration_seconds: float | None = None
    last_success: float | None = None
    states: Mapping[str, int] = {}  # sessions by state
    processes: int | None = None
    orphan_processes: int | None = None
    duplicate_processes: int | None = None
    rss_bytes: int | None = None  # of all these processes
    vms_bytes: int | None = None


class PriceSource(msgspec.Struct, frozen=True, gc=False):
    """A price table in use, and the date of its data."""

    source: str
    version: str
    updated_at: float | None


RefreshStage = Literal[
    "scan", "ledger", "prices", "match", "sessions", "publish", "outputs", "refresh"
]
"""The part of a refresh that an unexpected error ended.

`scan`: finding and reading the files of an agent. `ledger`: counting what was read, and writing it.
`prices`: pricing what had no price. `match`: matching processes to sessions. `sessions`: the
published value of a session. `publish`: the pages. `outputs`: OTLP push and textfile.
`refresh`: everything else, which ends the whole refresh.
"""

REFRESH_STAGES: tuple[RefreshStage, ...] = get_args(RefreshStage)


class RefreshError(msgspec.Struct, frozen=True, array_like=True):
    """An unexpected error that ended one part of a refresh.

    It has no message, because the message of an exception may quote what a file holds.
    """

    stage: RefreshStage
    agent: str  # whose part it was; empty where it concerns all agents
    error: str  # the type of the exception
    location: str  # the innermost line of this package that it passed: module:line

    def __str__(self) -> str:
        """Return it in a line: `sessions (claude): KeyError at agtop_exporter.state:12`."""
        whose = f" ({self.agent})" if self.agent else ""
        return f"{self.stage}{whose}: {self.error} at {self.location}"


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """All that is published, as of one refresh; every output is made from it alone."""

    generated_at: float
    plan: Plan
    sessions: tuple[Session, ...]
    published: tuple[Session, ...]  # the top-level sessions that get series of their own
    totals: Mapping[Series, int | float]  # counters: never fall
    gauges: Mapping[Series, int | float]  # the exporter's own gauges
    agents: tuple[AgentStatus, ...]
    rate_limits: tuple[RateLimit, ...] = ()
    price_sources: tuple[PriceSource, ...] = ()
    errors: tuple[RefreshError, ...] = ()  # of parts of the refresh that are missing here
    result_of: float | None = None  # the earlier refresh that this repeats, where later ones failed
