"""Turns the records of a Claude Code transcript into events and session updates."""

from collections import OrderedDict
from datetime import datetime
from typing import Unpack

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.claude.limits import limit_hit
from agtop_exporter.agents.claude.records import Block, Message, Record, Usage
from agtop_exporter.agents.claude.responses import (
    CONTEXT_TOKENS,
    LONG_CONTEXT_TOKENS,
    NO_CALLS,
    Calls,
    Response,
    SessionRead,
    context_window,
    each_once,
    key_without_id,
)
from agtop_exporter.agents.claude.signals import (
    API_ERROR,
    ASKING_TOOLS,
    INJECTED_PROMPTS,
    INTERRUPTED,
    INTERRUPTION,
    PROMPT,
    QUESTION,
    TOOL_RESULT,
    TURN_END,
    after_answer,
    prompt_text,
)
from agtop_exporter.agents.claude.state import TranscriptState
from agtop_exporter.agents.claude.types import KNOWN_TYPES, PLAIN_TYPES, TYPES
from agtop_exporter.model import (
    PROMPT_RANK,
    RateLimit,
    SessionUpdate,
    UsageEvent,
    is_sane,
)
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.parsers import BlockParser

REMEMBERED_TOOLS = 64  # calls whose result may still follow
SYNTHETIC_MODEL = "<synthetic>"  # of messages that Claude Code writes itself, such as API errors
TITLE_RANKS = {"custom-title": 5, "ai-title": 4, "summary": 3}


