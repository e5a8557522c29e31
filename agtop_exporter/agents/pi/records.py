"""The decoded fields of the records in a pi session file, and conversions of their values."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count, Moment

ENTRIES = frozenset(
    {"branch_summary", "compaction", "context_edit", "custom", "custom_message", "label"}
    | {"message", "model_change", "session", "session_info", "thinking_level_change", "usage"}
)
ROLES = frozenset(
    {"assistant", "bashExecution", "branchSummary", "compactionSummary", "custom"}
    | {"hookMessage", "system", "toolResult", "user"}
)
KNOWN_TYPES = ENTRIES | {f"message.{role}" for role in ROLES}
ROUTERS = frozenset({"auto"})  # last parts of model names that mean that a router selects the model


class Cost(msgspec.Struct, gc=False):
    """The cost of a response in USD, as estimated by pi."""

    total: float | None = None


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The token counts and the cost of a response.

    `cache_write` includes `cache_write_1h`, and `output` includes `reasoning`.
    """

    input: Count | None = 0
    output: Count | None = 0
    cache_read: Count | None = 0
    cache_write: Count | None = 0
    cache_write_1h: Count | None = msgspec.field(default=0, name="cacheWrite1h")
    reasoning: Count | None = 0
    cost: Cost | None = None


class Block(msgspec.Struct, gc=False):
    """One content block of a message."""

    type: str = ""
    text: str | None = None
    id: str = ""
    name: str = ""


class Message(msgspec.Struct, gc=False, rename="camel"):
    """The message in an entry of a session file."""

    role: str = ""
    content: str | list[Block] | None = None
    provider: str | None = None
    model: str | None = None
    response_model: str | None = None
    usage: Usage | None = None
    stop_reason: str | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    is_error: bool | None = None
    thinking_level: str | None = None

    @property
    def served_model(self) -> str:
        """The name of the model that answered.

        If `model` is a router, this is the model that the router selected.
        """
        model = self.model or ""
        is_router = model.rpartition("/")[2] in ROUTERS
        return (self.response_model if is_router else "") or model


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One line of a session file: the header of the session, or an entry."""

    type: str = ""
    id: str = ""
    timestamp: Moment | None = None
    cwd: str | None = None
    message: Message | None = None
    provider: str | None = None
    model: str | None = None
    model_id: str | None = None
    usage: Usage | None = None
    thinking_level: str | None = None
    name: str | None = None

    @property
    def kind(self) -> str:
        """The record type as in `KNOWN_TYPES`. For a message, it is `<type>.<role>`."""
        return f"{self.type}.{self.message.role}" if self.message else self.type


def token_counts(usage: Usage) -> TokenCounts:
    """Convert a usage to token counts that do not overlap.

    Cache writes of unknown lifetime are counted with a lifetime of 5 minutes.
    """
    written, long_lived = usage.cache_write or 0, usage.cache_write_1h or 0
    return TokenCounts(
        input=usage.input or 0,
        cache_read=usage.cache_read or 0,
        cache_write_5m=max(0, written - long_lived),
        cache_write_1h=min(written, long_lived),
        output=usage.output or 0,
        reasoning=min(usage.output or 0, usage.reasoning or 0),
    )


def text_of(content: str | list[Block] | None) -> str:
    """Return the text of a prompt, without its images."""
    if isinstance(content, list):
        return " ".join(block.text or "" for block in content if block.type == "text")
    return content or ""
