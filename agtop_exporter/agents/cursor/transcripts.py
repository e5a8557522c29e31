"""Reads prompts and tool calls from Cursor's transcripts.

Transcripts have no token counts, and mostly no times. Records have no ids, and only some tool calls
have ids. A record that was written twice is recognised by its time or by the id of its tool call.
If a record has neither, its copy is counted again. The copy is reported as the error `ambiguous` if
it follows directly after the original, or if the file seems to begin once more.
"""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Unpack

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, Signal
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.decoding import Moment
from agtop_exporter.reading.identifiers import without_mark
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import ReaderState

NAME = "cursor"
FOLDER = "agent-transcripts"
SUBAGENTS = "subagents"
MILLISECONDS = 1000.0
LATEST = 253_402_300_800.0  # milliseconds, start of the year 10000; larger values are invalid
KNOWN_TYPES = frozenset({"assistant", "turn_ended", "user"})
HOME = re.compile(r"^(?:home|Users)-[^-]+-(?=.)")
OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9]+")
QUERY_TAGS = ("<user_query>", "</user_query>")  # tag around the text that the user typed


class Block(msgspec.Struct, gc=False):
    """One block of a message's content."""

    type: str = ""
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()  # of a tool


class Message(msgspec.Struct, gc=False):
    """The content of a message."""

    content: str | list[Block] | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One record, which is a line of a transcript."""

    role: str = ""
    type: str = ""  # the type of a record that is no message
    status: str | None = None
    message: Message | None = None
    created_at: Moment | float | None = None
    model_id: str | None = None


class TranscriptState(ReaderState):
    """The reader state of a transcript."""

    latest: float = 0.0  # the latest time in a record, in unix seconds
    # digests of the first two records without a time
    beginning: list[str] = msgspec.field(default_factory=list)
    previous: str = ""  # digest of the previous record without a time


class TranscriptParser(RecordParser[Record, TranscriptState]):
    """Parser of one transcript, which belongs to a session or a subagent."""

    record = Record
    state_type = TranscriptState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: TranscriptState) -> None:
        super().__init__(batch, state)
        path = Path(self.path)
        *above, folder, _name = path.parts
        below = path.parts[path.parts.index(FOLDER) + 1 :] if FOLDER in above else ()
        self.parent = below[0] if SUBAGENTS in below else ""
        is_flat = folder == FOLDER
        self.session_id = without_mark(path.stem) if self.parent or is_flat else folder
        self.session = batch.session(
            "",
            parent_session_id=self.parent,
            last_active=state.latest or None,
            cwd=working_directory(path),
            subagent=bool(self.parent),
        )
        self.offset = 0
        self.time = 0.0
        self.digest = ""

    def feed(self, record: Record, offset: int) -> None:
        """Process one record; `offset` is the byte offset after the record."""
        self.batch.unknown.observe(record.role or record.type)
        session = self.session
        session.session_id = self.session_id
        self.offset, self.time = offset, seconds(record.created_at)
        self.digest = digest_of(record)
        if not self.time and self._may_be_copy():
            self.batch.error("ambiguous", offset)
        if self.time:
            self.state.latest = max(self.state.latest, self.time)
            session.observe_time(self.time)
        session.model = record.model_id or session.model
        content = record.message.content if record.message else None
        blocks = content if isinstance(content, list) else [Block("text", content or "")]
        if record.role == "user":
            self._handle_prompt(" ".join(block.text or "" for block in blocks))
        elif record.role == "assistant":
            self._handle_answer(blocks)
        elif record.type == "turn_ended":
            self._handle_turn_end(record.status or "")

    def _may_be_copy(self) -> bool:
        """Return whether the current record may be a copy of an earlier record.

        The record may be a copy if it equals the previous record. It may also be a copy if the
        previous record and this record equal the first two records of the file. Only records
        without a time are compared.
        """
        state = self.state
        pair = [state.previous, self.digest]
        state.previous = self.digest
        if len(state.beginning) < len(pair):
            state.beginning.append(self.digest)
            return len(state.beginning) == len(pair) and pair[0] == pair[1]
        return pair[0] == pair[1] or pair == state.beginning

    def _handle_prompt(self, text: str) -> None:
        self.session.signal = Signal("running", "", "user")
        for tag in QUERY_TAGS:
            text = text.replace(tag, " ")
        self.session.set_title(text, PROMPT_RANK)
        if text.strip() and not self.parent:
            self._add_event("prompt", turns=1)

    def _handle_answer(self, blocks: list[Block]) -> None:
        calls = [(block.id or "", block.name or "") for block in blocks if block.type == "tool_use"]
        tools = tuple(
            (call_id or str(index), tool_label(name)) for index, (call_id, name) in enumerate(calls)
        )
        if tools:
            self._add_event("calls", calls[0][0], tools=tools)
        calling = bool(blocks) and blocks[-1].type == "tool_use"
        self.session.signal = (
            Signal("running", "", "assistant.tool_use").with_tool(tools[-1][1])
            if calling
            else Signal("idle", "", "assistant")
        )

    def _handle_turn_end(self, status: str) -> None:
        """Set the activity signal after the end of a turn.

        `status` is `success`, `aborted` or `error`.
        """
        kind, reason = ("error", "turn failed") if status == "error" else ("idle", "")
        self.session.signal = Signal(kind, reason, f"turn_ended.{status}")

    def _add_event(self, kind: str, call_id: str = "", **fields: Unpack[EventFields]) -> None:
        """Add an event of the current record.

        The event key contains the id of the tool call and the time of the record. If both are
        missing, the key contains the byte offset of the record. A copy of such a record is
        therefore counted again.
        """
        by_offset = f"{self.session_id}:{kind}:{self.offset}"  # as in earlier versions
        name = f"{call_id}:{self.time}:{self.digest}" if call_id or self.time else ""
        if name:
            fields["other_keys"] = (by_offset,)
        self.batch.event(
            f"{self.session_id}:{kind}:{name}" if name else by_offset,
            session_id=self.session_id,
            time=self.time or self.state.latest,
            **fields,
        )

    def finish(self) -> None:
        """Set the time of the session's last activity if no record has a time.

        This time is the modification time of the file.
        """
        if not self.state.latest:
            self.session.last_active = self.batch.modified_at


def digest_of(record: Record) -> str:
    """Return a digest of a record's content. Equal contents have equal digests."""
    return blake2b(msgspec.msgpack.encode(record), digest_size=8).hexdigest()


