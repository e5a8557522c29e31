"""The dictionary: every value that crosses a module boundary, and what each number means.

Nothing here does I/O. Times are unix seconds (UTC), sizes bytes, money picodollars
(1e-12 USD): integers, so that sums do not depend on their order.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from agtop_exporter.paths import clean_path

PICODOLLARS_PER_USD = 1_000_000_000_000

TOKEN_TYPES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
"""The disjoint token types: their sum is every token that was billed, once."""

StateKind = Literal["running", "waiting", "warning", "error", "idle", "closed"]
STATE_KINDS: tuple[StateKind, ...] = ("running", "waiting", "warning", "error", "idle", "closed")

WAITING_BOUNDS_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Buckets of the time that a session waits for a human: a glance, a minute, a lunch."""

Plan = Literal["retail", "max", "included"]
PLANS: tuple[Plan, ...] = ("retail", "max", "included")

Series = tuple[str, ...]
"""One running total: the name of its metric (without prefix and suffix), then its label values."""


TITLE_CHARACTERS = 80
SECONDS_PER_HOUR = 3600
END_OF_TIME = 253_370_764_800.0  # the year 9999 in unix seconds: after it calendars end
MAX_SUM = 2**63 - 1  # what SQLite and MessagePack hold: 9.2 million dollars, in picodollars
PROMPT_RANK = 1  # the rank of a first prompt as a title: the lowest


def one_line(text: str) -> str:
    """Fold white space, and cut to the length of a title."""
    folded = " ".join(text[: TITLE_CHARACTERS * 20].split())
    return folded if len(folded) <= TITLE_CHARACTERS else folded[: TITLE_CHARACTERS - 1] + "…"


def is_sane(time: float) -> bool:
    """Say whether a time is one that a calendar shows: a transcript may say any."""
    return 0 <= time < END_OF_TIME


def hour_of(time: float) -> int:
    """Return the hour of a time, in hours since 1970; 0 for what no calendar shows."""
    return int(time) // SECONDS_PER_HOUR if is_sane(time) else 0


class AgtopError(Exception):
    """A mistake of the user or of the machine that is told in one line, without a traceback."""


class TokenCounts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Tokens of one or many requests; the first five fields are disjoint.

    `input` is uncached input; `output` includes reasoning, and `reasoning` repeats that part.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """All tokens, each once."""
        return (
            self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.output
        )

    @property
    def prompt(self) -> int:
        """What the model was given: the context that the request used before its answer."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h

    def __add__(self, other: "TokenCounts") -> "TokenCounts":
        return TokenCounts(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write_5m + other.cache_write_5m,
            self.cache_write_1h + other.cache_write_1h,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )

    def __sub__(self, other: "TokenCounts") -> "TokenCounts":
        return TokenCounts(
            self.input - other.input,
            self.cache_read - other.cache_read,
            self.cache_write_5m - other.cache_write_5m,
            self.cache_write_1h - other.cache_write_1h,
            self.output - other.output,
            self.reasoning - other.reasoning,
        )

    def max(self, other: "TokenCounts") -> "TokenCounts":
        """Return the larger of each field: how two sightings of one response merge."""
        return TokenCounts(
            max(self.input, other.input),
            max(self.cache_read, other.cache_read),
            max(self.cache_write_5m, other.cache_write_5m),
            max(self.cache_write_1h, other.cache_write_1h),
            max(self.output, other.output),
            max(self.reasoning, other.reasoning),
        )


NO_TOKENS = TokenCounts()


class Cost(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Money in picodollars, by token type; `reported` is an agent's own figure without a split.

    `unpriced_tokens` counts the tokens that no price was known for: they are in no other field.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reported: int = 0
    unpriced_tokens: int = 0

    @property
    def total(self) -> int:
        """All that is priced, in picodollars."""
        return (
            self.input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.output
            + self.reported
        )

    def known_for(self, tokens: TokenCounts) -> bool:
        """Tell whether anything of `tokens` is priced: if not, the cost is unknown, not zero."""
        return self.total > 0 or self.unpriced_tokens == 0 or self.unpriced_tokens < tokens.total

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write_5m + other.cache_write_5m,
            self.cache_write_1h + other.cache_write_1h,
            self.output + other.output,
            self.reported + other.reported,
            self.unpriced_tokens + other.unpriced_tokens,
        )

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(
            self.input - other.input,
            self.cache_read - other.cache_read,
            self.cache_write_5m - other.cache_write_5m,
            self.cache_write_1h - other.cache_write_1h,
            self.output - other.output,
            self.reported - other.reported,
            self.unpriced_tokens - other.unpriced_tokens,
        )

    def max(self, other: "Cost") -> "Cost":
        """Return the larger of each field."""
        return Cost(
            max(self.input, other.input),
            max(self.cache_read, other.cache_read),
            max(self.cache_write_5m, other.cache_write_5m),
            max(self.cache_write_1h, other.cache_write_1h),
            max(self.output, other.output),
            max(self.reported, other.reported),
            max(self.unpriced_tokens, other.unpriced_tokens),
        )


NO_COST = Cost()


class UsageEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing that happened once: a billed response, a prompt, a tool call, a compaction.

    `key` names it for ever among the events of its agent: a second sighting (streamed growth, a
    copy in a forked transcript, a rewritten file) merges into the first, field by field by the
    maximum and tool calls by their ids. `copied` says that the record itself shows that it is a
    copy; the session that holds the original then owns the event.
    """

    key: str
    session_id: str
    time: float
    model: str = ""
    tokens: TokenCounts = NO_TOKENS
    requests: int = 0  # 1 for a model response
    turns: int = 0  # 1 for a prompt typed by the user
    compactions: int = 0  # 1 for a compaction of the context
    tools: tuple[tuple[str, str], ...] = ()  # (call id, tool name)
    tool_errors: tuple[tuple[str, str], ...] = ()
    copied: bool = False
    provider: str = ""  # billing provider where the agent names it, e.g. "anthropic"
    speed: str = ""  # service tier that changes the price, e.g. "fast", "priority"
    reported_cost: int | None = None  # picodollars, where the agent itself says what it cost

    @property
    def least(self) -> int:
        """The smallest figure, at most 0: one below it is a mistake of the reader."""
        tokens: tuple[int, ...] = msgspec.structs.astuple(self.tokens)
        return min(0, self.requests, self.turns, self.compactions, self.reported_cost or 0, *tokens)


