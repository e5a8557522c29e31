"""Reads Cursor's transcripts: prompts and tool calls, without figures and mostly without times."""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.decoding import Errors, Moment
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.model import (
    PROMPT_RANK,
    Batch,
    Cursor,
    SessionUpdate,
    Signal,
    UsageEvent,
)
from agtop_exporter.tail import LineReader, use_each

NAME = "cursor"
FOLDER = "agent-transcripts"
SUBAGENTS = "subagents"
MILLISECONDS = 1000.0
NANOSECONDS = 1e9
LATEST = 253_402_300_800.0  # the year 10000: no time is later
KNOWN_TYPES = frozenset({"assistant", "turn_ended", "user"})
OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9]+")
QUERY_TAGS = ("<user_query>", "</user_query>")  # around what the user typed


class Block(msgspec.Struct, gc=False):
    """One content block."""

    type: str = ""
    text: str | None = None
    id: str | None = None
    name: str | None = None


class Message(msgspec.Struct, gc=False):
    """What was said."""

    content: str | list[Block] | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One line."""

    role: str = ""
    type: str = ""  # instead of the role, of what is no message
    status: str | None = None
    message: Message | None = None
    created_at: Moment | float | None = None
    model_id: str | None = None


class Memory(msgspec.Struct, array_like=True):
    """What must be remembered of a transcript between two reads."""

    latest: float = 0.0


class _Reader:
    """Turns the records of one transcript into events and one session update."""

    def __init__(self, path: str, memory: Memory) -> None:
        place = Path(path)
        *_, above, folder, _name = place.parts
        self.parent = above if folder == SUBAGENTS else ""
        is_flat = folder == FOLDER
        self.memory = memory
        self.events: list[UsageEvent] = []
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self.session = SessionUpdate(
            session_id=place.stem if self.parent or is_flat else folder,
            data_path=path,
            parent_session_id=self.parent,
            last_active=memory.latest or None,
            cwd=working_directory(place),
            subagent=bool(self.parent),
        )

    def take(self, record: Record, at: int) -> None:
        """Use one record, which ends at a byte offset."""
        self.unknown.see(record.role or record.type)
        session = self.session
        time = seconds(record.created_at)
        if time:
            self.memory.latest = max(self.memory.latest, time)
            session.seen(time)
        session.model = record.model_id or session.model
        content = record.message.content if record.message else None
        blocks = content if isinstance(content, list) else [Block("text", content or "")]
        if record.role == "user":
            self._prompt(" ".join(block.text or "" for block in blocks), at)
        elif record.role == "assistant":
            self._answer(blocks, at)
        elif record.type == "turn_ended":
            self._end(record.status or "")

    def _prompt(self, text: str, at: int) -> None:
        self.session.signal = Signal("running", "", "user")
        for tag in QUERY_TAGS:
            text = text.replace(tag, " ")
        self.session.entitle(text, PROMPT_RANK)
        if text.strip() and not self.parent:
            self._occur(f"prompt:{at}", turns=1)

    def _answer(self, blocks: list[Block], at: int) -> None:
        tools = tuple(
            (block.id or f"{at}:{index}", tool_label(block.name or ""))
            for index, block in enumerate(blocks)
            if block.type == "tool_use"
        )
        if tools:
            self._occur(f"calls:{at}", tools=tools)
        calling = bool(blocks) and blocks[-1].type == "tool_use"
        self.session.signal = (
            Signal("running", "", "assistant.tool_use")
            if calling
            else Signal("idle", "", "assistant")
        )

    def _end(self, status: str) -> None:
        """Take the end of a turn, which newer versions write: `success`, `aborted` or `error`."""
        kind, reason = ("error", "turn failed") if status == "error" else ("idle", "")
        self.session.signal = Signal(kind, reason, f"turn_ended.{status}")

    def _occur(self, key: str, *, turns: int = 0, tools: tuple[tuple[str, str], ...] = ()) -> None:
        session_id = self.session.session_id
        self.events.append(
            UsageEvent(
                key=f"{session_id}:{key}",  # a transcript is only ever added to
                session_id=session_id,
                time=self.memory.latest,
                turns=turns,
                tools=tools,
            )
        )


def seconds(moment: Moment | float | None) -> float:
    """Return a time in a record, which may be in milliseconds, as unix seconds; 0 if none."""
    if moment is None:
        return 0.0
    time = moment / MILLISECONDS if isinstance(moment, int | float) else moment.timestamp()
    return time if 0 < time < LATEST else 0.0


def working_directory(path: Path) -> str:
    """Return the directory of a project; its folder's name where no or several ones have it."""
    parts = path.parts
    slug = parts[parts.index(FOLDER) - 1] if FOLDER in parts[1:] else ""
    found = list(islice(_directories(slug, "/"), 2)) if "-" in slug else []
    return found[0] if len(found) == 1 else slug


def _directories(slug: str, below: str) -> Iterator[str]:
    """Give the directories whose path is written so: with `-` for all but letters and digits."""
    try:
        status = os.stat(below)  # noqa: PTH116 - every transcript
        folders = _folders(below, status.st_ctime_ns, status.st_nlink)
    except OSError:
        return
    for name, path in folders:
        if name == slug:
            yield path
        elif slug.startswith(f"{name}-"):
            yield from _directories(slug[len(name) + 1 :], path)


@lru_cache(maxsize=256)
def _folders(directory: str, _changed_at: int, _links: int) -> list[tuple[str, str]]:
    """Return the folders in a directory: how their names are written there, and their paths.

    It is asked for by what changes with them; most file systems count folders as links, too.
    """
    with os.scandir(directory) as entries:
        folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    names = (OTHER_CHARACTERS.sub("-", folder.name).strip("-") for folder in folders)
    return [(name, folder.path) for name, folder in zip(names, folders, strict=True) if name]


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one transcript. Raises OSError."""
    errors = Errors(path)
    with LineReader(path, cursor) as lines:
        memory = lines.memory(Memory)
        reader = _Reader(path, memory)
        records = use_each(lines, Record, errors, reader.take)
        now = lines.cursor(msgspec.msgpack.encode(memory))
        if not memory.latest:  # no record has a time: the file has one
            reader.session.last_active = now.mtime_ns / NANOSECONDS
        return Batch(
            agent=NAME,
            path=path,
            cursor=now,
            events=tuple(reader.events),
            sessions=(reader.session,) if records else (),
            errors=errors.all(),
            unknown=reader.unknown.all(),
            records=records,
            bytes_read=lines.offset - lines.start,
            reset=lines.reset,
            more=lines.more,
        )
