"""Sessions in three forms: facts from a transcript, the stored state and the published value."""

from typing import Literal

import msgspec

from agtop_exporter.model.processes import ProcessMatch, ProcessUsage
from agtop_exporter.model.units import is_sane
from agtop_exporter.model.usage import (
    NO_COST,
    NO_TOKENS,
    NO_USAGE,
    Cost,
    ModelUsage,
    TokenCounts,
)
from agtop_exporter.paths import clean_path

StateKind = Literal["running", "waiting", "warning", "error", "idle", "closed"]
STATE_KINDS: tuple[StateKind, ...] = ("running", "waiting", "warning", "error", "idle", "closed")

WAITING_BOUNDS_SECONDS = (
    *(1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 150.0, 180.0),
    *(240.0, 300.0, 450.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0, 7200.0, 14_400.0),
)
"""Histogram bucket bounds, in seconds, for the time that a session waits for its user.

Neighboring bounds differ by a factor of at most 2. A bound is never removed, because the ledger
keeps the observations of earlier versions under their bounds.
"""

TITLE_CHARACTERS = 80
PROMPT_RANK = 1  # lowest rank of a title: the first prompt


def one_line(text: str) -> str:
    """Return the text in one line of at most TITLE_CHARACTERS, with single spaces."""
    folded = " ".join(text[: TITLE_CHARACTERS * 20].split())
    return folded if len(folded) <= TITLE_CHARACTERS else folded[: TITLE_CHARACTERS - 1] + "…"


AT_WORK = frozenset({"running", "waiting"})
"""Kinds of activity during which a tool can run."""