class Signal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the transcript's tail says that the session is doing; `state.resolve` decides.

    `kind` is `idle`, `running`, `waiting`, `error` or `unknown`; `reason` completes waiting
    (`input`, `permission`) and error; `detail` names the record that said so.
    """

    kind: str = "unknown"
    reason: str = ""
    detail: str = ""


class SessionUpdate(msgspec.Struct, array_like=True, gc=False):
    """What one transcript says about a session beside its usage; unknown is "" or None.

    A reader fills it while it reads, and nobody changes it afterwards. Merging is the ledger's:
    the earliest start, the latest activity, the first working directory, and of everything else
    the word of the latest activity. A title of a higher rank replaces one of a lower.

    Its paths are checked whenever one is made: by a reader, by merging, or from a stored row.
    """

    session_id: str
    data_path: str = ""
    parent_session_id: str = ""
    started_at: float | None = None
    last_active: float | None = None
    title: str = ""
    title_rank: int = 0
    cwd: str = ""
    git_branch: str = ""
    agent_version: str = ""
    model: str = ""
    model_effort: str = ""
    subscription: str = ""
    context_used_tokens: int | None = None
    context_peak_tokens: int | None = None
    context_window_tokens: int | None = None
    subagent: bool = False  # has a transcript file of its own below its parent
    signal: Signal = Signal()

    def __post_init__(self) -> None:
        self.cwd = clean_path(self.cwd)
        self.data_path = clean_path(self.data_path)

    def work_in(self, directory: str | None) -> bool:
        """Take a working directory: the first one stays. False for what can be no path."""
        if directory and not self.cwd:
            self.cwd = clean_path(directory)
            return bool(self.cwd)
        return True

    def observe_time(self, time: float) -> None:
        """Take note of a record of the session's own; a time that no calendar shows is none."""
        if not is_sane(time):
            return
        if self.started_at is None or time < self.started_at:
            self.started_at = time
        if self.last_active is None or time > self.last_active:
            self.last_active = time

    def set_context_used(self, used: int | None) -> None:
        """Note how many tokens of its context a response used; none says nothing."""
        if used:
            self.context_used_tokens = used
            self.context_peak_tokens = max(used, self.context_peak_tokens or 0)

    def set_title(self, title: str, rank: int) -> None:
        """Take a title: of equal rank the first prompt stays, of all other kinds the latest."""
        newer = rank == self.title_rank and rank > PROMPT_RANK
        if title and not title.isspace() and (newer or rank > self.title_rank):
            self.title, self.title_rank = one_line(title), rank


