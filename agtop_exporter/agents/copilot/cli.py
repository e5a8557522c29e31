"""Parses the event logs of the command line tool, `session-state/<session id>/events.jsonl`.

A log has the records of one session and of its subagents. Since about version 1.0.90, each request
to a model has a `session.usage_record`. The usage of a compaction is in
`session.compaction_complete`.

Older logs have no usage records. They have the output tokens of each answer, and the total tokens
of a process in `session.shutdown`. The output tokens are counted until the total tokens are
written.

`store.py` reads the same requests from a database. `usage.py` ensures that a request is counted
only once.
"""

from zlib import crc32

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.copilot.logs import LOG, writes_records
from agtop_exporter.agents.copilot.records import Data, Record
from agtop_exporter.agents.copilot.rows import AUTO
from agtop_exporter.agents.copilot.signals import KNOWN_TYPES, SIGNALS, signal
from agtop_exporter.agents.copilot.state import LogState, remember
from agtop_exporter.agents.copilot.usage import UsageParser
from agtop_exporter.agents.copilot.workspace import tool_workspace
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.state import UNDECODABLE_STATE

NAME = "copilot"
NAMED_RANK = 5  # a name that the user gave
TITLE_RANK = 3
# types of records at the start of a process
STARTS = frozenset({"session.start", "session.resume"})
RUNS = STARTS | {"session.shutdown", "session.compaction_complete"}  # few in a session
REQUESTS = frozenset({"session.usage_record", "assistant.message"})
WITH_MODEL = frozenset({"assistant.message", "tool.execution_start", "tool.execution_complete"})
ASKING_TOOLS = frozenset({"ask_user", "exit_plan_mode"})
TURN_STARTS = STARTS | {"user.message", "assistant.turn_start"}


