"""Reads sessions of OpenCode up to version 1.1, which are stored as JSON files.

OpenCode changes all files in place. Later versions copy the files into a database and do not delete
them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from agtop_exporter.agents.opencode.events import (
    Context,
    is_copy,
    prompt_event,
    signal_of,
    tool_event,
    typed_text,
)
from agtop_exporter.agents.opencode.layout import (
    changed_at,
    listed_files,
    name_of,
    named_as,
    order_of,
    parts_of,
    session_group,
    session_id_of,
    storage_of,
)
from agtop_exporter.agents.opencode.limits import rate_limits
from agtop_exporter.agents.opencode.records import (
    KNOWN_TYPES,
    NAMES,
    Message,
    Part,
    Times,
)
from agtop_exporter.agents.opencode.sessions import Sessions
from agtop_exporter.agents.opencode.usage import requests_of, usage_events
from agtop_exporter.credentials import provider_accounts
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, RateLimit
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import seconds_of
from agtop_exporter.reading.documents import load_document
from agtop_exporter.reading.file_group import is_same_version
from agtop_exporter.reading.files import NotAFileError
from agtop_exporter.reading.lines import BATCH_BYTES
from agtop_exporter.reading.state import ReaderState, encode_state, restore

TIMED = re.compile(r"ses_([0-9a-f]{12})")  # the time of a session in its id, with all bits inverted
RECURRENCE_MS = 2**36  # about 2.2 years

Record = TypeVar("Record", bound=msgspec.Struct)


class SessionFile(msgspec.Struct, gc=False, rename=NAMES):
    """The record of a session, which is the content of its `ses_*.json`."""

    id: str | None = None
    parent_id: str | None = None
    directory: str | None = None
    title: str | None = None
    version: str | None = None
    time: Times | None = None


class SessionState(ReaderState):
    """The reader state of a session, which shows the message files that have been read."""

    mtime_ns: int = 0  # files older than this time have been read
    older: int = 0  # the number of these files
    after: str = ""  # path of the last file in the previous batch
    reached_ns: int = 0  # the latest modification time of the files up to `after`
    effort: str = ""
    newest: float = 0.0  # the creation time of the newest message, in unix seconds
    undescribed: bool = False  # the session's file was missing, incomplete or invalid


def created_at(session_id: str, near: float) -> float:
    """Return the creation time of a session by its id, in unix seconds; 0 if it has no such id.

    The first 48 bits of an id are 4096 times the unix time in milliseconds, inverted. So the time
    recurs after RECURRENCE_MS. The result is the time closest to `near`, which is in unix seconds.
    (Seen in ids of version 1.1.34.)
    """
    timed = TIMED.match(session_id)
    if not timed:
        return 0.0
    remainder = (int(timed[1], 16) ^ (2**48 - 1)) >> 12
    return (remainder + round((near * 1000 - remainder) / RECURRENCE_MS) * RECURRENCE_MS) / 1000


class _SessionReader:
    """Converts the files of one session to events and a session update."""

    def __init__(self, batch: BatchBuilder, state: SessionState) -> None:
        self.batch = batch
        self.path = batch.path
        self.storage = storage_of(self.path)
        self.state = state
        self.sessions = Sessions(batch, provider_accounts(Path(self.storage).parent))
        self.limits: dict[str, RateLimit] = {}
        self.context = Context(session_id_of(self.path), legacy=True)
        self.bytes_read = 0
        self.more = False
        self.unfinished = False  # whether a file is incomplete

    def read(self) -> None:
        """Read the file of the session, and at most one batch of its new messages."""
        is_session = name_of(self.path) == self.context.session_id
        session = self._load(self.path, SessionFile) if is_session else None
        if session is not None:
            self._describe(session)
            if self.state.undescribed:  # read the messages again, now with the session's facts
                self.state.mtime_ns, self.state.after = 0, ""
        self.state.undescribed = session is None
        self._read_messages()
        self.batch.rate_limits.extend(self.limits.values())

    def _read_messages(self) -> None:
        state = self.state
        listed = [
            (path, max(mtime_ns, changed_at(parts_of(path))))
            for path, mtime_ns in listed_files(f"{self.storage}/message/{session_id_of(self.path)}")
        ]
        begin = order_of(state.after) if state.after else None
        if begin is None and self._count_older(listed) > state.older:
            state.mtime_ns = 0  # a file with an old time was restored, or the clock was set back
        for path, changed_ns in listed:
            if changed_ns < state.mtime_ns or (begin is not None and order_of(path) <= begin):
                continue
            message = self._load(path, Message)
            if message is not None:
                self._handle_message(message, path)
            state.reached_ns = max(state.reached_ns, changed_ns)
            if self.bytes_read >= BATCH_BYTES:
                self.more, state.after = True, path
                return
        state.after = ""
        state.mtime_ns = max(state.mtime_ns, state.reached_ns)
        state.older = self._count_older(listed)

    def _count_older(self, listed: list[tuple[str, int]]) -> int:
        """Return the number of files that are older than the files of the next read."""
        return sum(changed_ns < self.state.mtime_ns for _, changed_ns in listed)

    def _load(self, path: str, kind: type[Record]) -> Record | None:
        """Decode a JSON file.

        Return None if it was removed, is incomplete, or is invalid, which is an error.
        """
        try:
            value, now = load_document(path, Cursor(), kind, errors=self.batch.errors)
        except (FileNotFoundError, NotAFileError):
            return None
        self.batch.records += value is not None
        self.bytes_read += now.size
        self.unfinished |= value is None and not now.offset
        return value

    def _describe(self, session: SessionFile) -> None:
        times = session.time or Times()
        created, updated = seconds_of(times.created), seconds_of(times.updated)
        self.context = Context(
            session_id=session.id or self.context.session_id,
            parent_id=session.parent_id or "",
            created=created or 0.0,
            version=session.version or "",
            legacy=True,
        )
        self.sessions.describe(
            self.context,
            directory=session.directory or "",
            title=session.title or "",
            created=created,
            updated=updated,
        )

    def _handle_message(self, message: Message, path: str) -> None:
        message_id = message.id or name_of(path)
        self.batch.unknown.observe(message.role or "")
        if self.state.undescribed:
            session_id = message.session_id or self.context.session_id
            created = created_at(session_id, message.created)
            self.context = Context(session_id, created=created, legacy=True)
        context, state = self.context, self.state
        parts = list(self._parts(path))
        if not parts and (named := named_as(message_id, path)) != path:
            parts = list(self._parts(named))
        session = self.sessions.session(context.session_id)
        if state.undescribed and message.path and message.path.cwd:
            session.work_in(message.path.cwd)
        if message.created >= state.newest:
            state.newest = message.created
            session.signal = signal_of(message, parts)
            if message.created >= context.created and message.created:
                session.observe_time(message.created)
        if message.role == "user":
            self._handle_prompt(message, message_id, parts)
        elif message.role == "assistant":
            requests = requests_of(message, parts)
            self.sessions.add_answer(message, context, requests)
            self.batch.events.extend(usage_events(message, context, message_id, requests))
            limits = rate_limits(self.batch.agent, message)
            self.limits.update({limit.window: limit for limit in limits})
        for part in parts:
            call = tool_event(part, context, message_id, message.created)
            if call is not None:
                self.batch.events.append(call)

    def _handle_prompt(self, message: Message, message_id: str, parts: list[Part]) -> None:
        session, state = self.sessions.session(self.context.session_id), self.state
        state.effort = state.effort or message.effort
        session.model_effort = state.effort
        text = typed_text(parts)
        copied = is_copy(message.created, self.context)
        by_agent = self.context.parent_id or state.undescribed  # perhaps, if it is undescribed
        if text is not None and not by_agent and not copied:
            session.set_title(text, PROMPT_RANK)
            self.batch.events.append(prompt_event(self.context, message_id, message.created))

    def _parts(self, message_path: str) -> Iterator[Part]:
        """Yield the parts of a message. A part that has several files is yielded once."""
        seen: set[str] = set()
        for path, _ in listed_files(parts_of(message_path)):
            part = self._load(path, Part)
            if part is not None and (part.id is None or part.id not in seen):
                seen.update([part.id] if part.id else ())
                self.batch.unknown.observe(f"part.{part.type}" if part.type else "")
                yield part


def read(path: str, cursor: Cursor, *, agent: str) -> Batch:
    """Read the new messages of one session. Raises NotAFileError or OSError.

    `agent` is the name of the agent.
    """
    now = session_group(path).cursor()
    if is_same_version(cursor, now):
        return Batch(agent=agent, path=path, cursor=cursor)
    state, _, lost_state = restore(cursor, SessionState)
    batch = BatchBuilder(agent, path, known_types=KNOWN_TYPES)
    reader = _SessionReader(batch, state)
    reader.read()
    if reader.more:
        now = Cursor(device=now.device, inode=now.inode)
    elif reader.unfinished:
        now = msgspec.structs.replace(now, offset=0)
    return batch.build(
        msgspec.structs.replace(now, state=encode_state(state)),
        bytes_read=reader.bytes_read,
        reset=lost_state,
        more=reader.more,
    )
