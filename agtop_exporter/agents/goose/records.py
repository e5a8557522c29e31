"""Rows of Goose's database, and the JSON in them. Does no I/O."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import LATEST_MILLISECONDS, Count, RunningTotal
from agtop_exporter.reading.rows import TableRow

MILLISECONDS_FROM = 1e11  # a larger time is in milliseconds
USAGE_VERSION = 15  # the version of the schema that added `usage_ledger`
CARRIED_FORWARD = "carried_forward"  # cost source of a row that sums up older requests
ELSEWHERE = frozenset(
    {"claude-acp", "claude-code", "codex", "codex-acp", "copilot-acp", "gemini-cli", "pi-acp"}
)
"""Providers that run another agent, which records the usage itself. It is counted there."""
KNOWN_TYPES = frozenset(  # types of the blocks of a message
    {"text", "image", "document", "thinking", "redactedThinking", "reasoning"}
    | {"toolRequest", "toolResponse", "frontendToolRequest", "toolConfirmationRequest"}
    | {"actionRequired", "systemNotification", "summarizationRequested", "contextLengthExceeded"}
)


class VersionRow(TableRow):
    """A row of `schema_version`: the time at which the database was brought to a version."""

    applied_at: str = ""


class UsageRow(TableRow):
    """A row of `usage_ledger`: one request. `input_tokens` includes the cached tokens."""

    id: int = 0
    session_id: str = ""
    created_timestamp: float = 0.0
    model: str = ""
    input_tokens: RunningTotal = 0
    output_tokens: RunningTotal = 0
    cache_read_tokens: RunningTotal = 0
    cache_write_tokens: RunningTotal = 0
    cost: float | None = None
    cost_source: str = ""
    is_compaction: int = 0

    @property
    def key(self) -> str:
        """The value that identifies the row in a watermark."""
        return f"{self.created_timestamp:.0f}"


class SessionRow(TableRow):
    """A row of `sessions`. The columns `accumulated_…` have the sums of all requests so far."""

    id: str = ""
    name: str = ""
    description: str = ""  # the name in older versions
    working_dir: str = ""
    created_at: str = ""
    updated_at: str = ""
    provider_name: str = ""
    model_config_json: str = ""
    parent_session_id: str = ""
    total_tokens: Count | None = None
    accumulated_input_tokens: RunningTotal = 0
    accumulated_output_tokens: RunningTotal = 0
    accumulated_cache_read_tokens: RunningTotal = 0
    accumulated_cache_write_tokens: RunningTotal = 0
    accumulated_cost: float | None = None

    @property
    def key(self) -> str:
        """The value that identifies the row in a watermark."""
        return self.id

    @property
    def tokens(self) -> TokenCounts:
        """The sum of the requests so far."""
        return token_counts(
            self.accumulated_input_tokens,
            self.accumulated_cache_read_tokens,
            self.accumulated_cache_write_tokens,
            self.accumulated_output_tokens,
        )

    @property
    def sum_key(self) -> str:
        """The event key of the sum. A new session may have the id of a session that was deleted."""
        return f"sum:{self.id}:{self.created_at}"

    @property
    def other_sum_keys(self) -> tuple[str, ...]:
        """The event key of the sum in earlier versions of this program."""
        return (f"sum:{self.id}",)

    @property
    def is_elsewhere(self) -> bool:
        """Whether another agent made the requests of the session, and recorded their usage."""
        return self.provider_name in ELSEWHERE


class MessageRow(TableRow):
    """A row of `messages`."""

    id: int = 0
    message_id: str = ""
    session_id: str = ""
    role: str = ""
    content_json: str = ""
    created_timestamp: float = 0.0

    @property
    def key(self) -> str:
        """The value that identifies the row in a watermark."""
        return f"{self.created_timestamp:.0f}"


class ModelConfig(msgspec.Struct):
    """The value of the column `model_config_json`."""

    model_name: str | None = None


class Call(msgspec.Struct, gc=False):
    """The name of a called tool."""

    name: str = ""


class ToolCall(msgspec.Struct, gc=False):
    """The call in a block of type `toolRequest`."""

    value: Call | None = None


class Outcome(msgspec.Struct, gc=False, rename="camel"):
    """The result of a tool call that was executed."""

    is_error: bool | None = None


class ToolResult(msgspec.Struct, gc=False):
    """The result in a block of type `toolResponse`."""

    status: str = ""
    value: Outcome | None = None

    @property
    def failed(self) -> bool:
        """Whether the call failed."""
        return self.status == "error" or bool(self.value and self.value.is_error)


class Block(msgspec.Struct, gc=False, rename="camel"):
    """One content block of a message."""

    type: str = ""
    id: str = ""
    text: str | None = None
    tool_call: ToolCall | None = None
    tool_result: ToolResult | None = None


class Content(msgspec.Struct, gc=False):
    """The content of a message."""

    content: list[Block] | None = None


def token_counts(given: int, read: int, written: int, output: int) -> TokenCounts:
    """Return token counts that do not overlap.

    `given` is the number of input tokens, including the cached tokens `read` and `written`. Cache
    writes have a lifetime of 5 minutes.
    """
    return TokenCounts(
        input=max(0, given - read - written),
        cache_read=read,
        cache_write_5m=written,
        output=output,
    )


def seconds(time: float) -> float:
    """Convert unix seconds, or unix milliseconds, to seconds; 0 if the time is out of range."""
    if not 0 < time < LATEST_MILLISECONDS:
        return 0.0
    return time / 1000 if time > MILLISECONDS_FROM else time
