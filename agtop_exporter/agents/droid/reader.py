"""Reads the settings and the transcripts of Droid's sessions.

The settings of a session have the usage of all its requests so far, without the requests of its
subagents. The command `/compact` starts a new session. The usage of this session begins with the
usage of the compacted session, its original. An earlier version wrote the files of a session to
another folder, and what it wrote there stays.
"""

import os
from pathlib import Path
from typing import Unpack

import msgspec
from msgspec import field

from agtop_exporter import platforms
from agtop_exporter.agents import tool_label
from agtop_exporter.agents.droid.records import (
    COMPACTION,
    KNOWN_TYPES,
    START,
    Line,
    Message,
    Settings,
    Usage,
    disjoint,
)
from agtop_exporter.model import (
    NO_TOKENS,
    Batch,
    Cursor,
    SessionUpdate,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.reading.batch import EventFields
from agtop_exporter.reading.decoding import Errors, decoder
from agtop_exporter.reading.documents import read_document, usable_document
from agtop_exporter.reading.files import open_regular, read_head
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.running_totals import RunningTotals
from agtop_exporter.reading.state import ReaderState

NAME = "droid"
SETTINGS, TRANSCRIPT = ".settings.json", ".jsonl"
TITLE_RANK = 3
HEAD_BYTES = 64 * 1024
CALLS_MAX = 128  # maximum number of calls in the state


class SettingsState(ReaderState):
    """The reader state of the settings of one session."""

    totals: RunningTotals = field(default_factory=RunningTotals)
    inherited: TokenCounts | None = None  # usage of the original; None before the first read


class SettingsParser(RecordParser[Settings, SettingsState]):
    """The parser of the settings of one session."""

    record = Settings
    state_type = SettingsState

    def feed(self, record: Settings, _offset: int) -> None:
        """Update the session, and add the growth of its usage since the last read."""
        session_id = Path(self.path).name.removesuffix(SETTINGS)
        transcript = Path(self.path).with_name(f"{session_id}{TRANSCRIPT}")
        parent = first_lines(transcript)[0].calling_session_id or ""
        session = self.batch.session(
            session_id, data_path=str(transcript), parent_session_id=parent
        )
        session.model = record.model or ""
        session.model_effort = record.reasoning_effort or ""
        if record.last_call_token_usage:
            session.set_context_used(record.last_call_token_usage.tokens.total)
        if session.model:
            self.name_model(session_id, session.model)
        if record.token_usage is None:
            return
        total = record.token_usage.tokens
        if self.state.inherited is None:
            self.state.inherited = inherited(transcript, total)
            self._leave_to_copy(session_id, total)
        growth = self.state.totals.growth(
            UsageEvent(
                key=f"sum:{session_id}",
                session_id=session_id,
                time=last_time(transcript) or self.batch.modified_at,
                model=session.model,
                tokens=(total - self.state.inherited).max(NO_TOKENS),
                provider=record.provider_lock or "",
            )
        )
        if growth is not None:
            tokens = disjoint(growth.tokens, growth.model)
            self.add_response(msgspec.structs.replace(growth, tokens=tokens))

    def _leave_to_copy(self, session_id: str, total: TokenCounts) -> None:
        """Leave the usage that earlier settings of the session also have to these settings.

        Of each count, the larger one counts, in whatever order both settings are read.
        """
        earlier = usable_document(Path(self.path).parents[1] / Path(self.path).name, Settings)
        if earlier is not None and earlier.token_usage is not None:
            inherited = self.state.inherited or NO_TOKENS
            shared = (earlier.token_usage.tokens.min(total) - inherited).max(NO_TOKENS)
            self.state.totals.last[session_id] = shared


def inherited(transcript: Path, total: TokenCounts) -> TokenCounts:
    """Return the usage that a session has taken over from its original; usually no usage.

    `total` is the usage of the session. If the original was used again and has more usage than the
    session, the whole usage of the session counts as inherited.
    """
    first, second = first_lines(transcript)
    if first.parent and not second.type:
        return total  # the session has made no request yet
    if not first.parent or "/" in first.parent or second.type != COMPACTION:
        return NO_TOKENS
    original = usable_document(transcript.with_name(f"{first.parent}{SETTINGS}"), Settings)
    usage = original.token_usage if original else None
    return (usage or Usage()).tokens.min(total)


def first_lines(transcript: Path) -> tuple[Line, Line]:
    """Return the first two lines of a transcript. A missing or damaged line has no type."""
    try:
        head = read_head(transcript, HEAD_BYTES)
    except OSError:
        return Line(), Line()
    decode = decoder(Line, Errors(str(transcript)))
    lines = [decode(memoryview(text), 0) or Line() for text in head.split(b"\n")[:2] if text]
    first, second, *_ = (*lines, Line(), Line())
    return first, second


def last_time(transcript: Path) -> float:
    """Return the time of the last message in a transcript, in unix seconds; 0 if it is unknown."""
    try:
        descriptor, status = open_regular(transcript)
        try:
            at = max(0, status.st_size - HEAD_BYTES)
            tail = platforms.read_at(descriptor, HEAD_BYTES, at)
        finally:
            os.close(descriptor)
    except OSError:
        return 0.0
    decode = decoder(Line, Errors(str(transcript)))
    for text in reversed(tail.splitlines()):
        line = decode(memoryview(text), 0)
        if line is not None and line.timestamp:
            return line.timestamp.timestamp()
    return 0.0


class TranscriptState(ReaderState):
    """The reader state of one transcript."""

    session_id: str = ""
    parent: str = ""
    latest: float = 0.0  # in unix seconds
    calls: dict[str, str] = field(default_factory=dict)  # label of the tool by call id


class TranscriptParser(RecordParser[Line, TranscriptState]):
    """The parser of one transcript."""

    record = Line
    state_type = TranscriptState
    known_types = KNOWN_TYPES

    def feed(self, record: Line, offset: int) -> None:
        """Process one line; `offset` is the byte offset after it."""
        self.batch.unknown.observe(record.type)
        state = self.state
        if record.type == START:
            state.session_id = record.id or state.session_id
            state.parent = record.calling_session_id or ""
        session = self._session()
        if record.timestamp:
            time = record.timestamp.timestamp()
            session.observe_time(time)
            state.latest = max(state.latest, time)
        if record.type == START:
            session.set_title(record.title or "", TITLE_RANK)
            if not session.work_in(record.cwd):
                self.batch.error("schema", offset)
        elif record.type == COMPACTION:
            self._add(f"compaction:{record.id or offset}", compactions=1)
        elif record.message is not None:
            session.signal = self._handle_message(record.message, record.id)

    def _session(self) -> SessionUpdate:
        return self.batch.session(
            self.state.session_id or Path(self.path).name.removesuffix(TRANSCRIPT),
            parent_session_id=self.state.parent,
            last_active=self.state.latest or None,
        )

    def _handle_message(self, message: Message, key: str) -> Signal:
        """Add the tool calls in a message, and their failures.

        Return the activity of the session that the message shows.
        """
        calls = {
            block.id: tool_label(block.name)
            for block in message.blocks
            if block.type == "tool_use" and block.id
        }
        if calls:
            self.state.calls = dict(list({**self.state.calls, **calls}.items())[-CALLS_MAX:])
            self._add(f"calls:{key}", tools=tuple(calls.items()))
        failed = tuple(
            (block.tool_use_id, self.state.calls.get(block.tool_use_id, tool_label("")))
            for block in message.blocks
            if block.is_error and block.tool_use_id
        )
        if failed:
            self._add(f"failure:{key}", tool_errors=failed)
        is_busy = bool(calls) or message.role == "user"
        tool = next(reversed(calls.values()), "")  # all results are in the next message
        return Signal("running" if is_busy else "idle", "", message.role).with_tool(tool)

    def _add(self, key: str, **fields: Unpack[EventFields]) -> None:
        session_id = self._session().session_id
        time = self.state.latest
        self.batch.event(f"{session_id}:{key}", session_id=session_id, time=time, **fields)


def read(path: str, cursor: Cursor) -> Batch:
    """Read settings that have changed, or a transcript after a cursor. Raises OSError."""
    if path.endswith(SETTINGS):
        return read_document(NAME, SettingsParser, path, cursor)
    return read_jsonl(NAME, TranscriptParser, path, cursor)
