"""Reads the sessions of Auggie. Auggie rewrites the document of a session as a whole.

If the history of a session on the server differs, Auggie keeps a backup of the document and
replaces the history by that of the server.
"""

import re
from pathlib import Path

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.auggie.records import (
    ELSEWHERE,
    KNOWN_TYPES,
    LOCAL,
    Exchange,
    Node,
    Session,
)
from agtop_exporter.model import (
    NO_TOKENS,
    PROMPT_RANK,
    Batch,
    Cursor,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import Moment
from agtop_exporter.reading.documents import read_document
from agtop_exporter.reading.parsers import TranscriptParser
from agtop_exporter.reading.state import NoState

NAME = "auggie"
BACKUP = re.compile(r"-backup\d+$")  # end of the name of a backup of a session
TITLE_RANK = 3


class SessionParser(TranscriptParser[Session, NoState]):
    """The parser of one session."""

    record = Session
    state_type = NoState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: NoState) -> None:
        super().__init__(batch, state)
        self.tools: dict[str, str] = {}  # label of the tool by call id
        self.model = ""  # model of requests that name none

    def feed(self, record: Session, _offset: int) -> None:
        """Process the document; each exchange counts as a record."""
        parent = record.parent_conversation_id or ""
        place = Path(self.path)
        name = BACKUP.sub("", place.stem)
        self.session = self.batch.session(
            record.session_id or name,
            data_path=str(place.with_name(f"{name}.json")),
            parent_session_id=parent,
            subagent=bool(parent),
        )
        if record.created:
            self.session.observe_time(record.created.timestamp())
        self.model = (record.agent_state.model_id if record.agent_state else None) or ""
        self.session.model = self.model
        self.session.set_title(record.custom_title or record.title or "", TITLE_RANK)
        own = record.chat_history or []
        for exchange in own:
            self._handle_exchange(exchange, is_own=True)
        for subagent in record.sub_agents or []:
            self.model = subagent.model or self.session.model
            for exchange in subagent.chat_history or []:
                self._handle_exchange(exchange, is_own=False)
        for request in record.summarizations or []:
            self._set_time(request.finished_at)
            if request.request_id:
                self._add_request(request.request_id, request.model or "", request.tokens)
        self.batch.records = max(1, len(own))

    def _set_time(self, time: Moment | None) -> None:
        if time:
            self.time = time.timestamp()
            self.session.observe_time(self.time)

    def _handle_exchange(self, exchange: Exchange, *, is_own: bool) -> None:
        """Add an exchange. If `is_own` is false, a subagent made it."""
        self.batch.unknown.observe(exchange.source or LOCAL)
        request = exchange.exchange
        if request is None or exchange.source == ELSEWHERE:
            return
        self._set_time(exchange.finished_at)
        place = f"{self.session.session_id}:{exchange.sequence_id or 0:g}"
        key = request.request_id or place
        answer = request.response_nodes or []
        tokens = sum((each.token_usage.tokens for each in answer if each.token_usage), NO_TOKENS)
        self._add_request(key, request.model_id or self.model, tokens)
        calls = {
            node.tool_use.tool_use_id: tool_label(node.tool_use.tool_name)
            for node in answer
            if node.tool_use and node.tool_use.tool_use_id
        }
        self.tools |= calls
        if calls:
            self.add_event(f"calls:{key}", tools=tuple(calls.items()))
        for node in request.request_nodes or []:
            self._handle_node(node, key, is_own=is_own)
        if is_own:
            self.session.model = request.model_id or self.session.model
            if tokens.total:
                self.session.set_context_used(tokens.total)
            busy = bool(calls) or exchange.completed is False
            tool = next(reversed(calls.values()), "")
            self.session.signal = Signal("running" if busy else "idle").with_tool(tool)

    def _handle_node(self, node: Node, key: str, *, is_own: bool) -> None:
        """Add a prompt, a failed tool call or a compaction, or set the working directory."""
        if node.tool_result_node and node.tool_result_node.is_error:
            call = node.tool_result_node.tool_use_id
            failed = ((call, self.tools.get(call, tool_label(""))),)
            self.add_event(f"failure:{call}", tool_errors=failed)
        if not is_own:
            return
        if node.text_node and not self.session.subagent:
            self.session.set_title(node.text_node.content or "", PROMPT_RANK)
            self.add_event(f"prompt:{key}", turns=1)
        if node.history_summary_node:
            summary = node.history_summary_node.summarization_request_id or key
            self.add_event(f"compaction:{summary}", compactions=1)
        folders = (node.ide_state_node.workspace_folders if node.ide_state_node else None) or []
        for folder in folders[:1]:
            if not self.session.work_in(folder.repository_root or folder.folder_root):
                self.batch.error("schema", 0)

    def _add_request(self, key: str, model: str, tokens: TokenCounts) -> None:
        """Add the usage of a request. A request without usage failed, or was interrupted."""
        if tokens.total:
            session_id = self.session.session_id
            self.batch.events.append(
                UsageEvent(key, session_id, self.time, model=model, tokens=tokens, requests=1)
            )


def read(path: str, cursor: Cursor) -> Batch:
    """Read one session if it has changed since `cursor`. Raises OSError."""
    return read_document(NAME, SessionParser, path, cursor)
