"""OpenCode up to 1.1: `storage/session/*/ses_*.json` with a folder of messages for each session.

A message is `storage/message/<session>/msg_*.json`, a part `storage/part/<message>/prt_*.json`;
all are rewritten in place. A later version copies them into its database, and leaves them here.
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
    NAME,
    Context,
    Sightings,
    is_copy,
    prompt_event,
    signal_of,
    token_counts,
    tool_event,
    typed_text,
    usage_event,
)
from agtop_exporter.agents.opencode.limits import rate_limits
from agtop_exporter.agents.opencode.records import (
    KNOWN_TYPES,
    NAMES,
    Message,
    Part,
    Times,
    seconds,
)
from agtop_exporter.credentials import provider_accounts
from agtop_exporter.decoding import Errors
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.file_group import FileGroup, same_place
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, RateLimit, UsageEvent
from agtop_exporter.paths import clean_path
from agtop_exporter.tail import BATCH_BYTES, NotAFileError
from agtop_exporter.tail_json import read_document

NUMBERED = re.compile(r"_(\d+)\.json$")  # msg_2 comes before msg_10

Record = TypeVar("Record", bound=msgspec.Struct)


class SessionFile(msgspec.Struct, gc=False, rename=NAMES):
    """The record of a session."""

    id: str | None = None
    parent_id: str | None = None
    directory: str | None = None
    title: str | None = None
    version: str | None = None
    time: Times | None = None


class Memory(msgspec.Struct, array_like=True):
    """How far a session's messages have been read."""

    mtime_ns: int = 0  # files older than this have been read
    after: str = ""  # the last file of a batch that was full
    reached_ns: int = 0  # the latest file before it
    effort: str = ""
    newest: float = 0.0  # when the newest message was made


def files(root: Path) -> Iterator[FileGroup]:
    """List the sessions below a data directory."""
    for entry in walk(root / "storage" / "session", suffix=".json", depth=1):
        yield session_group(entry.path)


def session_group(path: str) -> FileGroup:
    """Return a session's file with its folder of messages and the newest of them."""
    folder = f"{storage_of(path)}/message/{name_of(path)}"
    try:
        changed = os.stat(folder).st_mtime_ns  # noqa: PTH116 - every refresh
    except OSError:
        return FileGroup(path, (folder,))
    return FileGroup(path, (folder, *newest_file(folder, changed)))


@lru_cache(maxsize=16_384)
def newest_file(folder: str, changed_ns: int) -> tuple[str, ...]:  # noqa: ARG001 - part of the key
    """Return the last message of a folder: the one that is rewritten while it is generated."""
    return tuple(path for path, _ in _listed(folder)[-1:])


def name_of(path: str) -> str:
    """Name a session or a message by its file, as their folders are named: no id is trusted."""
    return path.rpartition("/")[2].removesuffix(".json")


def storage_of(path: str) -> str:
    """Return the storage folder of a session's file: two levels up."""
    return path.rsplit("/", 3)[0]


def _listed(folder: str) -> list[tuple[str, int]]:
    """Return the JSON files of a folder with their times, in their order."""
    found = []
    for entry in walk(folder, suffix=".json", depth=0):
        if not clean_path(entry.name):
            continue  # OpenCode names its files in ASCII
        try:
            found.append((entry.path, entry.stat(follow_symlinks=False).st_mtime_ns))
        except OSError:  # it vanished since it was listed
            continue
    return sorted(found, key=lambda item: _order(item[0]))


def _order(path: str) -> tuple[bool, int, str]:
    numbered = NUMBERED.search(path)
    return (numbered is None, int(numbered[1]) if numbered else 0, path)


