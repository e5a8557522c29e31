"""The command line tool: `session-state/<id>/events.jsonl`, one log for a session and its agents.

Since about 1.0.90 each request has a `session.usage_record`. The usage of a compaction is only in
`session.compaction_complete`. Older logs have the totals in `session.shutdown`, and the output of
each answer, which counts until the totals are there. `store.py` reads the same requests from a
database. Events therefore have running totals, unless a log has lost its first records.
"""

from typing import Unpack

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.copilot.logs import LOG, session_id_of, writes_records
from agtop_exporter.agents.copilot.records import Data, Figures, Record, token_counts, totals_of
from agtop_exporter.agents.copilot.signals import KNOWN_TYPES, SIGNALS, signal
from agtop_exporter.agents.copilot.state import Answer, LogState, remember
from agtop_exporter.agents.copilot.workspace import tool_workspace
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, SessionUpdate, TokenCounts
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import UNDECODABLE_STATE

NAME = "copilot"
NAMED_RANK = 5  # a name that the user gave
TITLE_RANK = 3
AUTO = "auto"  # the tool selects the model
STARTS = frozenset({"session.start", "session.resume"})  # of a process
ASKING_TOOLS = frozenset({"ask_user", "exit_plan_mode"})


class LogParser(RecordParser[Record, LogState]):
    """The parser of one log.

    While a record is used, `session` is its session, `time` its time in unix seconds, and `main` is
    false if it is of a subagent.
    """

    record = Record
    state_type = LogState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: LogState) -> None:
        super().__init__(batch, state)
        self.main_id = session_id_of(self.path)
        self.session = SessionUpdate(session_id="")
        self.time = 0.0
        self.main = True

    def feed(self, record: Record, offset: int) -> None:
        """Use one record; `offset` is the byte offset after it."""
        data = record.data or Data()
        self.batch.unknown.observe(record.type)
        self._select_session(record)
        key = record.id or f"{self.main_id}:{offset}"
        self._handle_metadata(data, offset)
        match record.type:
            case "session.start" | "session.resume":
                self._begin_run(record.type, data)
            case "session.usage_record":
                self._handle_usage_record(data, key)
            case "session.compaction_complete":
                self._handle_compaction(data, key)
            case "session.shutdown":
                self._handle_shutdown(data, key)
            case "user.message":
                self._handle_prompt(data, key)
            case "assistant.message":
                self._handle_answer(data, key)
            case "tool.execution_start" | "tool.execution_complete":
                self._handle_tool(record.type, data, key)
            case "subagent.started":
                self.session.set_title(data.agent_display_name or "", TITLE_RANK)
        self._set_signal(record.type)

    def _select_session(self, record: Record) -> None:
        session_id = record.agent_id or self.main_id
        self.main = session_id == self.main_id
        self.time = record.timestamp.timestamp() if record.timestamp else 0.0
        session = self.session = self.batch.session(
            session_id,
            parent_session_id="" if self.main else self.main_id,
            cwd="" if self.main else self.state.main_cwd,
        )
        if self.time:
            session.observe_time(self.time)

    def _handle_metadata(self, data: Data, offset: int) -> None:
        """Use the model, effort, version and working directory, which any record may have."""
        session = self.session
        model = data.new_model or data.selected_model
        session.model = model or session.model
        if self.main and model:
            self.state.main_model = model
        session.model_effort = data.reasoning_effort or session.model_effort
        session.agent_version = data.copilot_version or session.agent_version
        if data.context is not None:
            if not session.work_in(data.context.cwd):
                self.batch.error("schema", offset)
            self.state.main_cwd = self.state.main_cwd or session.cwd
            session.git_branch = data.context.branch or session.git_branch

    def _begin_run(self, kind: str, data: Data) -> None:
        state = self.state
        if kind == "session.start" and not state.runs and not state.last_totals:
            state.complete = True
        if data.copilot_version:
            state.writes_records = writes_records(data.copilot_version)
        state.begin_run()

    # --- usage ------------------------------------------------------------------------------

    def _handle_usage_record(self, data: Data, key: str) -> None:
        usage, session = data.usage, self.session
        if usage is None:
            return
        counts = token_counts(usage)
        session.model = usage.model or session.model
        session.model_effort = usage.reasoning_effort or session.model_effort
        session.context_used_tokens = counts.total
        session.context_peak_tokens = max(session.context_peak_tokens or 0, counts.total)
        session.context_window_tokens = usage.max_prompt_tokens or session.context_window_tokens
        call, made = usage.api_call_id, usage.accounting
        origin = (made.source_session_id if made else None) or ""
        if call and made is not None and origin:
            key = f"{origin}:{made.sequence}:{call}"
        self._name_answers(session.model)
        self.state.add_record(call or "")
        # A subagent has its own origin; in the main chain another origin means a copy.
        copied = self.main and origin not in ("", self.main_id)
        if copied:
            self.state.complete = False  # the sums of the log are not those of the session
        self._settle(f"request:{key}", session.model, (1, counts), copied=copied)

    def _handle_compaction(self, data: Data, key: str) -> None:
        """Add a compaction, and its requests unless they have their own records."""
        usage, state = data.compaction_tokens_used, self.state
        has_record = (data.request_id or "") in state.latest_requests
        counts = TokenCounts() if usage is None or has_record else token_counts(usage)
        requests = max(1, (usage.request_count if usage else None) or 0) if counts.total else 0
        if data.success is not False:
            state.compact()
        compactions = 0 if data.success is False else 1
        model = (usage.model if usage else None) or self.session.model or state.main_model
        key = f"compaction:{key}"
        if not self.main or state.writes_records or not counts.total:
            self._settle(key, model, (requests, counts), compactions=compactions)
        else:
            state.show(model, (requests, counts))
            self._add_usage(key, model, (requests, counts), compactions=compactions)

    def _handle_shutdown(self, data: Data, key: str) -> None:
        """Add the requests without usage records, from the totals of a process that ends."""
        snapshot = data.accounting_snapshot
        metrics = snapshot.model_metrics if snapshot is not None else data.model_metrics
        over_all_runs = None if snapshot is None else True
        totals = totals_of(metrics or {})
        if totals:
            self._name_answers(max(totals, key=lambda model: totals[model][1].output))
        added = self.state.shut_down(totals, over_all_runs=over_all_runs)
        for model, (requests, counts) in added.items():
            if counts.total:
                self._settle(f"shutdown:{key}:{model}", model, (max(1, requests), counts))

    def _handle_answer(self, data: Data, key: str) -> None:
        remember(self.state.answered, self.session.session_id, value=not data.tool_requests)
        alone = self.state.add_answer(data.api_call_id or "")
        if self.main and data.model:
            self.session.model = data.model
        if not alone or not data.output_tokens:
            return
        model = data.model or (self.state.main_model if self.main else "")
        answer = Answer(f"answer:{key}", self.time, data.output_tokens)
        if model in ("", AUTO):
            self.state.unnamed.append(answer)
            self._add_answer(answer, "")
        else:
            self._name_answers(model)
            self._add_answer(answer, model)

    def _name_answers(self, model: str) -> None:
        """Give the answers of an unknown model their model."""
        answers, self.state.unnamed = self.state.unnamed, []
        for answer in answers:
            self._add_answer(answer, model)

    def _add_answer(self, answer: Answer, model: str) -> None:
        """Add the output of an answer to the main session, whose totals will contain it."""
        figures = (1, TokenCounts(output=answer.output))
        total = None
        if model:
            self.state.show(model, figures)
            total = self.state.running_total("", model)
        self.batch.event(
            answer.key,
            session_id=self.main_id,
            time=answer.time,
            model=model,
            requests=1,
            tokens=figures[1],
            running_total=total,
        )

    def _settle(
        self, key: str, model: str, figures: Figures, *, copied: bool = False, compactions: int = 0
    ) -> None:
        """Add usage that no later record contains."""
        self.state.settle("" if self.main else self.session.session_id, model, figures)
        self._add_usage(key, model, figures, copied=copied, compactions=compactions)

    def _add_usage(
        self, key: str, model: str, figures: Figures, *, copied: bool = False, compactions: int = 0
    ) -> None:
        session_id = "" if self.main else self.session.session_id
        self._add_event(
            key,
            copied=copied,
            model=model,
            requests=figures[0],
            tokens=figures[1],
            compactions=compactions,
            running_total=self.state.running_total(session_id, model),
        )

    def _add_event(self, key: str, *, copied: bool = False, **fields: Unpack[EventFields]) -> None:
        session_id = self.session.session_id
        self.batch.event(key, session_id=session_id, time=self.time, copied=copied, **fields)

    # --- turns, tools and state -------------------------------------------------------------

    def _handle_prompt(self, data: Data, key: str) -> None:
        if self.main and data.source in (None, "", "user"):
            self.session.set_title(data.content or "", PROMPT_RANK)
            self._add_event(f"prompt:{key}", turns=1)

    def _handle_tool(self, kind: str, data: Data, key: str) -> None:
        session, call_id = self.session, data.tool_call_id or key
        if kind == "tool.execution_start":
            name = tool_name(data.tool_name or "", data.mcp_server_name or "")
            remember(self.state.calls, call_id, value=name)
            self._add_event(f"call:{key}", tools=((call_id, name),))
            asks = data.tool_name in ASKING_TOOLS
            session.signal = signal("waiting" if asks else "running", kind, "input" if asks else "")
            return
        session.signal = signal("running", kind)
        if data.success is False:
            failed = ((call_id, self.state.calls.get(call_id, "unknown")),)
            self._add_event(f"failure:{key}", tool_errors=failed)

    def _set_signal(self, kind: str) -> None:
        """Set the signal by the type of a record; a turn ends if no tool was called."""
        if kind == "assistant.turn_end":
            done = self.state.answered.get(self.session.session_id, False)
            self.session.signal = signal("idle" if done else "running", kind)
        elif kind in SIGNALS:
            state, reason = SIGNALS[kind]
            self.session.signal = signal(state, kind, reason)

    # --- the end ----------------------------------------------------------------------------

    def finish(self) -> None:
        """Add what only the workspace file beside the log has."""
        session = self.batch.sessions.get(self.main_id)
        if session is None or not self.path.endswith(LOG):
            return
        known = tool_workspace(self.path)
        session.work_in(known.get("cwd"))
        session.git_branch = session.git_branch or known.get("branch", "")
        if known.get("user_named") == "true":
            session.set_title(known.get("name", ""), NAMED_RANK)


class RewrittenLogParser(LogParser):
    """The parser of a log that is read from its start because it had other records before.

    Those have been counted, so that the sums of the present records are too small.
    """

    def __init__(self, batch: BatchBuilder, state: LogState) -> None:
        super().__init__(batch, state)
        state.rewritten = True


def tool_name(name: str, server: str) -> str:
    """Return the label of a tool; all tools of an MCP server (`server/tool`) have one label."""
    server = server or name.rpartition("/")[0]
    return f"mcp:{server}" if server else tool_label(name)


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one log. Raises OSError."""
    batch = read_jsonl(NAME, LogParser, path, cursor)
    if batch.reset in ("", UNDECODABLE_STATE) or not cursor.offset:
        return batch
    again = read_jsonl(NAME, RewrittenLogParser, path, Cursor())
    return msgspec.structs.replace(again, reset=batch.reset)
