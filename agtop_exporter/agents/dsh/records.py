"""Decodes the lines of the session logs of DeepSeek Harness."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count, Number

NOTHING = msgspec.Raw(b"{}")
SESSION, SEED_END = "session", "session/end-seed"
CHUNK, ATTEMPT, MESSAGE = "assistant/chunk", "assistant/attempt", "assistant/message"
SUMMARIES = frozenset({"compaction/summary", "compact/summary"})
HANDLED = SUMMARIES | {  # types of the lines whose `data` is decoded
    *(SEED_END, CHUNK, ATTEMPT, MESSAGE, "user/message", "request/header", "request/context"),
    *("session/title", "turn/start", "turn/end", "step/end", "tool/call", "tool/result"),
}
TYPES = HANDLED | frozenset(
    {SESSION, "text-chunks", "reasoning-chunks", "tool-call-chunks"}
    | {"agent-preset/selected", "agent/inbox/spliced", "approval/asked", "approval/decided"}
    | {"approval/policy", "command/done", "command/run", "compact/end", "compact/prune"}
    | {"compact/start", "compaction/end", "compaction/prune", "compaction/start"}
    | {"developer/message", "feedback/record", "goal/change", "hook/invoked", "hook/result"}
    | {"job/registered", "job/settled", "llm/retry", "llm/retry-started", "mode/set"}
    | {"model/selection", "permission/preset", "plan/mode", "request/header-delta"}
    | {"sandbox/mode", "schedule/change", "session-log-deepseek/delivery-accepted"}
    | {"session/title-llm-request", "steering/message", "step/start", "subagent/catalog"}
    | {"subagent/descriptor", "subagent/model-selection-policy", "system/message"}
    | {"team/member", "team/message/delivered", "team/message/queued", "team/task"}
    | {"todo/write", "tool-workflow/agent-end", "tool-workflow/agent-start"}
    | {"tool-workflow/run-end", "tool-workflow/run-start", "tool/code-dispatch"}
    | {"tool/code-dispatch-start", "web/deepseek-search-llm-request"}
)
KNOWN_TYPES = frozenset(name.replace("/", ".") for name in TYPES)  # as `Line.kind`


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The usage of a request. The counts are disjoint. `output_tokens` includes reasoning."""

    input_tokens: Count | None = 0
    output_tokens: Count | None = 0
    cache_read_tokens: Count | None = 0
    cache_write_tokens: Count | None = 0
    reasoning_tokens: Count | None = 0

    @property
    def tokens(self) -> TokenCounts:
        """The token counts. Cache writes have a lifetime of 5 minutes."""
        output = self.output_tokens or 0
        return TokenCounts(
            input=self.input_tokens or 0,
            cache_read=self.cache_read_tokens or 0,
            cache_write_5m=self.cache_write_tokens or 0,
            output=output,
            reasoning=min(output, self.reasoning_tokens or 0),
        )


class Chunk(msgspec.Struct, gc=False):
    """A part of a streamed response. The last one has the type `finish`."""

    type: str = ""
    usage: Usage | None = None


class StreamRecord(msgspec.Struct, gc=False):
    """A record of the stream of a response."""

    chunk: Chunk | None = None


class Source(msgspec.Struct, gc=False):
    """The origin of a prompt or title: the user, a model, or a part of the program."""

    kind: str = ""


class Maker(msgspec.Struct, gc=False):
    """The model that made a message, and its provider."""

    provider: str | None = None
    model: str | None = None


class Message(msgspec.Struct, gc=False, rename="camel"):
    """A message of a model or of a tool."""

    source: Maker | None = None
    tool_call_id: str | None = None
    is_error: bool | None = None


class Config(msgspec.Struct, gc=False, rename="camel"):
    """The settings of the next requests."""

    model: str | None = None
    reasoning_effort: str | None = None


class Header(msgspec.Struct, gc=False):
    """What a request contains beside the messages."""

    config: Config | None = None


class Reason(msgspec.Struct, gc=False):
    """The reason why a turn ended."""

    kind: str = ""


class Data(msgspec.Struct, gc=False, rename="camel"):
    """The content of an event. Which members it has depends on the type of the event."""

    turn: Number | None = None
    step: Number | None = None
    message: Message | None = None
    usage: Usage | None = None
    stream: list[StreamRecord] | None = None
    chunk: Chunk | None = None
    call_id: str | None = None
    name: str | None = None
    error: msgspec.Raw | None = None
    header: Header | None = None
    context_window: Count | None = None
    provider: str | None = None
    model: str | None = None
    title: str | None = None
    source: Source | None = None
    reason: Reason | str | None = None
    inherited: bool | None = None

    @property
    def streamed_usage(self) -> Usage | None:
        """The last usage in the stream of an attempt."""
        chunks = (record.chunk for record in reversed(self.stream or ()))
        return next((chunk.usage for chunk in chunks if chunk and chunk.usage), None)


class Line(msgspec.Struct, gc=False, rename="camel"):
    """One line: an event, or the first line of the log (`type` is `session`).

    Times are in unix milliseconds. `seed_length` is the number of events that version 0 of the
    format copied from another session. `is_seeded` is true if a later version copied events; they
    end with an event of type `session/end-seed`.
    """

    type: str = ""
    seq: Number | None = None
    time: float | None = None
    data: msgspec.Raw = NOTHING
    ignorable: bool | None = None
    created_at: float | None = None
    cwd: str | None = None
    parent_session: str | None = None
    origin: str | None = None
    seed_length: Number | None = None
    is_seeded: bool | None = None

    @property
    def kind(self) -> str:
        """The type, in the form of a name in `KNOWN_TYPES`."""
        return self.type.replace("/", ".")