def seconds(moment: Moment | float | None) -> float:
    """Convert a time to unix seconds; return 0 if the time is missing or invalid.

    A time that is a number is in milliseconds.
    """
    if moment is None:
        return 0.0
    time = moment / MILLISECONDS if isinstance(moment, int | float) else moment.timestamp()
    return time if 0 < time < LATEST else 0.0


def working_directory(path: Path) -> str:
    """Return the working directory of the project to which the transcript at `path` belongs.

    The name of the project's folder is the path of the working directory with `-` for other
    characters. If no directory or several directories match, the name is returned without the part
    of the home directory, which names the user.
    """
    parts = path.parts
    slug = parts[parts.index(FOLDER) - 1] if FOLDER in parts[1:] else ""
    found = list(islice(_directories(slug, "/"), 2)) if "-" in slug else []
    return found[0] if len(found) == 1 else HOME.sub("", slug, count=1)


def _directories(slug: str, below: str) -> Iterator[str]:
    """Yield the directories under `below` whose relative path becomes `slug`.

    A path becomes a slug when `-` replaces all characters that are not letters or digits.
    """
    try:
        status = os.stat(below)  # noqa: PTH116 - called for each transcript
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
    """Return (name in a slug, path) of each folder in a directory.

    The result is cached. `_changed_at` and `_links` are parts of the cache key: the time of the
    last status change and the number of links of the directory. They change when a folder is added
    or removed.
    """
    with os.scandir(directory) as entries:
        folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    names = (OTHER_CHARACTERS.sub("-", folder.name).strip("-") for folder in folders)
    return [(name, folder.path) for name, folder in zip(names, folders, strict=True) if name]


def read(path: str, cursor: Cursor) -> Batch:
    """Read the records after `cursor` in one transcript. Raises OSError."""
    return read_jsonl(NAME, TranscriptParser, path, cursor)
