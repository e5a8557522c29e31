"""Decodes Cline's documents: the messages of a session, and the description of the session."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count, Moment

KNOWN_TYPES = frozenset({"assistant", "user"})  # roles of messages
COMPACTION = "compaction"  # the kind of a message that replaces older messages


class ModelInfo(msgspec.Struct, gc=False):
    """The model of a response."""

    id: str | None = None
    provider: str | None = None


class Metrics(msgspec.Struct, gc=False, rename="camel"):
    """The usage of a response. `input_tokens` includes the cached tokens. `cost` is in USD."""

    input_tokens: Count | None = 0
    output_tokens: Count | None = 0
    cache_read_tokens: Count | None = 0
    cache_write_tokens: Count | None = 0
    cost: float | None = None


class Block(msgspec.Struct, gc=False):
    """One content block of a message."""

    type: str = ""
    id: str = ""
    name: str = ""
    text: str | None = None
    tool_use_id: str = ""
    is_error: bool | None = None


class Metadata(msgspec.Struct, gc=False, rename="camel"):
    """The properties of a message that a compaction has written."""

    kind: str | None = None
    messages_removed: Count | None = 0


class Message(msgspec.Struct, gc=False, rename="camel"):
    """One message. `ts` is in unix milliseconds."""

    id: str = ""
    role: str = ""
    content: str | list[Block] | None = None
    ts: float | None = None
    model_info: ModelInfo | None = None
    metrics: Metrics | None = None
    metadata: Metadata | None = None

    @property
    def blocks(self) -> list[Block]:
        """The content blocks of the message."""
        if isinstance(self.content, str):
            return [Block("text", text=self.content)]
        return self.content or []

    @property
    def text(self) -> str:
        """The first text of the message; "" if it has none."""
        return next((block.text or "" for block in self.blocks if block.type == "text"), "")

    @property
    def is_compaction(self) -> bool:
        """Whether a compaction has written the message in place of older messages."""
        return self.metadata is not None and self.metadata.kind == COMPACTION


class Conversation(msgspec.Struct, rename="camel"):
    """The document `<name>.messages.json`: all messages of one session or subagent."""

    session_id: str | None = None
    updated_at: Moment | None = msgspec.field(default=None, name="updated_at")
    messages: list[Message] | None = None


class Title(msgspec.Struct):
    """The title of a session: the value of the key `metadata` in a `Description`."""

    title: str | None = None


class Description(msgspec.Struct):
    """The document `<session id>.json`: the description of a session."""

    session_id: str | None = None
    started_at: Moment | None = None
    model: str | None = None
    cwd: str | None = None
    workspace_root: str | None = None
    metadata: Title | None = None


def token_counts(metrics: Metrics) -> TokenCounts:
    """Return disjoint token counts. Cache writes have a lifetime of 5 minutes."""
    read, written = metrics.cache_read_tokens or 0, metrics.cache_write_tokens or 0
    return TokenCounts(
        input=max(0, (metrics.input_tokens or 0) - read - written),
        cache_read=read,
        cache_write_5m=written,
        output=metrics.output_tokens or 0,
    )