class Signal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The activity of a session, derived from the last records of its transcript.

    `state.resolve` derives the published `State` of the session from a `Signal`.

    `kind` is `idle`, `running`, `waiting`, `error`, `ended` (the agent recorded the end of the
    session) or `unknown`. `reason` is what a `waiting` session waits for (`input` or `permission`),
    or the kind of an `error`. `detail` is the type of the record from which the signal was derived.
    `tool` is the name of the tool that runs, without its arguments. If several run, it is the tool
    that was called last. It is "" if no tool runs, or if the records do not show it.
    """

    kind: str = "unknown"
    reason: str = ""
    detail: str = ""
    tool: str = ""

    def __bool__(self) -> bool:
        return self.kind != "unknown"

    def with_tool(self, name: str) -> "Signal":
        """Return the signal with the name of a tool, if the signal is running or waiting."""
        if not name or self.kind not in AT_WORK:
            return self
        return msgspec.structs.replace(self, tool=one_line(name))


class SessionUpdate(msgspec.Struct, array_like=True, gc=False):
    """The facts about one session in one transcript, except usage. Unknown values are "" or None.

    The reader of the transcript sets the fields. They do not change after the read. The ledger
    merges all updates of a session (`ledger.records.MERGE_RULES`). It stores each field in the
    column of the same name (`ledger.schema`). An invalid path is replaced by "".
    """

    session_id: str
    data_path: str = ""  # path of the transcript
    parent_session_id: str = ""
    started_at: float | None = None
    last_active: float | None = None
    title: str = ""
    title_rank: int = 0  # a title of a higher rank replaces one of a lower rank
    cwd: str = ""
    git_branch: str = ""
    agent_version: str = ""
    model: str = ""
    model_effort: str = ""
    subscription: str = ""
    context_used_tokens: int | None = None
    context_peak_tokens: int | None = None
    context_window_tokens: int | None = None
    subagent: bool = False  # its transcript is in a directory below that of its parent
    signal: Signal = Signal()
    account: str = ""  # name of the account; "" for the account in the default directory

    def __post_init__(self) -> None:
        self.cwd = clean_path(self.cwd)
        self.data_path = clean_path(self.data_path)

    def work_in(self, directory: str | None) -> bool:
        """Set `cwd` to a directory if `cwd` is empty. Return False if the directory is invalid."""
        if directory and not self.cwd:
            self.cwd = clean_path(directory)
            return bool(self.cwd)
        return True

    def observe_time(self, time: float) -> None:
        """Extend `started_at` and `last_active` to include a time (unix seconds).

        A time before 1970 or after 9998 is ignored.
        """
        if not is_sane(time):
            return
        if self.started_at is None or time < self.started_at:
            self.started_at = time
        if self.last_active is None or time > self.last_active:
            self.last_active = time

    def set_context_used(self, used: int | None) -> None:
        """Set the context tokens of the latest response, and raise the peak if they exceed it.

        None and 0 are ignored.
        """
        if used:
            self.context_used_tokens = used
            self.context_peak_tokens = max(used, self.context_peak_tokens or 0)

    def set_title(self, title: str, rank: int) -> None:
        """Set the title if its rank is higher than the rank of the present title.

        If both ranks are PROMPT_RANK (the first prompt), the present title stays. At any other
        equal rank, the new title replaces the present title. An empty title is ignored.
        """
        newer = rank == self.title_rank and rank > PROMPT_RANK
        if title and not title.isspace() and (newer or rank > self.title_rank):
            self.title, self.title_rank = one_line(title), rank


class SessionKey(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """The identity of a session. Sessions of different agents can have the same session id."""

    agent: str
    session_id: str


class SessionState(msgspec.Struct, array_like=True):
    """The stored state of one session, without the usage of its subagents.

    Only the ledger changes a `SessionState`. The published `Session` is derived from it.
    """

    id: int  # number of the session in the ledger
    agent: str
    session_id: str
    facts: SessionUpdate  # merged from all updates
    project: str = ""
    models: dict[str, ModelUsage] = {}
    tools: dict[str, int] = {}  # calls by tool name
    tool_errors: dict[str, int] = {}  # failed calls by tool name
    turns: int = 0
    compactions: int = 0
    floor_tokens: TokenCounts = NO_TOKENS  # largest published usage, if the usage decreased later
    floor_cost: Cost = NO_COST  # the same for the cost
    billed: dict[str, int] = {}  # by model: billed amount minus cost, in picodollars

    @property
    def key(self) -> SessionKey:
        """The identity of the session."""
        return SessionKey(self.agent, self.session_id)

    def without_title(self) -> "SessionState":
        """Return the session without its title, which may quote a prompt."""
        facts = msgspec.structs.replace(self.facts, title="", title_rank=0)
        return msgspec.structs.replace(self, facts=facts)

    @property
    def usage_by_model(self) -> dict[str, ModelUsage]:
        """The usage of each model. Negative numbers are replaced by 0.

        Version 0.1.0 of this program could store negative sums. Such a sum is corrected when the
        events are read again.
        """
        return {model: usage.max(NO_USAGE) for model, usage in self.models.items()}

    @property
    def billed_total(self) -> int:
        """The amount billed if no subscription plan covers the usage, in picodollars.

        For usage whose billed amount the agent did not record, the amount is the cost.
        """
        return max(0, self.usage.cost.total + sum(self.billed.values()))

    @property
    def usage(self) -> ModelUsage:
        """The sum of the usage of all models."""
        used = list(self.usage_by_model.values())
        # fast path: most sessions have one model
        return used[0] if len(used) == 1 else sum(used, NO_USAGE)


class Tree(msgspec.Struct, frozen=True, gc=False):
    """The sum of the usage of a session and of all its subagents."""

    models: dict[str, ModelUsage]
    tokens: TokenCounts
    cost: Cost
    billed: int = 0  # picodollars; amount billed if no plan covers the usage


class State(msgspec.Struct, frozen=True, gc=False):
    """The published state of a session: its kind, and the reason if there is one."""

    kind: StateKind
    reason: str | None = None


class Session(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A published session, derived from `SessionState`. Unknown values are None.

    A field that is also in `SessionUpdate` has the same meaning in both classes. `render.json`
    defines the key of each field in the output of `agtop json`.
    """

    agent: str
    agent_version: str | None
    session_id: str
    parent_session_id: str | None
    project: str | None
    cwd: str | None
    git_branch: str | None
    title: str | None
    model: str | None
    model_effort: str | None
    model_effort_detail: str | None  # the members of records that may have the effort
    subscription: str | None
    account: str = ""  # "" is the account in the default directory
    user: str | None = None  # owner of the home directory; None if all homes have the same owner
    models: dict[str, ModelUsage]
    tokens: TokenCounts
    cost: Cost
    billed: int  # picodollars: amount that the agent recorded, else list price
    included: bool  # covered by the plan: nothing is billed, and `cost` is the list price
    tree: Tree
    floor_tokens: TokenCounts  # usage of the tree that was published before a correction lowered it
    floor_cost: Cost
    subagent_file_count: int
    subagents: int  # number of direct and indirect subagents
    children: tuple[str, ...]  # session ids of the direct subagents
    started_at: float | None
    last_active: float | None
    user_turns: int
    agent_turns: int
    tools: dict[str, int]  # calls by tool name
    tool_errors: dict[str, int]
    running_tool: str | None = None  # the tool called last that has no result yet
    compactions: int
    context_used_tokens: int | None
    context_peak_tokens: int | None
    context_window_tokens: int | None
    state: State
    state_detail: str | None
    process: ProcessMatch | None = None  # None for a subagent: its parent has the process
    spent: ProcessUsage | None = None  # by all processes of the session, including ended ones
    data_path: str

    @property
    def tool_calls(self) -> int:
        """The number of tool calls of the session, without its subagents."""
        return sum(self.tools.values())