class RateLimit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One rate-limit window as an agent last recorded it; `used_ratio` 1.0 is exhausted."""

    agent: str
    window: str  # "5h", "weekly", ...
    used_ratio: float | None
    observed_at: float
    resets_at: float | None = None
    window_seconds: float | None = None
    source: str = ""  # what recorded it: "rollout", "transcript", "response-headers", ...
    hint: str = ""  # what the agent said about it, where figures are lacking

    def is_over(self, now: float) -> bool:
        """Say whether the window has been reset since: its figures are of the one before."""
        return self.resets_at is not None and self.resets_at <= now


class ParseError(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Records of one file that could not be used, for one reason.

    Reasons: `json`, `schema`, `encoding`, `too_large`, `corrupt` for a damaged database, and
    `negative` for events with a figure below zero, which only a mistake of a reader makes.
    """

    reason: str
    count: int
    example: str = ""  # where: never what


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far one file has been read: everything before `offset` is in the ledger.

    `fingerprint` is a digest of the file's first bytes and of those just before `offset`; `state`
    is what the agent's reader must remember between two reads, encoded by the reader.
    """

    device: int = 0
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    offset: int = 0
    fingerprint: bytes = b""
    state: bytes = b""


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """What one read of one file found, and the cursor after it."""

    agent: str
    path: str
    cursor: Cursor
    events: tuple[UsageEvent, ...] = ()
    sessions: tuple[SessionUpdate, ...] = ()
    rate_limits: tuple[RateLimit, ...] = ()
    errors: tuple[ParseError, ...] = ()
    unknown: tuple[tuple[str, int], ...] = ()  # record types new to the reader, and how many
    records: int = 0
    bytes_read: int = 0
    reset: str = ""  # why the file was read from its start again: truncated, rewritten, replaced
    more: bool = False  # the file has more complete records than one batch may hold


class ModelUsage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one session used of one model."""

    requests: int = 0
    tokens: TokenCounts = NO_TOKENS
    cost: Cost = NO_COST

    def __add__(self, other: "ModelUsage") -> "ModelUsage":
        return ModelUsage(
            self.requests + other.requests, self.tokens + other.tokens, self.cost + other.cost
        )

    def __sub__(self, other: "ModelUsage") -> "ModelUsage":
        return ModelUsage(
            self.requests - other.requests, self.tokens - other.tokens, self.cost - other.cost
        )

    def max(self, other: "ModelUsage") -> "ModelUsage":
        """Return the larger of each field."""
        return ModelUsage(
            max(self.requests, other.requests),
            self.tokens.max(other.tokens),
            self.cost.max(other.cost),
        )

    def bounded(self) -> "ModelUsage":
        """Return the same, with no sum above MAX_SUM: absurd figures must not end the counting."""
        tokens, cost = msgspec.structs.astuple(self.tokens), msgspec.structs.astuple(self.cost)
        if max(self.requests, *tokens, *cost) <= MAX_SUM:
            return self
        return ModelUsage(
            min(self.requests, MAX_SUM),
            TokenCounts(*(min(count, MAX_SUM) for count in tokens)),
            Cost(*(min(amount, MAX_SUM) for amount in cost)),
        )


NO_USAGE = ModelUsage()


class Tree(msgspec.Struct, frozen=True, gc=False):
    """A session with all its subagents."""

    models: dict[str, ModelUsage]
    tokens: TokenCounts
    cost: Cost


class State(msgspec.Struct, frozen=True, gc=False):
    """One of `STATE_KINDS`, and why."""

    kind: StateKind
    reason: str | None = None


class ProcessUsage(msgspec.Struct, frozen=True, gc=False):
    """What a session's process tree used; None where the system does not tell.

    Seconds and bytes are since the session was first paired with the tree, and never fall.
    """

    processes: int = 0
    cpu_seconds: float | None = None
    cpu_percent: float | None = None  # of one core
    rss_bytes: int | None = None
    vms_bytes: int | None = None
    disk_read_bytes: int | None = None
    disk_written_bytes: int | None = None
    disk_read_bytes_per_second: float | None = None
    disk_written_bytes_per_second: float | None = None


class ProcessMatch(msgspec.Struct, frozen=True, gc=False):
    """The process that a session was paired with, and how sure that is."""

    pid: int
    started_at: float
    liveness: Literal["live", "stopped"]
    confidence: Literal["high", "medium", "low"]
    evidence: tuple[str, ...] = ()
    role: Literal["session", "host"] = "session"  # a host serves several sessions
    usage: ProcessUsage | None = None


class Session(msgspec.Struct, frozen=True, gc=False):
    """One session as it is published."""

    agent: str
    session_id: str
    parent_session_id: str | None
    project: str | None
    cwd: str | None
    title: str | None
    model: str | None
    models: dict[str, ModelUsage]
    tokens: TokenCounts
    cost: Cost
    included: bool  # the plan covers it: nothing is billed, the retail equivalent stays
    tree: Tree
    floor_tokens: TokenCounts  # what was published of the tree before a correction lowered it
    floor_cost: Cost
    subagent_file_count: int
    children: tuple[str, ...]  # ids of its direct subagents
    started_at: float | None
    last_active: float | None
    user_turns: int
    agent_turns: int
    tools: dict[str, int]  # calls by tool name
    tool_errors: dict[str, int]
    compactions: int
    context_used_tokens: int | None
    context_peak_tokens: int | None
    context_window_tokens: int | None
    state: State
    state_detail: str | None
    model_effort: str | None
    subscription: str | None
    agent_version: str | None
    git_branch: str | None
    data_path: str
    process: ProcessMatch | None = None
    spent: ProcessUsage | None = None  # by all processes it ever had, whether one lives or not

    @property
    def tool_calls(self) -> int:
        """All tool calls of the session itself."""
        return sum(self.tools.values())


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