class TranscriptParser(BlockParser[Record, TranscriptState]):
    """The parser of one transcript, of a session or a subagent.

    While a record is used, `session` is its session, `copied` is true if it is a copy from another
    transcript, and `main_chain` is false in a subagent's part of its parent's transcript.
    """

    record = Record
    state_type = TranscriptState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: TranscriptState) -> None:
        super().__init__(batch, state)
        *_, parent_folder, _, name = f"///{self.path}".split("/")  # <session>/subagents/agent-*
        stem = name.removesuffix(".jsonl")
        self.offset = 0
        self.calls = OrderedDict(state.tools)
        self.sessions: dict[str, SessionRead] = {}
        self.agent_id = stem.removeprefix("agent-") if stem.startswith("agent-") else ""
        self.session_id = state.session_id or (parent_folder if self.agent_id else stem)
        self.selected_by = Record()  # the record by which the current session was selected
        self.session = SessionRead(SessionUpdate(session_id=""))
        self.limit_hit: RateLimit | None = None  # the latest
        self.is_transcript = bool(state.session_id)  # false for a file of another program
        self.copied = False
        self.main_chain = True

    def feed(self, records: list[Record], offset: int) -> None:
        """Use consecutive records; `offset` is the byte offset after the last one."""
        self.offset = offset
        types = {record.type for record in records}
        self.is_transcript = self.is_transcript or not TYPES.isdisjoint(types)
        if not PLAIN_TYPES.issuperset(types):
            self.batch.unknown.observe_all([record.kind for record in records])
        selected_by = self.selected_by
        for record in records:
            if (
                record.session_id is None
                or record.session_id != selected_by.session_id
                or record.agent_id != selected_by.agent_id
                or record.is_sidechain != selected_by.is_sidechain
            ):
                selected_by = self.selected_by = record
                self._select_session(record)
            self.copied = record.forked_from is not None
            if record.timestamp is not None:
                self._observe(record, record.timestamp)
            message = record.message
            if message is None:
                self._handle_metadata(record)
            elif record.type == "assistant":
                self._handle_assistant(record, message)
            elif record.type == "user":
                self._handle_user(record, message)

    def _select_session(self, record: Record) -> None:
        """Make the record's session the current one."""
        self.session_id = record.session_id or record.parent_session_id or self.session_id
        agent_id = (record.agent_id if record.is_sidechain else None) or self.agent_id
        self.main_chain = not record.is_sidechain or bool(agent_id)
        own_id = f"agent-{agent_id}" if agent_id else self.session_id
        self.session = self.sessions.get(own_id) or self._new_session(own_id)

    def _new_session(self, session_id: str) -> SessionRead:
        is_subagent = session_id != self.session_id
        update = SessionUpdate(
            session_id=session_id,
            data_path=self.path,
            parent_session_id=self.session_id if is_subagent else "",
            last_active=self.state.last_active.get(session_id),
            subagent=bool(self.agent_id),
        )
        session = self.sessions[session_id] = SessionRead(update)
        return session

    def _observe(self, record: Record, time: datetime) -> None:
        """Use the time, branch and version of a record, unless it is a copy."""
        state, session = self.state, self.session
        update = session.update
        if not update.cwd and not update.work_in(record.cwd):
            self.batch.error("schema", self.offset)
        if state.began is None:
            if not is_sane(time.timestamp()):
                return
            state.began = time
        if self.copied or time < state.began:
            self.copied = True
            return
        if session.first is None or session.last is None:
            session.first = session.last = time
        elif time >= session.last:
            session.last = time
        elif time < session.first:
            session.first = time
        if record.git_branch:
            update.git_branch = record.git_branch
        if record.version:
            update.agent_version = record.version

    # --- responses --------------------------------------------------------------------------

    def _handle_assistant(self, record: Record, message: Message) -> None:
        session, model = self.session, message.model
        if model == SYNTHETIC_MODEL:
            if self.main_chain and record.is_api_error_message:
                session.signal = API_ERROR
            if record.error == "rate_limit" and record.timestamp is not None:
                self.limit_hit = limit_hit(prompt_text(message.content), seconds(record))
            return
        asks, tools = False, NO_CALLS
        if isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_use":
                    asks = asks or block.name in ASKING_TOOLS
                    tools += (self._remember_call(block),)
        if message.usage is not None:
            self._add_response(record, message, message.usage, tools)
        if self.main_chain:
            session.model = model or session.model
            session.effort = record.effort or session.effort
            session.signal = QUESTION if asks else after_answer(message.stop_reason)

    def _remember_call(self, block: Block) -> tuple[str, str]:
        """Keep a call until its result follows; return (call id, tool name)."""
        calls = self.calls
        name = calls[block.id] = tool_label(block.name)
        if len(calls) > REMEMBERED_TOOLS:
            calls.popitem(last=False)
        return block.id, name

    def _add_response(self, record: Record, message: Message, usage: Usage, tools: Calls) -> None:
        session = self.session
        key = message.id or record.uuid
        key = key or key_without_id(session.update.session_id, record, usage)
        asked_elsewhere = record.request_session_id not in (None, self.session_id)
        copied = self.copied or asked_elsewhere or not record.request_id
        response = session.responses.get(key)
        if response is None:
            session.responses[key] = Response(
                seconds(record), message.model or "", usage, copied, self.main_chain, tools
            )
        else:
            response.copied &= copied
            if tools:
                response.tools += tools
            if usage != response.usage:
                response.grow(usage)
        if self.main_chain:
            session.latest = key

    # --- prompts, results and metadata ------------------------------------------------------

    def _handle_user(self, record: Record, message: Message) -> None:
        is_result = False
        if isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_result":
                    is_result = True
                    if block.is_error:
                        call_id = block.tool_use_id
                        failed = ((call_id, self.calls.get(call_id, "unknown")),)
                        self._add_event(record, f"failure:{call_id}", tool_errors=failed)
        if not is_result:
            self._handle_prompt(record, message)
        elif self.main_chain:
            self.session.signal = TOOL_RESULT

    def _handle_prompt(self, record: Record, message: Message) -> None:
        session, text = self.session, prompt_text(message.content).lstrip()
        if text.startswith(INTERRUPTED):
            session.signal = INTERRUPTION
        typed = text and not (record.is_meta or record.is_compact_summary or record.is_sidechain)
        if typed and not text.startswith(INJECTED_PROMPTS):
            session.update.set_title(text, PROMPT_RANK)
            session.signal = PROMPT
            self._add_event(record, f"prompt:{record.uuid or seconds(record)}", turns=1)

    def _handle_metadata(self, record: Record) -> None:
        """Use a record without a message: a title, the end of a turn, or a compaction."""
        if record.type in TITLE_RANKS:
            title = record.custom_title or record.ai_title or record.summary or ""
            self.session.update.set_title(title, TITLE_RANKS[record.type])
        elif record.subtype == "turn_duration":
            self.session.signal = TURN_END
        elif record.subtype == "compact_boundary":
            self._add_event(record, f"compaction:{record.uuid or seconds(record)}", compactions=1)

    def _add_event(self, record: Record, key: str, **fields: Unpack[EventFields]) -> None:
        self.batch.event(
            key,
            session_id=self.session.update.session_id,
            time=seconds(record),
            copied=self.copied,
            **fields,
        )

    # --- the end ----------------------------------------------------------------------------

    def finish(self) -> None:
        """Add the responses and the sessions to the batch, and update the state."""
        batch, state = self.batch, self.state
        others, batch.events = batch.events, []  # responses come first
        for session_id, session in self.sessions.items():
            self._complete(session)
            if self.is_transcript:
                batch.sessions[session_id] = session.update
        batch.events.extend(others)
        state.tools = dict(self.calls)
        if self.is_transcript:
            state.session_id = self.session_id
        if self.limit_hit is not None:
            batch.limit(self.limit_hit)

    def _complete(self, session: SessionRead) -> None:
        """Add the responses of a session to the batch, and complete its update."""
        update, events, used, models = session.update, self.batch.events, 0, [""]
        update.signal, update.model = session.signal, session.model
        update.model_effort = session.effort
        for key, response in session.responses.items():
            tokens = response.all_tokens()
            if response.main_chain:
                used = max(used, tokens.total)
                if response.model != models[-1]:
                    models.append(response.model)
            events.append(
                UsageEvent(
                    key,
                    update.session_id,
                    response.time,
                    response.model,
                    tokens,
                    requests=1,
                    tools=each_once(response.tools),
                    copied=response.copied,
                    speed=response.usage.price_tier,
                    web_searches=response.usage.web_searches,
                    region=response.usage.region,
                )
            )
        if session.latest:
            update.context_used_tokens = session.responses[session.latest].all_tokens().total
        self._set_context(update, models, used)
        if session.first is not None and session.last is not None:
            update.observe_time(session.first.timestamp())
            update.observe_time(session.last.timestamp())
        if update.last_active is not None:
            self.state.last_active[update.session_id] = update.last_active

    def _set_context(self, update: SessionUpdate, models: list[str], used: int) -> None:
        """Set the context window, and the most tokens of it that a response used."""
        update.context_peak_tokens = used or None
        windows = [window for model in models if (window := context_window(model)) is not None]
        if used > CONTEXT_TOKENS or LONG_CONTEXT_TOKENS in windows:
            self.state.wide_context = True
        if windows:
            update.context_window_tokens = (
                LONG_CONTEXT_TOKENS if self.state.wide_context else windows[-1]
            )


def seconds(record: Record) -> float:
    """Return the time of a record in unix seconds; 0 if it has none."""
    return record.timestamp.timestamp() if record.timestamp is not None else 0.0
