"""Turns the messages of one transcript of Gemini CLI into events and a session.

Gemini CLI writes a message again, with the same id, when the message grows. It also writes the
whole history of a session again. Each message with tokens is counted once, even if a later history
does not contain the message.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Unpack

import msgspec

from agtop_exporter.agents.gemini.places import (
    parent_of,
    project_folder,
    subscription,
    working_directory,
)
from agtop_exporter.agents.gemini.records import (
    Conversation,
    Message,
    Record,
    Tokens,
    signal_of,
    token_counts,
    tool_name,
    typed_text,
)
from agtop_exporter.existence import is_file
from agtop_exporter.model import PROMPT_RANK, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.identifiers import without_mark
from agtop_exporter.reading.parsers import UNNAMED_MAX
from agtop_exporter.reading.state import ReaderState

NAME = "gemini"
SUMMARY_RANK = 3
CONTEXT_TOKENS = 1_048_576  # window of all Gemini models since 2.0 that the CLI offers
KNOWN_MODELS = ("gemini-2.", "gemini-3")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
FILE_STEM = re.compile(r"session-[\dT-]+-([0-9a-f]{8})")
# beginnings of messages of type "user" that no user typed or that are not sent to a model
INJECTED_PROMPTS = (
    "/",
    "?",
    "<session_context>",
    "<hook_context>",
    "This is the Gemini CLI. We are setting up the context for our chat.",
)
# answer that always follows the summary of a compressed history
COMPRESSED = "Got it. Thanks for the additional context!"


class ChatState(ReaderState):
    """The reader state of a transcript."""

    session_id: str = ""
    latest: float = 0.0  # latest time in the records so far, in unix seconds
    model: str = ""


class ChatReader:
    """Adds the events and the session of one transcript to a batch.

    The parsers in `transcripts` pass it the contents of the two kinds of transcripts.
    """

    def __init__(self, batch: BatchBuilder, state: ChatState) -> None:
        self.batch = batch
        self.path = batch.path
        self.state = state
        self.parent = parent_of(self.path)
        self.responses: dict[str, UsageEvent] = {}  # by event key
        self.first_model = ""  # the first model that this read has found
        self.session = batch.session(
            "",
            parent_session_id=self.parent,
            last_active=state.latest or None,
            subagent=bool(self.parent),
        )

    def describe(self, conversation: Conversation, offset: int) -> None:
        """Set the session id, times, folder and title from the description of a session.

        `offset` is the byte offset that is reported with an error.
        """
        session = self.session
        if conversation.session_id:
            self.state.session_id = conversation.session_id
        if conversation.start_time is not None:
            self._observe_time(conversation.start_time.timestamp())
        if conversation.last_updated is not None:
            self._observe_time(conversation.last_updated.timestamp())
        directories = conversation.directories if self.parent else None
        if directories and not session.work_in(directories[0]):
            self.batch.error("schema", offset)
        summary = conversation.summary
        if summary and not summary.startswith("{"):  # not the report of a subagent
            session.set_title(summary, SUMMARY_RANK)

    def _observe_time(self, time: float) -> None:
        self.state.latest = max(self.state.latest, time)
        self.session.observe_time(time)

    def add_message(self, message: Message | Record, place: str, *, repeated: bool = False) -> None:
        """Add the usage of a message, and update the session from the message.

        `place` is a position in the file; it identifies a message without an id. If `repeated` is
        true, the message is part of a repeated history. It then sets neither the title nor the
        activity of the session, and counts no turn.
        """
        self.batch.unknown.observe(message.type)
        if message.timestamp is not None:
            self._observe_time(message.timestamp.timestamp())
        if message.type == "gemini":
            self._handle_answer(message, place)
        if repeated:
            return
        if message.type == "user":
            self._handle_prompt(message, place)
        self.session.signal = signal_of(message) or self.session.signal

    def _handle_answer(self, message: Message | Record, place: str) -> None:
        key = message.id or f"{self.path}:{place}"
        calls = [
            (call.id or f"{key}:{index}", tool_name(call.name), call.status)
            for index, call in enumerate(message.tool_calls or ())
        ]
        if message.model:
            self.state.model = self.session.model = message.model
            self.first_model = self.first_model or message.model
        if message.tokens is not None:
            self._set_context(message.tokens)
        if message.tokens is not None or calls:
            self._add_response(key, message, tuple((call, name) for call, name, _ in calls))
        for call, name, status in calls:
            if status == "error":
                self._add_event(f"failure:{key}:{call}", message, tool_errors=((call, name),))

    def _add_response(
        self, key: str, message: Message | Record, tools: tuple[tuple[str, str], ...]
    ) -> None:
        response = UsageEvent(
            key=key,
            session_id="",
            time=self._time(message),
            model=message.model or self.state.model,
            tokens=token_counts(message.tokens),
            requests=int(message.tokens is not None),
            tools=tuple(dict(tools).items()),
        )
        known = self.responses.get(key)
        self.responses[key] = grown(known, response) if known else response

    def _time(self, message: Message | Record) -> float:
        return message.timestamp.timestamp() if message.timestamp else self.state.latest

    def _set_context(self, tokens: Tokens) -> None:
        session = self.session
        parts = (tokens.input, tokens.output, tokens.thoughts, tokens.tool)
        used = tokens.total or sum(part or 0 for part in parts)
        session.set_context_used(used)
        if self.state.model.startswith(KNOWN_MODELS):
            session.context_window_tokens = CONTEXT_TOKENS

    def _handle_prompt(self, message: Message | Record, place: str) -> None:
        text = typed_text(message)
        if not text or text.startswith(INJECTED_PROMPTS):
            return
        self.session.set_title(text, PROMPT_RANK)
        if not self.parent:
            self._add_event(f"prompt:{message.id or f'{self.path}:{place}'}", message, turns=1)

    def add_compactions(self, messages: Iterable[Message]) -> None:
        """Count the compactions in a repeated history.

        An answer that begins with the text COMPRESSED is written after a summary, and counts as one
        compaction.
        """
        for message in messages:
            if message.type == "gemini" and typed_text(message).startswith(COMPRESSED):
                self._add_event(f"compaction:{message.id}", message, compactions=1)

    def _add_event(
        self, key: str, message: Message | Record, **fields: Unpack[EventFields]
    ) -> None:
        self.batch.event(key, session_id="", time=self._time(message), **fields)

    def finish(self) -> None:
        """Set the session id in the session and in all events, and complete the session.

        The id is set at the end because the last record may contain it.
        """
        batch, session = self.batch, self.session
        session_id = session.session_id = self.state.session_id or id_from_file(self.path)
        project = project_folder(self.path)
        session.cwd = working_directory(project) or session.cwd
        session.subscription = subscription(project.rsplit("/", 2)[0])
        stem = Path(self.path).stem  # the id in an earlier read, if the record with the id is late
        batch.events = [
            msgspec.structs.replace(
                event,
                key=scoped(event.key, session_id),
                other_keys=() if UUID.search(event.key) else (scoped(event.key, stem),),
                session_id=session_id,
            )
            for event in (*self.responses.values(), *batch.events)
        ]
        self._name_model()

    def _name_model(self) -> None:
        """Set the model of the responses that have none to the first model found in this read.

        Responses of earlier reads are included. If no model was found, the responses are stored in
        the reader state for the next read.
        """
        state, batch, model = self.state, self.batch, self.first_model
        batch.events += state.unnamed
        unnamed = [event for event in batch.events if event.requests and not event.model]
        state.unnamed = [] if model else unnamed[:UNNAMED_MAX]
        if model:
            batch.events += [msgspec.structs.replace(event, model=model) for event in unnamed]


def grown(known: UsageEvent, response: UsageEvent) -> UsageEvent:
    """Merge a response into the earlier version of the response with the same id.

    The result has the merged token counts and the tool calls of both versions.
    """
    return msgspec.structs.replace(
        known,
        model=known.model or response.model,
        tokens=response.tokens.merged(known.tokens),  # the later division of the prompt is right
        requests=max(known.requests, response.requests),
        tools=tuple(dict((*known.tools, *response.tools)).items()),
    )


def scoped(key: str, session_id: str) -> str:
    """Return an event key that is unique across sessions.

    The session id is prepended to a key that contains no UUID.
    """
    return key if UUID.search(key) else f"{session_id}:{key}"


def id_from_file(path: str) -> str:
    """Return the session id of a transcript without a record that contains the id.

    The file name contains the first eight digits of the id. The complete id is searched in files
    with the same digits in their names, and in `logs.json`. If no file has the complete id, return
    the file name without its suffix.
    """
    place = Path(path)
    stem = without_mark(place.stem)
    short = FILE_STEM.fullmatch(stem)
    if short is None:
        return stem
    whole = re.compile(rb'"sessionId": ?"(' + short[1].encode() + rb'[^"\\]{1,64})"')
    relatives = (*place.parent.glob(f"*{short[1]}.json*"), place.parent.parent / "logs.json")
    for relative in relatives:
        if is_file(relative) and (found := whole.search(_head(relative))):
            return found[1].decode("utf-8", "replace")
    return stem


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64 * 1024)
    except OSError:
        return b""
