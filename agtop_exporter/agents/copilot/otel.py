"""Reads the command line tool's OpenTelemetry files, `otel/*.jsonl`. A line is a span or a metric.

Each request has one span of the operation `chat`; other spans are not counted. A span is skipped if
its session has an event log or rows in the session store, because the log or the store has the same
request. A span without a session id is skipped if any log or store exists. Names of attributes:
https://docs.github.com/copilot/reference/copilot-cli-reference/cli-command-reference.
"""

from pathlib import Path

import msgspec

from agtop_exporter.agents.copilot.logs import FOLDER, find_log
from agtop_exporter.agents.copilot.rows import STORE, has_rows
from agtop_exporter.existence import exists
from agtop_exporter.model import Batch, Cursor, TokenCounts, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import Count
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState

NAME = "copilot"
REQUEST = "chat"
KNOWN_TYPES = frozenset(  # the operations in the semantic conventions
    {REQUEST, "create_agent", "embeddings", "execute_tool", "generate_content", "invoke_agent"}
    | {"invoke_workflow", "retrieval", "text_completion"}
)
PREFIX = "gen_ai."
ATTRIBUTES = {  # attribute names by field
    "operation": f"{PREFIX}operation.name",
    "conversation": f"{PREFIX}conversation.id",
    "session": "session.id",  # this and the next attribute are written by VS Code
    "chat": "copilot_chat.session_id",
    "chat_session": "copilot_chat.chat_session_id",
    "response": f"{PREFIX}response.id",
    "response_model": f"{PREFIX}response.model",
    "request_model": f"{PREFIX}request.model",
    "input": f"{PREFIX}usage.input_tokens",
    "output": f"{PREFIX}usage.output_tokens",
    "cache_read": f"{PREFIX}usage.cache_read.input_tokens",
    "cache_write": f"{PREFIX}usage.cache_creation.input_tokens",
    "reasoning": f"{PREFIX}usage.reasoning.output_tokens",
    "newer_cache_write": f"{PREFIX}usage.cache_write.input_tokens",
    "older_cache_read": f"{PREFIX}usage.cache_read_input_tokens",  # as written by 1.0.62
    "older_cache_write": f"{PREFIX}usage.cache_creation_input_tokens",
    "older_reasoning": f"{PREFIX}usage.reasoning_tokens",
}


class Attributes(msgspec.Struct, gc=False, rename=ATTRIBUTES):
    """The attributes of a span that are read.

    Input tokens include cached input tokens. Output tokens include reasoning tokens.
    """

    operation: str | None = None
    conversation: str | None = None
    session: str | None = None
    chat: str | None = None
    chat_session: str | None = None
    response: str | None = None
    response_model: str | None = None
    request_model: str | None = None
    input: Count | None = 0
    output: Count | None = 0
    cache_read: Count | None = 0
    cache_write: Count | None = 0
    reasoning: Count | None = 0
    newer_cache_write: Count | None = 0
    older_cache_read: Count | None = 0
    older_cache_write: Count | None = 0
    older_reasoning: Count | None = 0

    @property
    def session_id(self) -> str:
        """The session id under any of its attribute names; "" if there is none."""
        return self.conversation or self.chat or self.chat_session or self.session or ""


class Span(msgspec.Struct, gc=False, rename="camel"):
    """One span, which is a line of the file. `end_time` is [seconds, nanoseconds]."""

    span_id: str | None = None
    trace_id: str | None = None
    name: str | None = None
    end_time: list[float] | None = None
    attributes: Attributes | None = None


def is_request(span: Span, attributes: Attributes) -> bool:
    """Return whether a line is the span of a request to a model.

    A line of a session's event log is not a span, because its ids have other names.
    """
    operation = attributes.operation or (span.name or "").partition(" ")[0]
    return operation == REQUEST and bool(span.span_id or span.trace_id or attributes.session_id)


def usage_event(span: Span, place: str) -> UsageEvent | None:
    """Return the event of a span; None if the span is not a request or has no tokens.

    If the session id is unknown, the id of the trace replaces it. `place` identifies the line of
    the span: the path of the file and the byte offset.
    """
    attributes = span.attributes
    if attributes is None or not is_request(span, attributes):
        return None
    read = attributes.cache_read or attributes.older_cache_read or 0
    written = attributes.cache_write or attributes.newer_cache_write or 0
    written = written or attributes.older_cache_write or 0
    tokens = TokenCounts(
        input=max(0, (attributes.input or 0) - read - written),
        cache_read=read,
        cache_write_5m=written,
        output=attributes.output or 0,
        reasoning=attributes.reasoning or attributes.older_reasoning or 0,
    )
    if not tokens.total:
        return None
    time = span.end_time or []
    return UsageEvent(
        key=f"span:{span.trace_id}:{span.span_id or place}",
        session_id=attributes.session_id or span.trace_id or "",
        time=time[0] if time and 0 < time[0] < 1e11 else 0.0,  # noqa: PLR2004 - the year 5138
        model=attributes.response_model or attributes.request_model or "",
        tokens=tokens,
        requests=1,
    )


class SpanParser(RecordParser[Span, NoState]):
    """Parser of one OpenTelemetry file."""

    record = Span
    state_type = NoState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: NoState) -> None:
        super().__init__(batch, state)
        self.home = Path(self.path).parent.parent
        self.read_elsewhere: dict[str, bool] = {}  # by session id

    def feed(self, record: Span, offset: int) -> None:
        """Process one line of the file; `offset` is the byte offset after the line."""
        # other lines are not spans of a model
        if record.attributes and record.attributes.operation:
            self.batch.unknown.observe(record.attributes.operation)
        event = usage_event(record, f"{self.path}:{offset}")
        if event is None or not event.session_id or self._is_read_elsewhere(record, event):
            return
        self.batch.events.append(event)
        session = self.batch.session(event.session_id)
        session.model = event.model
        if event.time:
            session.observe_time(event.time)

    def _is_read_elsewhere(self, span: Span, event: UsageEvent) -> bool:
        """Return whether an event log or the session store has, or may have, the span's request."""
        if span.attributes is None or not span.attributes.session_id:
            return exists(self.home / FOLDER) or exists(self.home / STORE)
        session_id = event.session_id
        if session_id not in self.read_elsewhere:
            self.read_elsewhere[session_id] = find_log(self.home, session_id) is not None or (
                has_rows(str(self.home / STORE), session_id)
            )
        return self.read_elsewhere[session_id]


def read(path: str, cursor: Cursor) -> Batch:
    """Read the lines after `cursor` in one file. Raises OSError."""
    return read_jsonl(NAME, SpanParser, path, cursor)
