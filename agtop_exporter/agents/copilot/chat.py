"""Reads sessions of Copilot Chat in VS Code.

A session is a JSON document, `chatSessions/<id>.json`, or a log of changes to the document,
`chatSessions/<id>.jsonl`.
"""

import re
from collections.abc import Iterable, Iterator

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.copilot.changes import KNOWN_TYPES, Change, LogState, Replay
from agtop_exporter.agents.copilot.document import (
    Chat,
    Metadata,
    Request,
    Result,
    ResultUsage,
    Text,
)
from agtop_exporter.agents.copilot.records import NANO_CREDITS, billed
from agtop_exporter.agents.copilot.rows import AUTO
from agtop_exporter.agents.copilot.workspace import editor_folder
from agtop_exporter.model import (
    PROMPT_RANK,
    Batch,
    Cursor,
    SessionUpdate,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import seconds_of
from agtop_exporter.reading.documents import read_document
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState

NAME = "copilot"
CUSTOM_RANK = 5
# values of VS Code's ResponseModelState
PENDING, COMPLETE, CANCELLED, FAILED, NEEDS_INPUT = range(5)
UNIQUE_ID = re.compile(r"^request_|[0-9a-f]{8}-[0-9a-f]{4}-")
MARKS_MAX = 255
QUESTION = "questionCarousel"
CALL = "toolInvocationSerialized"


def describe(chat: Chat, path: str, changed_at: float) -> SessionUpdate:
    """Return the session update of a document; `path` is the path of its file.

    `changed_at` is the modification time of the file in unix seconds. It is the time of the
    session's last activity if the document has no times.
    """
    requests = chat.requests or []
    session = SessionUpdate(
        session_id=session_id_of(chat, path), data_path=path, cwd=editor_folder(path)
    )
    for time in times_of(chat):
        session.observe_time(time)
    if session.last_active is None:
        session.observe_time(changed_at)
        elapsed = sum(
            seconds_of(request.result.timings.total_elapsed) or 0.0
            for request in requests
            if request.result and request.result.timings
        )
        session.observe_time(changed_at - elapsed)
    selected = chat.input_state.selected_model if chat.input_state else None
    models = [request.model_id for request in requests if request.model_id]
    session.model = models[-1] if models else (selected.identifier if selected else None) or ""
    if requests:
        session.set_title(prompt_text(requests[0]), PROMPT_RANK)
        session.signal = signal_of(requests[-1])
    for request in requests:  # a prompt has the figures of its last request to a model
        session.set_context_used(token_counts(request).input)
    session.set_title(chat.custom_title or "", CUSTOM_RANK)
    return session


def times_of(chat: Chat) -> Iterator[float]:
    """Yield all times in a document, in unix seconds."""
    times = [chat.creation_date, chat.last_message_date]
    for request in chat.requests or ():
        times.append(request.timestamp)
        times.append(request.model_state.completed_at if request.model_state else None)
    for milliseconds in times:
        time = seconds_of(milliseconds)
        if time is not None:
            yield time


def session_id_of(chat: Chat, path: str) -> str:
    """Return the id of a session.

    The oldest documents do not contain the id. Their id is the file name in `path`.
    """
    return chat.session_id or path.rpartition("/")[2].rpartition(".")[0]


def prompt_text(request: Request) -> str:
    """Return the text of the prompt that the user typed."""
    message = request.message
    return (message.text or "") if isinstance(message, Text) else message or ""


def usage_of(chat: Chat, session_id: str, indexes: Iterable[int]) -> Iterator[UsageEvent]:
    """Yield the events of the requests with these indexes, except those that a fork copied."""
    for index in indexes:
        if not chat.is_copied(index):
            yield event_of(chat, session_id, index)


def event_of(chat: Chat, session_id: str, index: int) -> UsageEvent:
    """Return the event of the request with the index `index` in a document.

    The event has token counts, a cost and a model only after the request has ended, because the
    model is not known earlier. An event without token counts has 0 requests to a model, because the
    number of requests that a prompt causes is unknown.
    """
    requests = chat.requests or []
    request = requests[index]
    metadata = (request.result.metadata if request.result else None) or Metadata()
    ended = index + 1 < len(requests) or has_ended(request)
    tokens = token_counts(request)
    counted = ended and tokens.total > 0
    cost = billed((request.copilot_credits or 0) * NANO_CREDITS) if ended else None
    model = model_of(request, metadata)
    return UsageEvent(
        key=f"chat:{key_of(request, session_id, index)}",
        session_id=session_id,
        time=seconds_of(request.timestamp) or seconds_of(chat.creation_date) or 0.0,
        model=model if counted or cost else "",
        tokens=tokens if counted else TokenCounts(),
        requests=1 if counted else 0,
        turns=1,
        tools=tuple(dict(tool_calls(request, metadata)).items()),
        reported_cost=cost,
    )


def key_of(request: Request, session_id: str, index: int) -> str:
    """Return the event key of a request.

    A request id that VS Code generated is unique, and a copied chat has the same request ids. Any
    other request id is combined with the session id.
    """
    if request.request_id and UNIQUE_ID.search(request.request_id):
        return request.request_id
    return f"{session_id}:{request.request_id or index}"


def token_counts(request: Request) -> TokenCounts:
    """Return the token counts of a prompt.

    A document can have several values for one count. The largest value is returned, because some
    values cover only the last request of the prompt to a model.
    """
    result = request.result or Result()
    metadata, usage = result.metadata or Metadata(), result.usage or ResultUsage()
    prompts = request.prompt_tokens, metadata.prompt_tokens, result.prompt_tokens
    outputs = request.completion_tokens, metadata.output_tokens, result.output_tokens
    return TokenCounts(
        input=max(tokens or 0 for tokens in (*prompts, usage.prompt_tokens)),
        output=max(tokens or 0 for tokens in (*outputs, usage.completion_tokens)),
    )


def model_of(request: Request, metadata: Metadata) -> str:
    """Return the name of the model that answered a prompt.

    If the result of the prompt names a resolved model, this model is returned. If not, and if the
    prompt selects the model "auto" or none, the model of the last round is returned. In all other
    cases, the selected model is returned.
    """
    selected = (request.model_id or "").removeprefix("copilot/")
    rounds = [each.model_id for each in metadata.tool_call_rounds or () if each.model_id]
    used = rounds[-1] if rounds and selected in ("", AUTO) else ""
    return metadata.resolved_model or used or selected


def has_ended(request: Request) -> bool:
    """Return whether a request has ended, with or without success."""
    state = request.model_state.value if request.model_state else None
    return request.result is not None or state in (COMPLETE, CANCELLED, FAILED)


def tool_calls(request: Request, metadata: Metadata) -> Iterator[tuple[str, str]]:
    """Yield (id, label) of each tool call of a prompt.

    The calls are read from the parts of the response. If no part is a call, the calls are read from
    the rounds in the metadata of the result.
    """
    shown = [part for part in request.response or () if part.kind == CALL]
    for index, part in enumerate(shown):
        yield part.tool_call_id or f"part {index}", tool_label(part.tool_id or "")
    if shown:
        return
    for number, round_ in enumerate(metadata.tool_call_rounds or ()):
        if round_.tool_calls is None:  # each round has at least one call
            yield f"round {number}", tool_label("")
        for index, call in enumerate(round_.tool_calls or ()):
            yield call.id or f"round {number}.{index}", tool_label(call.name or "")


def signal_of(request: Request) -> Signal:
    """Return the activity signal of a session: running, waiting, idle or error.

    `request` is the last request of the session.
    """
    state = request.model_state.value if request.model_state else None
    detail = f"modelState={state}"
    details = request.result.error_details if request.result else None
    code = (details.code or "failed") if details is not None else ""
    if state in (COMPLETE, CANCELLED) or request.is_canceled or "cancel" in code.lower():
        return Signal("idle", "", detail)
    if code or state == FAILED:
        return Signal("error", code or "failed", detail)
    if any(part.kind == QUESTION and not part.is_used for part in request.response or ()):
        return Signal("waiting", "input", f"copilot.{QUESTION}")
    if state == NEEDS_INPUT:
        return Signal("waiting", "permission", detail)
    ended = state is None and request.result is not None
    return Signal("idle" if ended else "running", "", detail)


class DocumentParser(RecordParser[Chat, NoState]):
    """Parser of a session that is stored as one JSON document."""

    record = Chat
    state_type = NoState

    def feed(self, record: Chat, offset: int) -> None:  # noqa: ARG002 - of the interface
        """Add the session and the requests of the document to the batch."""
        add_chat(record, self.batch)


class LogParser(RecordParser[Change, LogState]):
    """Parser of a change log. Its state has the document that results from the changes so far."""

    record = Change
    state_type = LogState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: LogState) -> None:
        super().__init__(batch, state)
        self.replay = Replay(state.document, batch)

    def feed(self, record: Change, offset: int) -> None:
        """Apply one change to the document, unless the change repeats an earlier change.

        Before the change, add the events of the requests that the change removes or replaces. These
        requests were made, so they must be counted.
        """
        mark, marks = record.mark, self.state.marks
        if mark and mark in marks:
            return
        if mark:
            self.state.marks = [*marks[-MARKS_MAX:], mark]
        chat = self.replay.chat
        if chat is not None:
            replaced = record.replaced_requests(len(chat.requests or ()))
            session_id = session_id_of(chat, self.path)
            self.batch.events.extend(usage_of(chat, session_id, replaced))
        self.replay.apply(record, offset)

    def finish(self) -> None:
        """Add the session and all requests of the document to the batch.

        The ledger ignores events that it has already counted.
        """
        self.state.document = self.replay.chat
        if self.replay.chat is not None:
            add_chat(self.replay.chat, self.batch)


def add_chat(chat: Chat, batch: BatchBuilder) -> None:
    """Add the session and the requests of a document to a batch."""
    if chat.requests:
        session = describe(chat, batch.path, batch.modified_at)
        batch.sessions[session.session_id] = session
        indexes = range(len(chat.requests))
        batch.events.extend(usage_of(chat, session.session_id, indexes))


def read(path: str, cursor: Cursor) -> Batch:
    """Read one session if its file has changed. Raises NotAFileError or OSError."""
    if path.endswith(".json"):
        return read_document(NAME, DocumentParser, path, cursor)
    return read_jsonl(NAME, LogParser, path, cursor)
