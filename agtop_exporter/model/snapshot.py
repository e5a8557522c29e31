"""`Snapshot`, the published result of one refresh, and the values in a snapshot."""

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from agtop_exporter.model.batch import RateLimit
from agtop_exporter.model.budget import BudgetUse
from agtop_exporter.model.session import Session
from agtop_exporter.model.usage import Series

Plan = Literal["retail", "max", "included"]
PLANS: tuple[Plan, ...] = ("retail", "max", "included")


class AgentStatus(msgspec.Struct, frozen=True, gc=False):
    """The status of one agent: the result of the last scan of its files, and its processes."""

    agent: str
    enabled: bool  # selected by the settings, and the data directory exists
    # whether the last scan succeeded; None if no scan was made or the agent is not installed
    up: bool | None
    files: int = 0
    scan_duration_seconds: float | None = None
    last_success: float | None = None
    states: Mapping[str, int] = {}  # sessions by state
    processes: int | None = None
    orphan_processes: int | None = None
    orphan_pids: tuple[int, ...] | None = None  # of these processes
    duplicate_processes: int | None = None
    rss_bytes: int | None = None  # sum over these processes
    vms_bytes: int | None = None
    # the plan of the first account whose files show one
    subscription: str | None = None
    included: bool = False  # the user's plan covers the agent's usage: nothing is billed
    accounts: Mapping[str, str | None] = {}  # plans by account; "" is the default directory
    roots: tuple[str, ...] = ()  # paths at which the last scan searched for files, existing or not


class PriceSource(msgspec.Struct, frozen=True, gc=False):
    """A price table in use, and the date of its data."""

    source: str
    version: str
    updated_at: float | None


RefreshStage = Literal[
    "scan", "ledger", "prices", "match", "sessions", "publish", "outputs", "refresh"
]
"""The part of a refresh that ended with an unexpected error.

* `scan`: finding and reading the files of an agent
* `ledger`: counting and storing the batches
* `prices`: pricing the events whose price was unknown
* `match`: matching processes to sessions
* `sessions`: deriving the published value of a session
* `publish`: rendering the pages
* `outputs`: OTLP push and textfile
* `refresh`: everything else; such an error ends the whole refresh
"""

REFRESH_STAGES: tuple[RefreshStage, ...] = get_args(RefreshStage)


class RefreshError(msgspec.Struct, frozen=True, array_like=True):
    """An unexpected error that ended one part of a refresh.

    The message of the exception is left out, because it can quote the content of a file.
    """

    stage: RefreshStage
    agent: str  # empty if the part concerns all agents
    error: str  # the type of the exception
    location: str  # innermost line of this package in the traceback: module:line

    def __str__(self) -> str:
        """Return one line, such as `sessions (claude): KeyError at agtop_exporter.state:12`."""
        whose = f" ({self.agent})" if self.agent else ""
        return f"{self.stage}{whose}: {self.error} at {self.location}"


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """The published result of one refresh. All outputs are derived from the snapshot."""

    generated_at: float
    plan: Plan
    sessions: tuple[Session, ...]  # one-shot commands: all sessions; the daemon: open ones only
    published: tuple[Session, ...]  # the top-level sessions that have their own series
    totals: Mapping[Series, int | float]  # counters, which never decrease
    gauges: Mapping[Series, int | float]  # gauges of the exporter itself
    agents: tuple[AgentStatus, ...]
    rate_limits: tuple[RateLimit, ...] = ()
    budgets: tuple[BudgetUse, ...] = ()
    price_sources: tuple[PriceSource, ...] = ()
    errors: tuple[RefreshError, ...] = ()  # parts of the refresh that failed
    # open sessions that were closed before, with their values while closed
    returned: Mapping[tuple[str, str], Session] = {}
    first_started_at: float | None = None  # start of the earliest session
    result_of: float | None = (
        None  # time of the earlier refresh that this one repeats, if later ones failed
    )
