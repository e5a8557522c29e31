"""Reads the journals and the descriptions of Mistral Vibe's sessions.

A session has several journals. Vibe begins a new journal with each turn of the user, and deletes
the journal of the turn before the last one. The first record with the state of the session in a
journal also has the usage of all requests before this journal. The usage before the oldest journal
is counted once per session.
"""

from pathlib import Path

from msgspec.structs import replace

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.vibe.records import (
    KNOWN_TYPES,
    Command,
    Description,
    Entry,
    Progress,
    Record,
    token_counts,
)
from agtop_exporter.model import (
    NO_TOKENS,
    PROMPT_RANK,
    UNKNOWN_TOTAL,
    Batch,
    Cursor,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import seconds_of
from agtop_exporter.reading.documents import read_document, usable_document
from agtop_exporter.reading.file_group import FileGroup
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState, ReaderState

NAME = "vibe"
DESCRIPTION = "meta.json"
PREVIEW_RANK, TITLE_RANK = 2, 3


class JournalState(ReaderState):
    """The reader state of a journal."""

    latest: float = 0.0  # latest time in the records so far, in unix seconds
    began: bool = False  # a state of the session, or an answer, has been read


class JournalParser(RecordParser[Record, JournalState]):
    """The parser of one journal."""

    record = Record
    state_type = JournalState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: JournalState) -> None:
        super().__init__(batch, state)
        place = description_of(self.path)
        description = usable_document(place, Description) or Description()
        self.session_id = description.session_id or place.parent.name
        self.is_oldest = is_oldest(Path(self.path))
        self.session = batch.session(
            self.session_id, data_path=str(place), last_active=state.latest or None
        )
        self.model = description.model
        self.session.model = self.model
        if self.model:
            self.name_model(self.session_id, self.model)

    def feed(self, record: Record, _offset: int) -> None:
        """Process one record."""
        self.batch.unknown.observe(record.type)
        payload = record.payload
        if payload is None:
            return
        if payload.input and payload.input.command:
            determinism = payload.input.determinism
            self._observe_time(determinism.time_unix_ms if determinism else None)
            self._handle_answer(payload.input.command)
        for change in payload.delta or ():
            if change.entry:
                self._handle_entry(change.entry)
            if change.state and change.state.session:
                self._handle_progress(change.state.session)

    def _observe_time(self, milliseconds: float | None) -> None:
        time = seconds_of(milliseconds)
        if time:
            self.state.latest = max(self.state.latest, time)
            self.session.observe_time(time)

    def _handle_answer(self, command: Command) -> None:
        answer = command.result
        if answer is None or answer.usage is None or not command.action_id:
            return
        self.state.began = True
        calls = [part for part in answer.parts or () if part.type == "tool_call" and part.id]
        self.add_response(
            UsageEvent(
                key=f"{self.session_id}:{command.action_id}",
                session_id=self.session_id,
                time=self.state.latest,
                model=self.model,
                tokens=token_counts(answer.usage),
                requests=1,
                tools=tuple((part.id, tool_label(part.name)) for part in calls),
            )
        )

    def _handle_entry(self, entry: Entry) -> None:
        self._observe_time(entry.created_at)
        if entry.role != "user" or entry.source != "turn_start":
            return
        text = next((part.text for part in entry.content or () if part.text), "")
        self.session.set_title(text or "", PROMPT_RANK)
        time = seconds_of(entry.created_at) or self.state.latest
        key = f"prompt:{self.session_id}:{entry.id}"
        self.batch.event(key, session_id=self.session_id, time=time, turns=1)

    def _handle_progress(self, progress: Progress) -> None:
        session = self.session
        self._observe_time(progress.created_at)
        self._observe_time(progress.updated_at)
        if self.is_oldest and not self.state.began:
            before = progress.token_usage  # None before the first answer of a session
            self._add_earlier(progress, token_counts(before) if before else NO_TOKENS)
        self.state.began = True
        session.set_title(progress.preview or "", PREVIEW_RANK)
        session.set_title(progress.title or "", TITLE_RANK)
        if progress.status:
            running = progress.status.type == "running"
            session.signal = Signal("running" if running else "idle", "", "session.status")
        if progress.context_usage:
            used = token_counts(progress.context_usage)
            session.set_context_used(used.total)

    def _add_earlier(self, progress: Progress, tokens: TokenCounts) -> None:
        """Add the usage of the requests before this journal, which may be 0.

        The event has the same key for all journals of the session. Another journal adds nothing to
        it, because the event has a running total and is therefore counted only once.
        """
        self.add_response(
            UsageEvent(
                key=f"earlier:{self.session_id}",
                session_id=self.session_id,
                time=seconds_of(progress.created_at) or self.state.latest,
                model=self.model,
                tokens=tokens,
                running_total=UNKNOWN_TOTAL,
            )
        )


class DescriptionParser(RecordParser[Description, NoState]):
    """The parser of the description of one session."""

    record = Description
    state_type = NoState

    def feed(self, record: Description, offset: int) -> None:
        """Update the session from its description."""
        session = self.batch.session(
            record.session_id or Path(self.path).parent.name,
            parent_session_id=record.parent_session_id or "",
        )
        if record.start_time:
            session.observe_time(record.start_time.timestamp())
        directory = record.environment.working_directory if record.environment else None
        if not session.work_in(directory or record.origin_directory):
            self.batch.error("schema", offset)
        session.git_branch = record.git_branch or ""
        session.model = record.model
        session.set_title(record.title or "", TITLE_RANK)


def description_of(journal: str) -> Path:
    """Return the path of the description of a journal's session."""
    return Path(journal).parent.parent / DESCRIPTION


def journal_group(path: str) -> FileGroup:
    """Return the paths whose changes show that a journal, or the model of its session, is new.

    Vibe may write the description after the last record of the journal.
    """
    return FileGroup(path, description=str(description_of(path)))


def is_oldest(journal: Path) -> bool:
    """Return whether no older journal is in the folder. The name of a journal is a number."""
    own = journal.stem
    others = (path.stem for path in journal.parent.glob("*.jsonl") if path.stem.isdecimal())
    return not own.isdecimal() or all(int(own) <= int(name) for name in others)


def read(path: str, cursor: Cursor) -> Batch:
    """Read a journal after a cursor, or a description that has changed. Raises OSError."""
    if path.endswith(DESCRIPTION):
        return read_document(NAME, DescriptionParser, path, cursor)
    now = journal_group(path).cursor()
    batch = read_jsonl(NAME, JournalParser, path, cursor)
    return replace(batch, cursor=replace(batch.cursor, mtime_ns=now.mtime_ns))
