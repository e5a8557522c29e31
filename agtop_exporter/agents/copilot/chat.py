"""Copilot Chat in VS Code: `chatSessions/<id>.json`, or the log of its changes, `<id>.jsonl`."""

from collections.abc import Iterator

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.copilot.document import Change, Chat, Metadata, Replay, Request, Text
from agtop_exporter.agents.copilot.workspace import editor_folder
from agtop_exporter.decoding import Errors
from agtop_exporter.model import (
    PROMPT_RANK,
    Batch,
    Cursor,
    SessionUpdate,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.tail import LineReader, use_each
from agtop_exporter.tail_json import read_document

NAME = "copilot"
CUSTOM_RANK = 5
PENDING, COMPLETE, CANCELLED, FAILED, NEEDS_INPUT = range(5)  # VS Code's ResponseModelState
QUESTION = "questionCarousel"
CALL = "toolInvocationSerialized"


def seconds(milliseconds: float | None) -> float | None:
    """Return unix seconds; None for what is no time."""
    if milliseconds is None or not 0 < milliseconds < 1e14:  # noqa: PLR2004 - the year 5138
        return None
    return milliseconds / 1000


def describe(chat: Chat, path: str, changed_at: float) -> SessionUpdate:
    """Return what a document says of its session; `changed_at` is all that the oldest tell."""
    requests = chat.requests or []
    session = SessionUpdate(
        session_id=session_id_of(chat, path), data_path=path, cwd=editor_folder(path)
    )
    for time in times_of(chat):
        session.seen(time)
    if session.last_active is None:
        session.seen(changed_at)
        elapsed = sum(
            seconds(request.result.timings.total_elapsed) or 0.0
            for request in requests
            if request.result and request.result.timings
        )
        session.seen(changed_at - elapsed)
    selected = chat.input_state.selected_model if chat.input_state else None
    models = [request.model_id for request in requests if request.model_id]
    session.model = models[-1] if models else (selected.identifier if selected else None) or ""
    if requests:
        session.entitle(prompt_text(requests[0]), PROMPT_RANK)
        session.signal = signal_of(requests[-1])
    session.entitle(chat.custom_title or "", CUSTOM_RANK)
    return session


def times_of(chat: Chat) -> Iterator[float]:
    """Give the times of everything in a session that has one."""
    given = [chat.creation_date, chat.last_message_date]
    for request in chat.requests or ():
        given.append(request.timestamp)
        given.append(request.model_state.completed_at if request.model_state else None)
    for milliseconds in given:
        time = seconds(milliseconds)
        if time is not None:
            yield time


def session_id_of(chat: Chat, path: str) -> str:
    """Name a session; the oldest have no name but their file's."""
    return chat.session_id or path.rpartition("/")[2].rpartition(".")[0]


def prompt_text(request: Request) -> str:
    """Return what the user typed."""
    message = request.message
    return (message.text or "") if isinstance(message, Text) else message or ""


def usage_events(chat: Chat, session_id: str) -> Iterator[UsageEvent]:
    """Give one event for each request; a copied chat keeps their ids.

    Its figures count when it has ended, for then the model is known that answered. Without figures
    there is no request to a model to count: one prompt may have made many.
    """
    requests = chat.requests or []
    for index, request in enumerate(requests):
        metadata = (request.result.metadata if request.result else None) or Metadata()
        ended = index + 1 < len(requests) or has_ended(request)
        tokens = TokenCounts(
            input=request.prompt_tokens or metadata.prompt_tokens or 0,
            output=request.completion_tokens or metadata.output_tokens or 0,
        )
        counted = ended and tokens.total > 0
        model = metadata.resolved_model or (request.model_id or "").removeprefix("copilot/")
        yield UsageEvent(
            key=f"chat:{request.request_id or f'{session_id}:{index}'}",
            session_id=session_id,
            time=seconds(request.timestamp) or seconds(chat.creation_date) or 0.0,
            model=model if counted else "",
            tokens=tokens if counted else TokenCounts(),
            requests=1 if counted else 0,
            turns=1,
            tools=tuple(tool_calls(request, metadata)),
        )


def has_ended(request: Request) -> bool:
    """Tell whether nothing more will be said of a request."""
    state = request.model_state.value if request.model_state else None
    return request.result is not None or state in (CANCELLED, FAILED)


def tool_calls(request: Request, metadata: Metadata) -> Iterator[tuple[str, str]]:
    """Give the tool calls of a request: of its response, else of the rounds in its result."""
    shown = [part for part in request.response or () if part.kind == CALL]
    for index, part in enumerate(shown):
        yield part.tool_call_id or f"part {index}", tool_label(part.tool_id or "")
    if shown:
        return
    for number, round_ in enumerate(metadata.tool_call_rounds or ()):
        if round_.tool_calls is None:  # a round is there because of a call
            yield f"round {number}", tool_label("")
        for index, call in enumerate(round_.tool_calls or ()):
            yield call.id or f"round {number}.{index}", tool_label(call.name or "")


def signal_of(request: Request) -> Signal:
    """Say what a session is doing whose last request this is."""
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


def _said(chat: Chat | None, place: Cursor, batch: Batch) -> Batch:
    """Return what a document says as a whole: the ledger knows what of it is new."""
    if chat is None or not chat.requests:
        return batch
    session = describe(chat, batch.path, place.mtime_ns / 1e9)
    return msgspec.structs.replace(
        batch, events=tuple(usage_events(chat, session.session_id)), sessions=(session,)
    )


def read(path: str, cursor: Cursor) -> Batch:
    """Read one session, if it has changed. Raises NotAFileError, or OSError."""
    return _read_document(path, cursor) if path.endswith(".json") else _read_log(path, cursor)


def _read_document(path: str, cursor: Cursor) -> Batch:
    errors = Errors(path)
    chat, place = read_document(path, cursor, Chat, errors=errors)
    batch = Batch(
        agent=NAME,
        path=path,
        cursor=place,
        errors=errors.all(),
        records=1 if chat is not None else 0,
        bytes_read=place.size,
    )
    return _said(chat, place, batch)


def _read_log(path: str, cursor: Cursor) -> Batch:
    errors = Errors(path)
    with LineReader(path, cursor) as lines:
        chat = msgspec.msgpack.decode(lines.state, type=Chat | None) if lines.state else None
        replay = Replay(chat, errors)
        records = use_each(lines, Change, errors, replay.apply)
        errors.add("too_large", lines.offset, lines.too_large)
        place = lines.cursor(msgspec.msgpack.encode(replay.chat))
        batch = Batch(
            agent=NAME,
            path=path,
            cursor=place,
            errors=errors.all(),
            unknown=replay.unknown.all(),
            records=records,
            bytes_read=lines.offset - lines.start,
            reset=lines.reset,
            more=lines.more,
        )
        return _said(replay.chat, place, batch)