class _Reader:
    """Turns the files of one session into events and its update."""

    def __init__(self, path: str, memory: Memory, errors: Errors) -> None:
        self.path = path
        self.storage = storage_of(path)
        self.memory = memory
        self.errors = errors
        self.sightings = Sightings(path, provider_accounts(Path(self.storage).parent), errors)
        self.events: list[UsageEvent] = []
        self.limits: dict[str, RateLimit] = {}
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self.context = Context(name_of(path), legacy=True)
        self.records = 0
        self.bytes_read = 0
        self.more = False

    def read(self) -> None:
        """Read the session, then its messages as far as the batch goes."""
        session = self._load(self.path, SessionFile)
        if session is not None:
            self._describe(session)
        elif not self.errors.all():
            return  # half of it, so far: whose subagent it is, and what was copied, is to come
        memory = self.memory
        listed = _listed(f"{self.storage}/message/{name_of(self.path)}")
        begin = _order(memory.after) if memory.after else None
        for path, mtime_ns in listed:
            if mtime_ns < memory.mtime_ns or (begin is not None and _order(path) <= begin):
                continue
            message = self._load(path, Message)
            if message is not None:
                self._take(message, path)
            memory.reached_ns = max(memory.reached_ns, mtime_ns)
            if self.bytes_read >= BATCH_BYTES:
                self.more, memory.after = True, path
                return
        memory.after = ""
        memory.mtime_ns = max(memory.mtime_ns, memory.reached_ns)

    def _load(self, path: str, kind: type[Record]) -> Record | None:
        """Read a small file whole; None where it vanished, or is unusable, which is counted."""
        try:
            value, place = read_document(path, Cursor(), kind, errors=self.errors)
        except (FileNotFoundError, NotAFileError):
            return None
        self.records += 1
        self.bytes_read += place.size
        return value

    def _describe(self, session: SessionFile) -> None:
        times = session.time or Times()
        created, updated = seconds(times.created), seconds(times.updated)
        self.context = Context(
            session_id=session.id or self.context.session_id,
            parent_id=session.parent_id or "",
            created=created or 0.0,
            version=session.version or "",
            legacy=True,
        )
        self.sightings.describe(
            self.context,
            directory=session.directory or "",
            title=session.title or "",
            created=created,
            updated=updated,
        )

    def _take(self, message: Message, path: str) -> None:
        message_id = message.id or name_of(path)
        self.unknown.see(message.role or "")
        context, memory = self.context, self.memory
        parts = list(self._parts(name_of(path)))
        session = self.sightings.session(context.session_id)
        if message.created >= memory.newest:
            memory.newest = message.created
            session.signal = signal_of(message, parts)
            if message.created >= context.created and message.created:
                session.seen(message.created)
        if message.role == "user":
            self._prompt(message, message_id, parts)
        elif message.role == "assistant":
            counts = token_counts(message, context)
            self.sightings.answered(message, context, counts)
            event = usage_event(message, context, message_id, counts)
            if event is not None:
                self.events.append(event)
            self.limits.update({limit.window: limit for limit in rate_limits(message)})
        for part in parts:
            call = tool_event(part, context, message_id, message.created)
            if call is not None:
                self.events.append(call)

    def _prompt(self, message: Message, message_id: str, parts: list[Part]) -> None:
        session, memory = self.sightings.session(self.context.session_id), self.memory
        memory.effort = memory.effort or message.effort
        session.model_effort = memory.effort
        text = typed_text(parts)
        copied = is_copy(message.created, self.context)
        if text is not None and not self.context.parent_id and not copied:
            session.entitle(text, PROMPT_RANK)
            self.events.append(prompt_event(self.context, message_id, message.created))

    def _parts(self, message_name: str) -> Iterator[Part]:
        for path, _ in _listed(f"{self.storage}/part/{message_name}"):
            part = self._load(path, Part)
            if part is not None:
                self.unknown.see(f"part.{part.type}" if part.type else "")
                yield part


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new of one session. Raises NotAFileError, or OSError."""
    place = session_group(path).cursor()
    if same_place(cursor, place):
        return Batch(agent=NAME, path=path, cursor=cursor)
    errors = Errors(path)
    memory = msgspec.msgpack.decode(cursor.state, type=Memory) if cursor.state else Memory()
    reader = _Reader(path, memory, errors)
    reader.read()
    if reader.more:
        place = Cursor(device=place.device, inode=place.inode)
    return Batch(
        agent=NAME,
        path=path,
        cursor=msgspec.structs.replace(place, state=msgspec.msgpack.encode(memory)),
        events=tuple(reader.events),
        sessions=tuple(reader.sightings.sessions.values()),
        rate_limits=tuple(reader.limits.values()),
        errors=errors.all(),
        unknown=reader.unknown.all(),
        records=reader.records,
        bytes_read=reader.bytes_read,
        more=reader.more,
    )
