"""Rows of Hermes' database, and the JSON in them. Does no I/O."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import RunningTotal
from agtop_exporter.reading.rows import TableRow

KNOWN_TYPES = frozenset({"assistant", "session_meta", "system", "tool", "user"})  # message roles
UNKNOWN = "unknown"  # the name that Hermes records for an unknown model
HIDDEN = "hidden"  # display kind of texts of Hermes for the model
REST = "rest"  # stands for the task of requests that only a row of `sessions` has
OLDER = "v21"  # stands for the task of requests that only the table of schema 21 has


class UsageSums(TableRow):
    """The columns that `session_model_usage` and `sessions` share: sums over all requests so far.

    The sums of tokens do not overlap, except that `output_tokens` includes `reasoning_tokens`.
    """

    billing_provider: str = ""
    api_call_count: RunningTotal = 0
    input_tokens: RunningTotal = 0
    output_tokens: RunningTotal = 0
    cache_read_tokens: RunningTotal = 0
    cache_write_tokens: RunningTotal = 0
    reasoning_tokens: RunningTotal = 0
    estimated_cost_usd: float | None = None
    actual_cost_usd: float | None = None


class UsageRow(UsageSums):
    """A row of `session_model_usage`: all requests so far of one session, model and task.

    `task` is empty for the answers to prompts, and the name of a task, such as `title_generation`,
    for other requests. `last_seen` is the time of the latest request, in unix seconds.
    """

    session_id: str = ""
    model: str = ""
    billing_base_url: str = ""
    billing_mode: str = ""
    task: str = ""
    last_seen: float = 0.0

    @property
    def name(self) -> str:
        """A text that identifies the row among all rows."""
        route = f"{self.billing_provider}:{self.billing_base_url}:{self.billing_mode}"
        return f"{self.session_id}:{self.model}:{route}:{self.task}"

    @property
    def requests(self) -> int:
        """The number of requests; at least 1, because some rows lack the number."""
        return max(self.api_call_count, 1)

    @property
    def is_side(self) -> bool:
        """Whether the requests do not answer prompts. An example is a request for a title."""
        return self.task not in ("", REST, OLDER)


class SessionRow(UsageSums):
    """A row of `sessions`. Times are in unix seconds.

    The sums are those of all requests that answer prompts. Versions before schema 20 have only
    these sums.
    """

    id: str = ""
    model: str = ""
    model_config: str = ""
    parent_session_id: str = ""
    title: str = ""
    cwd: str = ""
    git_branch: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0


class MessageRow(TableRow):
    """A row of `messages`. `timestamp` is in unix seconds; `tool_calls` is JSON.

    `display_kind` and `_compressed_summary` are columns of newer schemas.
    """

    id: int = 0
    session_id: str = ""
    role: str = ""
    content: str = ""
    tool_calls: str = ""
    timestamp: float = 0.0
    finish_reason: str = ""
    display_kind: str = ""
    _compressed_summary: int = 0

    @property
    def is_prompt(self) -> bool:
        """Whether a row of the user is no text of Hermes itself, such as a notice or a summary."""
        return self.display_kind != HIDDEN and not self._compressed_summary


class Function(msgspec.Struct, gc=False):
    """The function of a tool call."""

    name: str = ""


class Call(msgspec.Struct, gc=False):
    """A tool call."""

    id: str = ""
    function: Function | None = None


class Calls(msgspec.Struct, gc=False):
    """The tool calls of a message."""

    calls: list[Call] | None = None


class Config(msgspec.Struct, gc=False):
    """The value of the column `model_config`: only its mark of a subagent is decoded."""

    delegated_from: str | None = msgspec.field(default=None, name="_delegate_from")


def known_model(name: str) -> str:
    """Return the name of a model; "" if the recorded name means an unknown model."""
    return "" if name == UNKNOWN else name


def token_counts(row: UsageSums) -> TokenCounts:
    """Return the token counts of a row. Cache writes have a lifetime of 5 minutes."""
    return TokenCounts(
        input=row.input_tokens,
        cache_read=row.cache_read_tokens,
        cache_write_5m=row.cache_write_tokens,
        output=row.output_tokens,
        reasoning=min(row.output_tokens, row.reasoning_tokens),
    )
