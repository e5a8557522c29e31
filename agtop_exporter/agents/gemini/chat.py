"""Reads transcripts of Gemini CLI: JSON Lines, and the JSON documents of older versions.

A message is written again under its id as it grows, and whole histories are repeated; what was
billed is the union of all messages that ever had tokens.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from agtop_exporter.agents.gemini.places import CHATS, subscription, working_directory
from agtop_exporter.agents.gemini.records import (
    KNOWN_TYPES,
    Conversation,
    Message,
    Record,
    Tokens,
    signal_of,
    token_counts,
    tool_name,
    typed_text,
)
from agtop_exporter.decoding import Errors
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
from agtop_exporter.tail_json import read_document

NAME = "gemini"
SUMMARY_RANK = 3
CONTEXT_TOKENS = 1_048_576  # of all models that the CLI offers since 2.0
KNOWN_MODELS = ("gemini-2.", "gemini-3")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
FILE_STEM = re.compile(r"session-[\dT-]+-([0-9a-f]{8})")
INJECTED_PROMPTS = (  # messages of type "user" that no user typed, or that go to no model
    "/",
    "?",
    "<session_context>",
    "<hook_context>",
    "This is the Gemini CLI. We are setting up the context for our chat.",
)
COMPRESSED = "Got it. Thanks for the additional context!"  # follows a summary, always


class Memory(msgspec.Struct, array_like=True):
    """What must be remembered of a transcript between two reads."""

    session_id: str = ""
    latest: float = 0.0
    model: str = ""


class _Reader:
    """Turns the records of one transcript into events and one session update."""

    def __init__(self, path: str, memory: Memory, errors: Errors) -> None:
        folder = path.split("/")[-2]
        self.path = path
        self.memory = memory
        self.errors = errors
        self.parent = "" if folder == CHATS else folder
        self.responses: dict[str, UsageEvent] = {}  # by message
        self.events: list[UsageEvent] = []
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self.session = SessionUpdate(
            session_id="",
            data_path=path,
            parent_session_id=self.parent,
            last_active=memory.latest or None,
            subagent=bool(self.parent),
        )

    def take(self, record: Record, at: int) -> None:
        """Use one line, which ends at a byte offset."""
        self.describe(record, at)
        if record.change is not None:
            self.describe(record.change, at)
            self._compression(record.change.messages or ())
            for index, message in enumerate(record.change.messages or ()):
                self.message(message, f"{at}.{index}", repeated=True)
        if record.rewind_to is not None:
            self.session.signal = Signal("idle", "", "gemini.rewind")
        for index, message in enumerate(record.messages or ()):
            self.message(message, f"{at}.{index}")
        if record.type or not record.is_about_session:
            self.message(record, str(at))

    def describe(self, conversation: Conversation, at: int) -> None:
        """Take what a record says of the session itself."""
        session = self.session
        if conversation.session_id:
            self.memory.session_id = conversation.session_id
        if conversation.start_time is not None:
            self._seen(conversation.start_time.timestamp())
        if conversation.last_updated is not None:
            self._seen(conversation.last_updated.timestamp())
        directories = conversation.directories if self.parent else None
        if directories and not session.work_in(directories[0]):
            self.errors.add("schema", at)
        summary = conversation.summary
        if summary and not summary.startswith("{"):  # a subagent's report
            session.entitle(summary, SUMMARY_RANK)

    def _seen(self, time: float) -> None:
        self.memory.latest = max(self.memory.latest, time)
        self.session.seen(time)

    def message(self, message: Message | Record, at: str, *, repeated: bool = False) -> None:
        """Use a message; one of a repeated history tells of its tokens, and of nothing else."""
        self.unknown.see(message.type)
        if message.timestamp is not None:
            self._seen(message.timestamp.timestamp())
        if message.type == "gemini":
            self._answer(message, at)
        if repeated:
            return
        if message.type == "user":
            self._user(message, at)
        self.session.signal = signal_of(message) or self.session.signal

    def _answer(self, message: Message | Record, at: str) -> None:
        key = message.id or f"{self.path}:{at}"
        calls = [
            (call.id or f"{key}:{index}", tool_name(call.name), call.status)
            for index, call in enumerate(message.tool_calls or ())
        ]
        if message.model:
            self.memory.model = self.session.model = message.model
        if message.tokens is not None:
            self._context(message.tokens)
        if message.tokens is not None or calls:
            self._respond(key, message, tuple((call, name) for call, name, _ in calls))
        for call, name, status in calls:
            if status == "error":
                self._occur(f"failure:{key}:{call}", message, tool_errors=((call, name),))

    def _respond(
        self, key: str, message: Message | Record, tools: tuple[tuple[str, str], ...]
    ) -> None:
        response = UsageEvent(
            key=key,
            session_id="",
            time=self._time(message),
            model=message.model or self.memory.model,
            tokens=token_counts(message.tokens),
            requests=int(message.tokens is not None),
            tools=tuple(dict(tools).items()),
        )
        known = self.responses.get(key)
        self.responses[key] = grown(known, response) if known else response

    def _time(self, message: Message | Record) -> float:
        return message.timestamp.timestamp() if message.timestamp else self.memory.latest

    def _context(self, tokens: Tokens) -> None:
        session = self.session
        parts = (tokens.input, tokens.output, tokens.thoughts, tokens.tool)
        used = tokens.total or sum(part or 0 for part in parts)
        session.fill(used)
        if self.memory.model.startswith(KNOWN_MODELS):
            session.context_window_tokens = CONTEXT_TOKENS

    def _user(self, message: Message | Record, at: str) -> None:
        text = typed_text(message)
        if not text or text.startswith(INJECTED_PROMPTS):
            return
        self.session.entitle(text, PROMPT_RANK)
        if not self.parent:
            self._occur(f"prompt:{message.id or f'{self.path}:{at}'}", message, turns=1)

    def _compression(self, messages: Iterable[Message]) -> None:
        """Notice a history that begins with a summary of what it replaces."""
        for message in messages:
            if message.type == "gemini" and typed_text(message).startswith(COMPRESSED):
                self._occur(f"compaction:{message.id}", message, compactions=1)

    def _occur(
        self,
        key: str,
        message: Message | Record,
        *,
        turns: int = 0,
        compactions: int = 0,
        tool_errors: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.events.append(
            UsageEvent(
                key=key,
                session_id="",
                time=self._time(message),
                turns=turns,
                compactions=compactions,
                tool_errors=tool_errors,
            )
        )

    def finish(self) -> tuple[tuple[UsageEvent, ...], SessionUpdate]:
        """Return the events and the session, under the name that the file has given by now."""
        session = self.session
        session_id = session.session_id = self.memory.session_id or named_by_file(self.path)
        project = self.path.rsplit("/", 3 if self.parent else 2)[0]
        session.cwd = working_directory(project) or session.cwd
        session.subscription = subscription(project.rsplit("/", 2)[0])
        return tuple(
            msgspec.structs.replace(event, key=scoped(event.key, session_id), session_id=session_id)
            for event in (*self.responses.values(), *self.events)
        ), session


def grown(known: UsageEvent, response: UsageEvent) -> UsageEvent:
    """Merge a response with what is known of it from an earlier message of the same id."""
    return msgspec.structs.replace(
        known,
        model=known.model or response.model,
        tokens=known.tokens.max(response.tokens),
        requests=max(known.requests, response.requests),
        tools=tuple(dict((*known.tools, *response.tools)).items()),
    )


def scoped(key: str, session_id: str) -> str:
    """Make a key that no other session has; one with a UUID is none's but this message's."""
    return key if UUID.search(key) else f"{session_id}:{key}"


def named_by_file(path: str) -> str:
    """Name the session of a file that has lost its first line.

    The name has eight digits of the id; another file of the session may have all of it.
    """
    place = Path(path)
    short = FILE_STEM.fullmatch(place.stem)
    if short is None:
        return place.stem
    whole = re.compile(rb'"sessionId": ?"(' + short[1].encode() + rb'[^"\\]{1,64})"')
    relatives = (*place.parent.glob(f"*{short[1]}.json*"), place.parent.parent / "logs.json")
    for relative in relatives:
        if relative.is_file() and (found := whole.search(_beginning(relative))):
            return found[1].decode("utf-8", "replace")
    return place.stem


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64 * 1024)
    except OSError:
        return b""


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one transcript. Raises OSError."""
    return _read_document(path, cursor) if path.endswith(".json") else _read_lines(path, cursor)


def _read_lines(path: str, cursor: Cursor) -> Batch:
    errors = Errors(path)
    with LineReader(path, cursor) as lines:
        memory = lines.memory(Memory)
        reader = _Reader(path, memory, errors)
        records = use_each(lines, Record, errors, reader.take)
        events, session = reader.finish()
        return lines.batch(
            NAME,
            errors=errors,
            records=records,
            memory=memory,
            events=events,
            sessions=(session,) if records else (),
            unknown=reader.unknown,
        )


def _read_document(path: str, cursor: Cursor) -> Batch:
    errors = Errors(path)
    conversation, now = read_document(path, cursor, Conversation, errors=errors)
    if conversation is None:
        return Batch(agent=NAME, path=path, cursor=now, errors=errors.all())
    reader = _Reader(path, Memory(), errors)
    reader.describe(conversation, 0)
    for index, message in enumerate(conversation.messages or ()):
        reader.message(message, str(index))
    events, session = reader.finish()
    return Batch(
        agent=NAME,
        path=path,
        cursor=now,
        events=events,
        sessions=(session,),
        errors=errors.all(),
        unknown=reader.unknown.all(),
        records=len(conversation.messages or ()),
        bytes_read=now.size,
    )