class LogParser(UsageParser):
    """Parser of one log, which converts its records to events and session updates."""

    known_types = KNOWN_TYPES

    def feed(self, record: Record, offset: int) -> None:
        """Process one record, unless it repeats an earlier record of the log.

        `offset` is the byte offset after the record.
        """
        self.batch.unknown.observe(record.type)
        if not self._repeats(record):
            self.use(record, offset)

    def _repeats(self, record: Record) -> bool:
        """Return whether a record has the same id as an earlier record.

        Only records that change the usage sums are compared.
        """
        if record.id is None or record.timestamp is None:
            return False
        if record.type in RUNS:
            seen = self.state.seen_runs
        elif record.type in REQUESTS:
            seen = self.state.seen_requests
        else:
            return False
        # If the clock was set back, a record that looks forgotten can be new. The totals of its
        # process contain it, except for a usage record; the ledger knows that by its key.
        size = None if record.type == "session.usage_record" else 0
        return seen.repeats(crc32(record.id.encode()), record.timestamp.timestamp(), size)

    def use(self, record: Record, offset: int) -> None:
        """Process one record that repeats no earlier record.

        `offset` is the byte offset after the record.
        """
        data = record.data or Data()
        self._select_session(record)
        key = record.id or f"{self.main_id}:{offset}"
        self._handle_metadata(data, offset)
        if record.type in WITH_MODEL and self.main and not data.parent_tool_call_id:
            self._handle_model_in_use(data.model or "")
        match record.type:
            case "session.start" | "session.resume":
                self._begin_run(record.type, data)
            case "session.usage_record":
                self.handle_usage_record(data, key)
            case "session.compaction_complete":
                self.handle_compaction(data, key)
            case "session.shutdown":
                self.handle_shutdown(data, key)
            case "user.message":
                self._handle_prompt(data, key)
            case "assistant.message":
                self.handle_answer(data, key)
            case "tool.execution_start" | "tool.execution_complete":
                self._handle_tool(record.type, data, key)
            case "subagent.started":
                self.session.set_title(data.agent_display_name or "", TITLE_RANK)
        self._set_signal(record.type)

    def _select_session(self, record: Record) -> None:
        session_id = record.agent_id or self.main_id
        self.main = session_id == self.main_id
        # the calls of subagents are not stored, so only their latest record shows a tool
        self.open_calls = self.state.open_calls if self.main else OpenCalls()
        self.time = record.timestamp.timestamp() if record.timestamp else 0.0
        session = self.session = self.batch.session(
            session_id,
            parent_session_id="" if self.main else self.main_id,
            cwd="" if self.main else self.state.main_cwd,
        )
        self._set_copied(record)
        if self.time and not self.copied:
            session.observe_time(self.time)

    def _set_copied(self, record: Record) -> None:
        """Set whether the current record is a copy of another session's record.

        The log of a fork starts with `session.start`, which has the time of the fork. The records
        of the other session follow unchanged, so they are older (seen in the code of 1.0.60).
        """
        state = self.state
        self.copied = 0 < self.time < state.forked_at
        if not self.copied:
            is_first = record.type == "session.start" and not state.runs and not state.last_totals
            state.forked_at = self.time if is_first else 0.0

    def _handle_metadata(self, data: Data, offset: int) -> None:
        """Set the session's model, effort, version and working directory from a record of any type.

        `offset` is the byte offset that is reported if the working directory is invalid.
        """
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

    def _handle_model_in_use(self, model: str) -> None:
        """Set the model of the main session, unless an earlier record has shown the model.

        `model` is the model in a message or a tool call.
        """
        if model and self.state.main_model in ("", AUTO):
            self.session.model = self.state.main_model = model
            self.name_answers(model)

    def _begin_run(self, kind: str, data: Data) -> None:
        state = self.state
        if kind == "session.start" and not state.runs and not state.last_totals:
            state.complete = True
        if data.copilot_version:
            state.writes_records = writes_records(data.copilot_version)
        state.begin_run()

    # --- turns, tools and state -------------------------------------------------------------

    def _handle_prompt(self, data: Data, key: str) -> None:
        if self.main and data.source in (None, "", "user"):
            self.session.set_title(data.content or "", PROMPT_RANK)
            self.add_event(f"prompt:{key}", turns=1)

    def _handle_tool(self, kind: str, data: Data, key: str) -> None:
        session, call_id = self.session, data.tool_call_id or key
        if kind == "tool.execution_start":
            name = tool_name(data.tool_name or "", data.mcp_server_name or "")
            remember(self.state.calls, call_id, value=name)
            self.add_event(f"call:{key}", tools=((call_id, name),))
            self.open_calls.begin(((call_id, name),))
            asks = data.tool_name in ASKING_TOOLS
            activity = signal("waiting" if asks else "running", kind, "input" if asks else "")
            session.signal = activity.with_tool(name)
            return
        self.open_calls.end(call_id)
        session.signal = signal("running", kind).with_tool(self.open_calls.tool)
        if data.success is False:
            failed = ((call_id, self.state.calls.get(call_id, "unknown")),)
            self.add_event(f"failure:{key}", tool_errors=failed)

    def _set_signal(self, kind: str) -> None:
        """Set the activity signal of the session, such as running.

        `kind` is the type of the current record, which shows the activity.

        At the end of a turn, the session is idle if the last answer has no tool calls.
        """
        if kind == "assistant.turn_end":
            done = self.state.answered.get(self.session.session_id, False)
            self.session.signal = signal("idle" if done else "running", kind)
        elif kind in SIGNALS:
            state, reason = SIGNALS[kind]
            if kind in TURN_STARTS:
                self.open_calls.clear()
            self.session.signal = signal(state, kind, reason).with_tool(self.open_calls.tool)

    # --- the end ----------------------------------------------------------------------------

    def finish(self) -> None:
        """Add the facts about the main session in `workspace.yaml`, a file beside the log.

        Subagents get the working directory of the main session.
        """
        session = self.batch.sessions.get(self.main_id)
        for each in self.batch.sessions.values():
            each.work_in(self.state.main_cwd)
        if session is None or not self.path.endswith(LOG):
            return
        known = tool_workspace(self.path)
        session.work_in(known.get("cwd"))
        session.git_branch = session.git_branch or known.get("branch", "")
        if known.get("user_named") == "true":
            session.set_title(known.get("name", ""), NAMED_RANK)


class RewrittenLogParser(LogParser):
    """Parser of a log that was rewritten, and is therefore read again from its start.

    Some records that were already counted are no longer in the log. The usage sums of the remaining
    records are therefore too small.
    """

    def __init__(self, batch: BatchBuilder, state: LogState) -> None:
        super().__init__(batch, state)
        state.rewritten = True


def tool_name(name: str, server: str) -> str:
    """Return the label of a tool. All tools of an MCP server have the label `mcp:<server>`.

    If `server` is empty, the name of the server is the part of `name` before the last slash.
    """
    server = server or name.rpartition("/")[0]
    return f"mcp:{server}" if server else tool_label(name)


def read(path: str, cursor: Cursor) -> Batch:
    """Read the records after `cursor` in one log. Raises OSError.

    A log that was rewritten is read from its start.
    """
    batch = read_jsonl(NAME, LogParser, path, cursor)
    if batch.reset in ("", UNDECODABLE_STATE) or not cursor.offset:
        return batch
    again = read_jsonl(NAME, RewrittenLogParser, path, Cursor())
    return msgspec.structs.replace(again, reset=batch.reset)
