"""Reads sessions of OpenCode up to version 1.1, which are stored as JSON files.

A session is `storage/session/*/ses_*.json`, a message is `storage/message/<session>/msg_*.json`,
and a part is `storage/part/<message>/prt_*.json`. OpenCode changes all files in place. Later
versions copy the files into a database and do not delete them.
"""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import msgspec

from agtop_exporter.agents import walk
from agtop_exporter.agents.opencode.events import (
    Context,
    is_copy,
    prompt_event,
    signal_of,
    tool_event,
    typed_text,
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
from agtop_exporter.paths import clean_path
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import seconds_of
from agtop_exporter.reading.documents import load_document
from agtop_exporter.reading.file_group import FileGroup, is_same_version
from agtop_exporter.reading.files import NotAFileError
from agtop_exporter.reading.lines import BATCH_BYTES
from agtop_exporter.reading.state import ReaderState, encode_state, restore

NUMBERED = re.compile(r"_(\d{1,9})\.json$")  # for the order: msg_2 precedes msg_10

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


def files(root: Path) -> Iterator[FileGroup]:
    """List the sessions below the data directory `root`."""
    for entry in walk(root / "storage" / "session", suffix=".json", depth=1):
        yield session_group(entry.path)


def session_group(path: str) -> FileGroup:
    """Return the paths whose changes show that a session or one of its messages has changed.

    They are the session's file `path`, the folder of its messages, its last message and its parts.
    """
    folder = f"{storage_of(path)}/message/{name_of(path)}"
    try:
        changed = os.stat(folder).st_mtime_ns  # noqa: PTH116 - called at each refresh
    except OSError:
        return FileGroup(path, (folder,))
    return FileGroup(path, (folder, *newest_file(folder, changed)))


@lru_cache(maxsize=16_384)
def newest_file(folder: str, changed_ns: int) -> tuple[str, ...]:  # noqa: ARG001 - part of the key
    """Return the path of the last message in a folder, and the path of the folder with its parts.

    Only the last message can still change. Returns () if the folder is empty.
    `changed_ns` is the modification time of the folder, as a part of the cache key.
    """
    return tuple(each for path, _ in _listed(folder)[-1:] for each in (path, parts_of(path)))


def name_of(path: str) -> str:
    """Return the id of a session or message, which is its file name without `.json`."""
    return path.rpartition("/")[2].removesuffix(".json")


def parts_of(path: str) -> str:
    """Return the folder with the parts of the message at `path`."""
    return f"{storage_of(path)}/part/{name_of(path)}"


def named_as(message_id: str, path: str) -> str:
    """Return the path at which a message was found, with the message's id as the file name.

    A hard link to the file may have another name. The folder of the parts is named by the id.
    """
    folder, _, name = path.rpartition("/")
    return path if "/" in message_id else f"{folder}/{clean_path(message_id) or name}.json"


def storage_of(path: str) -> str:
    """Return the `storage` folder that contains the file of a session or message."""
    return path.rsplit("/", 3)[0]


def _listed(folder: str) -> list[tuple[str, int]]:
    """Return (path, modification time in nanoseconds) of the JSON files in a folder, in order.

    Files without a number are last.
    """
    found = []
    for entry in walk(folder, suffix=".json", depth=0):
        if not clean_path(entry.name):
            continue  # OpenCode's file names are ASCII
        try:
            found.append((entry.path, entry.stat().st_mtime_ns))
        except OSError:  # the file was removed after it was listed
            continue
    return sorted(found, key=lambda item: _order(item[0]))


def _changed_at(folder: str) -> int:
    """Return the modification time of a folder in nanoseconds; 0 if it does not exist."""
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - called for each message
    except (OSError, ValueError):
        return 0


def _order(path: str) -> tuple[bool, int, str]:
    numbered = NUMBERED.search(path)
    return (numbered is None, int(numbered[1]) if numbered else 0, path)


class _SessionReader:
    """Converts the files of one session to events and a session update."""

    def __init__(self, batch: BatchBuilder, state: SessionState) -> None:
        self.batch = batch
        self.path = batch.path
        self.storage = storage_of(self.path)
        self.state = state
        self.sessions = Sessions(batch, provider_accounts(Path(self.storage).parent))
        self.limits: dict[str, RateLimit] = {}
        self.context = Context(name_of(self.path), legacy=True)
        self.bytes_read = 0
        self.more = False

    def read(self) -> None:
        """Read the file of the session, and at most one batch of its new messages."""
        session = self._load(self.path, SessionFile)
        if session is not None:
            self._describe(session)
        elif not self.batch.errors.all():
            return  # an incomplete record does not show its parent and its copied messages yet
        self._read_messages()
        self.batch.rate_limits.extend(self.limits.values())

    def _read_messages(self) -> None:
        state = self.state
        listed = [
            (path, max(mtime_ns, _changed_at(parts_of(path))))
            for path, mtime_ns in _listed(f"{self.storage}/message/{name_of(self.path)}")
        ]
        begin = _order(state.after) if state.after else None
        if begin is None and self._count_older(listed) > state.older:
            state.mtime_ns = 0  # a file with an old time was restored, or the clock was set back
        for path, changed_ns in listed:
            if changed_ns < state.mtime_ns or (begin is not None and _order(path) <= begin):
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
        """Decode a JSON file; return None if it was removed, or is invalid, which is an error."""
        try:
            value, now = load_document(path, Cursor(), kind, errors=self.batch.errors)
        except (FileNotFoundError, NotAFileError):
            return None
        self.batch.records += 1
        self.bytes_read += now.size
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
        context, state = self.context, self.state
        parts = list(self._parts(path))
        if not parts and (named := named_as(message_id, path)) != path:
            parts = list(self._parts(named))
        session = self.sessions.session(context.session_id)
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
        if text is not None and not self.context.parent_id and not copied:
            session.set_title(text, PROMPT_RANK)
            self.batch.events.append(prompt_event(self.context, message_id, message.created))

    def _parts(self, message_path: str) -> Iterator[Part]:
        """Yield the parts of a message. A part that has several files is yielded once."""
        seen: set[str] = set()
        for path, _ in _listed(parts_of(message_path)):
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
    return batch.build(
        msgspec.structs.replace(now, state=encode_state(state)),
        bytes_read=reader.bytes_read,
        reset=lost_state,
        more=reader.more,
    )
