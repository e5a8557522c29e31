"""Reads the sessions of Cline: the messages of each session, and the description of the session.

Cline rewrites both documents as a whole. Each response with usage is counted once, even if a later
version of the document does not contain the response because of a compaction.
"""

import re
from pathlib import Path

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.cline.records import (
    KNOWN_TYPES,
    Conversation,
    Description,
    Message,
    token_counts,
)
from agtop_exporter.model import NO_TOKENS, PROMPT_RANK, Batch, Cursor, Signal, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.costs import picodollars
from agtop_exporter.reading.decoding import seconds_of
from agtop_exporter.reading.documents import read_document, usable_document
from agtop_exporter.reading.parsers import RecordParser, TranscriptParser
from agtop_exporter.reading.state import NoState

NAME = "cline"
MESSAGES = ".messages.json"  # suffix of the documents with messages
TITLE_RANK = 3
LEGACY = "Warning: this is a legacy conversation"  # ends the messages of a task of version 3
STARTED = re.compile(r"(\d{13})_")  # a session id begins with its start in unix milliseconds


class ConversationParser(TranscriptParser[Conversation, NoState]):
    """The parser of the messages of one session or subagent."""

    record = Conversation
    state_type = NoState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: NoState) -> None:
        super().__init__(batch, state)
        self.tools: dict[str, str] = {}  # label of the tool by call id

    def feed(self, record: Conversation, _offset: int) -> None:
        """Process the document; each of its messages counts as a record."""
        place = Path(self.path)
        folder, stem = place.parent.name, place.name.removesuffix(MESSAGES)
        is_subagent = stem != folder
        session_id = record.session_id or (f"{folder}__{stem}" if is_subagent else folder)
        self.session = self.batch.session(
            session_id,
            parent_session_id=folder if is_subagent else "",
            subagent=is_subagent,
        )
        started = STARTED.match(session_id)
        self.started = int(started[1]) / 1000 if started else 0.0
        self.time = record.updated_at.timestamp() if record.updated_at else 0.0
        messages = record.messages or []
        begin = first_own(messages)
        if begin:  # the first prompt is the title of the task that the session continues
            self.session.set_title(messages[0].text, PROMPT_RANK)
        for index, message in enumerate(messages):
            if index >= begin or has_provider(message):
                self._handle_message(message, index)
        self.batch.records = len(messages)

    def _handle_message(self, message: Message, index: int) -> None:
        self.batch.unknown.observe(message.role)
        time = seconds_of(message.ts)
        self.time = time or self.time
        # A session that continues from a copy of another session has messages that are older.
        self.copied = 0 < self.time < self.started
        if time and not self.copied:
            self.session.observe_time(time)
        key = f"{message.id or f'{self.session.session_id}:{index}'}:{message.ts or 0:.0f}"
        if message.role == "assistant":
            self._handle_answer(message, key)
        elif message.role == "user":
            self._handle_prompt(message, key)

    def _handle_answer(self, message: Message, key: str) -> None:
        session, info, metrics = self.session, message.model_info, message.metrics
        calls = {
            block.id or f"{key}:{number}": tool_label(block.name)
            for number, block in enumerate(message.blocks)
            if block.type == "tool_use"
        }
        self.tools |= calls
        session.model = (info.id if info else None) or session.model
        tool = next(reversed(calls.values()), "")  # all results are in the next message
        session.signal = Signal("running" if calls else "idle", "", "assistant").with_tool(tool)
        tokens = token_counts(metrics) if metrics else None
        if tokens and not self.copied:
            session.set_context_used(tokens.prompt + tokens.output)
        if tokens or calls:
            self.add_response(
                UsageEvent(
                    key,
                    session.session_id,
                    self.time,
                    copied=self.copied,
                    model=(info.id if info else None) or "",
                    provider=(info.provider if info else None) or "",
                    tokens=tokens or NO_TOKENS,
                    requests=int(tokens is not None),
                    tools=tuple(calls.items()),
                    reported_cost=picodollars(metrics.cost if metrics else None),
                )
            )

    def _handle_prompt(self, message: Message, key: str) -> None:
        """Add a prompt, the failures of tools, or a compaction."""
        session = self.session
        session.signal = Signal("running", "", "user")
        results = [block for block in message.blocks if block.type == "tool_result"]
        failed = tuple(
            (block.tool_use_id, self.tools.get(block.tool_use_id, tool_label("")))
            for block in results
            if block.is_error
        )
        if failed:
            self.add_event(f"failure:{key}", tool_errors=failed)
        if message.is_compaction and message.metadata:
            removed = message.metadata.messages_removed
            self.add_event(f"compaction:{key}:{removed}", compactions=1)
        if not results and not session.subagent:
            session.set_title(message.text, PROMPT_RANK)
            self.add_event(f"prompt:{key}", turns=1)
            self._name_earlier_responses()

    def _name_earlier_responses(self) -> None:
        """Give the responses of earlier turns that lack a model the model of the session.

        Cline may record the models of a turn at the end of the turn.
        """
        if not self.state.unnamed:
            return
        place = Path(self.path)
        described = usable_document(place.with_name(f"{place.parent.name}.json"), Description)
        model = self.session.model or (described.model if described else None)
        if model:
            self.name_model(self.session.session_id, model)


def first_own(messages: list[Message]) -> int:
    """Return the index after the messages that were copied from a task of version 3; else 0.

    If version 4 of the editor extension continues such a task, it copies the messages of the task
    and puts the sum of the usage into the last of them, without a provider. A warning for the model
    follows. The usage is that of the document of the task, which `tasks` reads.
    """
    for index, message in enumerate(messages):
        if message.role == "user" and any(LEGACY in (each.text or "") for each in message.blocks):
            return index + 1
    return 0


def has_provider(message: Message) -> bool:
    """Return whether a message names the provider of its model, so that it was not copied."""
    info = message.model_info
    return info is not None and info.provider not in {None, "", "unknown"}


class DescriptionParser(RecordParser[Description, NoState]):
    """The parser of the description of one session."""

    record = Description
    state_type = NoState

    def feed(self, record: Description, offset: int) -> None:
        """Update the session from its description."""
        session_id = record.session_id or Path(self.path).stem
        messages = f"{Path(self.path).parent}/{session_id}{MESSAGES}"
        session = self.batch.session(session_id, data_path=messages)
        if record.started_at:
            session.observe_time(record.started_at.timestamp())
        if not session.work_in(record.cwd or record.workspace_root):
            self.batch.error("schema", offset)
        session.model = record.model or ""
        session.set_title((record.metadata.title if record.metadata else None) or "", TITLE_RANK)


def read(path: str, cursor: Cursor) -> Batch:
    """Read one document if it has changed since `cursor`. Raises OSError."""
    if path.endswith(MESSAGES):
        return read_document(NAME, ConversationParser, path, cursor)
    return read_document(NAME, DescriptionParser, path, cursor)
