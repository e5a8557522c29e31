"""Converts the records of a Claude Code transcript to events and session updates."""

from collections import OrderedDict
from datetime import datetime
from typing import Unpack

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.claude import searches
from agtop_exporter.agents.claude.context import observe_context
from agtop_exporter.agents.claude.identity import Responses
from agtop_exporter.agents.claude.iterations import set_lifetimes, unknown_types
from agtop_exporter.agents.claude.limits import limit_hit
from agtop_exporter.agents.claude.records import Block, Message, Record, Usage
from agtop_exporter.agents.claude.responses import NO_CALLS, Calls, Response, SessionRead
from agtop_exporter.agents.claude.sessions import Sessions
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
from agtop_exporter.agents.claude.unlisted import COST_STATE, UnlistedRequests
from agtop_exporter.model import PROMPT_RANK, RateLimit, SessionUpdate, is_sane
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.parsers import BlockParser

REMEMBERED_TOOLS = 64  # maximum number of tool calls in the state whose result may follow
# model name of messages that Claude Code writes itself, such as API errors
SYNTHETIC_MODEL = "<synthetic>"
TITLE_RANKS = {"custom-title": 5, "ai-title": 4, "summary": 3}


class TranscriptParser(BlockParser[Record, TranscriptState]):
    """The parser of one transcript. A transcript belongs to a session or to a subagent.

    Three attributes describe the current record. `session` is the session of the record. `copied`
    is true if the record is a copy from another transcript. `main_chain` is false if the record
    belongs to a subagent inside its parent's transcript.
    """

    record = Record
    state_type = TranscriptState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: TranscriptState) -> None:
        super().__init__(batch, state)
        self.unlisted = UnlistedRequests(batch, state, type(self))
        self.offset = 0
        self.calls = OrderedDict(state.tools)
        self.responses = Responses(state)
        self.sessions = Sessions(self.path, state)
        self.selected_by = Record()  # the record by which the current session was selected
        self.session = SessionRead(SessionUpdate(session_id=""))
        self.limit_hit: RateLimit | None = None  # the latest rate limits
        self.is_transcript = bool(state.session_id)  # false for a file of another program
        self.copied = False
        self.main_chain = True

    def feed(self, records: list[Record], offset: int) -> None:
        """Process consecutive records; `offset` is the byte offset after the last one."""
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
            self._observe(record, record.timestamp)
            message = record.message
            if message is None:
                self._handle_metadata(record)
            elif record.type == "assistant":
                self._handle_assistant(record, message)
            elif record.type == "user":
                self._handle_user(record, message)

    def _select_session(self, record: Record) -> None:
        """Set the attributes `session` and `main_chain` for a record."""
        self.session = self.sessions.select(record)
        self.main_chain = self.responses.main_chain = self.sessions.main_chain

    def _observe(self, record: Record, time: datetime | None) -> None:
        """Update the session with the directory, time, branch and version of a record.

        Set `copied`. The time, branch and version of a copy are ignored.
        """
        state, session = self.state, self.session
        update = session.update
        if not update.cwd and not update.work_in(record.cwd):
            self.batch.error("schema", self.offset)
        if time is None or not (state.began or is_sane(time.timestamp())):
            return
        self.copied = state.is_copy(time, marked=self.copied)
        if self.copied:
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
                text = prompt_text(message.content)
                self.limit_hit = limit_hit(self.batch.agent, text, record)
            return
        asks, tools = False, NO_CALLS
        if isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_use":
                    asks = asks or block.name in ASKING_TOOLS
                    tools += (self._remember_call(block, model or session.model),)
        if message.usage is not None:
            self._add_response(record, message, message.usage, tools)
        else:
            self.unlisted.mark_incomplete()
        if self.main_chain:
            session.model = model or session.model
            session.effort = record.effort or session.effort
            state = self.state
            if message.id != state.called_by or not message.id:
                state.calls.clear()  # a response begins after the results of the previous one
                state.called_by = message.id or ""
            state.calls.begin(tools)
            tool = state.calls.tool
            session.signal = (
                QUESTION.with_tool(tool) if asks else after_answer(message.stop_reason, tool)
            )

    def _remember_call(self, block: Block, model: str) -> tuple[str, str]:
        """Store a tool call of a model until its result follows; return (call id, tool name)."""
        calls = self.calls
        if block.name == searches.TOOL:
            searches.note_call(self.state.searches, block.id, model)
        name = calls[block.id] = tool_label(block.name)
        if len(calls) > REMEMBERED_TOOLS:
            calls.popitem(last=False)
        return block.id, name

    def _add_response(self, record: Record, message: Message, usage: Usage, tools: Calls) -> None:
        session = self.session
        set_lifetimes(usage, record.prompt_cache_requested)
        if self.responses.is_repeated(record, message, usage):
            return
        asked_elsewhere = record.request_session_id not in (None, self.sessions.main_id)
        copied = self.copied or asked_elsewhere or record.may_be_copied
        self.unlisted.note_response(usage, copied=copied)
        copied = copied or not record.request_id
        response = self.responses.find(session, record, message, usage)
        if response is None:
            response = Response(
                session.update.session_id,
                self.responses.time_of(record, message),
                message.model or "",
                usage,
                copied,
                self.main_chain,
                tools,
                record.request_id or "",
            )
            self.responses.add(session, record, message, response)
        else:
            response.copied &= copied
            if message.model and (usage.iterations or not response.model):
                response.model = message.model  # after a refusal another model may continue
            if tools:
                response.tools += tools
            if usage != response.usage:
                response.grow(usage)
        if usage.iterations:
            response.advisor = record.advisor_model or response.advisor
            self.batch.unknown.observe_all(unknown_types(usage))
        if self.main_chain:
            session.latest = response
            session.compacted_to = None

    # --- prompts, results and metadata ------------------------------------------------------

    def _handle_user(self, record: Record, message: Message) -> None:
        is_result = False
        if isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_result":
                    is_result = True
                    if self.main_chain:
                        self.state.calls.end(block.tool_use_id)
                    name = self.calls.get(block.tool_use_id, "")
                    self.unlisted.note_result(name, record.tool_use_result)
                    if block.tool_use_id in self.state.searches:
                        self._add_searches(record, block.tool_use_id)
                    if block.is_error:
                        failed = ((block.tool_use_id, name or "unknown"),)
                        self._add_event(record, f"failure:{failed[0][0]}", tool_errors=failed)
        self.responses.note_user(self.session, record, is_result=is_result)
        if not is_result:
            self._handle_prompt(record, message)
        elif self.main_chain:
            self.session.signal = TOOL_RESULT.with_tool(self.state.calls.tool)

    def _add_searches(self, record: Record, call_id: str) -> None:
        """Add the billed web searches in a tool result."""
        model = self.state.searches.pop(call_id)
        number = searches.billed_searches(record.tool_use_result)
        if number:
            self._add_event(record, f"search:{call_id}", model=model, web_searches=number)

    def _handle_prompt(self, record: Record, message: Message) -> None:
        session, text = self.session, prompt_text(message.content).lstrip()
        if text.startswith(INTERRUPTED):
            session.signal = INTERRUPTION
        typed = text and not (record.is_meta or record.is_compact_summary or record.is_sidechain)
        if typed and not text.startswith(INJECTED_PROMPTS):
            if session.update.session_id not in self.state.prompted:
                self.state.prompted.append(session.update.session_id)
                session.update.set_title(text, PROMPT_RANK)
            session.signal = PROMPT
            self.unlisted.note_prompt(record.uuid or "")
            self._add_event(record, f"prompt:{record.uuid or record.seconds}", turns=1)

    def _handle_metadata(self, record: Record) -> None:
        """Process a record without a message.

        The record can have a title, or mark the end of a turn or a compaction. Others are ignored.
        """
        if record.type in TITLE_RANKS:
            title = record.custom_title or record.ai_title or record.summary or ""
            self.session.update.set_title(title, TITLE_RANKS[record.type])
        elif record.type == COST_STATE:
            self.unlisted.note_sums(record, self.session.last, self.sessions.by_id.values())
        elif record.subtype == "turn_duration":
            self.session.signal = TURN_END
        elif record.subtype == "compact_boundary":
            self._add_event(record, f"compaction:{record.uuid or record.seconds}", compactions=1)
            if self.main_chain and record.compact_metadata is not None:
                self.session.compacted_to = record.compact_metadata.post_tokens

    def _add_event(self, record: Record, key: str, **fields: Unpack[EventFields]) -> None:
        self.batch.event(
            key,
            session_id=self.session.update.session_id,
            time=record.seconds,
            copied=self.copied or record.may_be_copied,
            **fields,
        )

    # --- the end ----------------------------------------------------------------------------

    def finish(self) -> None:
        """Add the responses and sessions of this read to the batch, and update the reader state."""
        batch, state = self.batch, self.state
        others, batch.events = batch.events, []  # responses come first
        for session_id, session in self.sessions.by_id.items():
            self._complete(session)
            if self.is_transcript and self.sessions.is_known(session_id):
                batch.sessions[session_id] = session.update
        batch.events += others + self.unlisted.finish(batch.events)
        state.tools = dict(self.calls)
        self.responses.save(state)
        if self.is_transcript:
            state.session_id = self.sessions.named_id
        if self.limit_hit is not None:
            batch.limit(self.limit_hit)

    def _complete(self, session: SessionRead) -> None:
        """Add the responses of a session to the batch, and complete the session's update."""
        update, totals = session.update, session.totals()
        self.batch.events.extend(session.events(totals))
        session.complete_update()
        observe_context(session, totals, self.state)
        if update.last_active is not None:
            self.state.last_active[update.session_id] = update.last_active
