"""The command line tool: `session-state/<id>/events.jsonl`, one log for a session and its agents.

`session.usage_record` tells of each request since about 1.0.90; what a compaction used is only in
`session.compaction_complete`. Older logs have nothing but the totals of `session.shutdown`.
"""

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.copilot.memory import Memory, remember
from agtop_exporter.agents.copilot.records import Data, Record, token_counts, totals_of
from agtop_exporter.agents.copilot.signals import KNOWN_TYPES, SIGNALS, signal
from agtop_exporter.agents.copilot.workspace import tool_workspace
from agtop_exporter.decoding import Errors
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.model import (
    PROMPT_RANK,
    Batch,
    Cursor,
    SessionUpdate,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.tail import LineReader, use_each

NAME = "copilot"
LOG = "events.jsonl"
NAMED_RANK = 5  # a name that the user gave
TITLE_RANK = 3
ASKING_TOOLS = frozenset({"ask_user", "exit_plan_mode"})


class _Reader:
    """Turns the records of one log into events and session updates.

    While a record is being used, `session`, `time` and `main` say where it stands.
    """

    def __init__(self, path: str, memory: Memory, errors: Errors) -> None:
        self.path = path
        self.memory = memory
        self.errors = errors
        self.main_id = session_id_of(path)
        self.events: list[UsageEvent] = []
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self.sessions: dict[str, SessionUpdate] = {}
        self.session = SessionUpdate(session_id="")
        self.time = 0.0
        self.main = True

    def take(self, record: Record, at: int) -> None:
        """Use one record, which lies at a byte offset."""
        data = record.data or Data()
        self.unknown.see(record.type)
        self._place(record)
        key = record.id or f"{self.main_id}:{at}"
        self._facts(data, at)
        match record.type:
            case "session.start" | "session.resume":
                self.memory.begin_run()
            case "session.usage_record":
                self._usage_record(data, key)
            case "session.compaction_complete":
                self._compaction(data, key)
            case "session.shutdown":
                self._shutdown(data, key)
            case "user.message":
                self._prompt(data, key)
            case "assistant.message":
                self._answer(data)
            case "tool.execution_start" | "tool.execution_complete":
                self._tool(record.type, data, key)
            case "subagent.started":
                self.session.entitle(data.agent_display_name or "", TITLE_RANK)
        self._follow(record.type)

    def _place(self, record: Record) -> None:
        session_id = record.agent_id or self.main_id
        self.main = session_id == self.main_id
        self.time = record.timestamp.timestamp() if record.timestamp else 0.0
        session = self.sessions.get(session_id)
        if session is None:
            session = self.sessions[session_id] = SessionUpdate(
                session_id=session_id,
                data_path=self.path,
                parent_session_id="" if self.main else self.main_id,
                cwd="" if self.main else self.memory.cwd,
            )
        self.session = session
        if self.time:
            session.seen(self.time)

    def _facts(self, data: Data, at: int) -> None:
        session = self.session
        model = data.new_model or data.selected_model
        session.model = model or session.model
        if self.main:
            self.memory.model = model or self.memory.model
        session.model_effort = data.reasoning_effort or session.model_effort
        session.agent_version = data.copilot_version or session.agent_version
        if data.context is not None:
            if not session.work_in(data.context.cwd):
                self.errors.add("schema", at)
            self.memory.cwd = self.memory.cwd or session.cwd
            session.git_branch = data.context.branch or session.git_branch

    # --- usage ------------------------------------------------------------------------------

    def _usage_record(self, data: Data, key: str) -> None:
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
        self.memory.take_record(call or "")
        # A subagent has an origin of its own; in the main chain another one tells of a copy.
        copied = self.main and origin not in ("", self.main_id)
        self._occur(f"request:{key}", model=session.model, tokens=counts, requests=1, copied=copied)

    def _compaction(self, data: Data, key: str) -> None:
        """Count a compaction, and its requests unless they have records of their own."""
        usage = data.compaction_tokens_used
        has_record = (data.request_id or "") in self.memory.requests
        counts = TokenCounts() if usage is None or has_record else token_counts(usage)
        requests = max(1, (usage.request_count if usage else None) or 0)
        if data.success is not False:
            self.memory.compact()
        self._occur(
            f"compaction:{key}",
            model=(usage.model if usage else None) or self.session.model or self.memory.model,
            tokens=counts,
            requests=requests if counts.total else 0,
            compactions=0 if data.success is False else 1,
        )

    def _shutdown(self, data: Data, key: str) -> None:
        """Count what has no usage records by the totals that a process writes at its end."""
        snapshot = data.accounting_snapshot
        metrics = snapshot.model_metrics if snapshot is not None else data.model_metrics
        over_all_runs = None if snapshot is None else True
        added = self.memory.shut_down(totals_of(metrics or {}), over_all_runs=over_all_runs)
        for model, (requests, counts) in added.items():
            if counts.total:
                place = f"shutdown:{key}:{model}"
                self._occur(place, model=model, tokens=counts, requests=max(1, requests))

    def _occur(  # noqa: PLR0913 - the fields of an event
        self,
        key: str,
        *,
        model: str = "",
        tokens: TokenCounts | None = None,
        requests: int = 0,
        turns: int = 0,
        compactions: int = 0,
        tools: tuple[tuple[str, str], ...] = (),
        tool_errors: tuple[tuple[str, str], ...] = (),
        copied: bool = False,
    ) -> None:
        self.events.append(
            UsageEvent(
                key=key,
                session_id=self.session.session_id,
                time=self.time,
                model=model,
                tokens=tokens or TokenCounts(),
                requests=requests,
                turns=turns,
                compactions=compactions,
                tools=tools,
                tool_errors=tool_errors,
                copied=copied,
            )
        )

    # --- turns, tools and state -------------------------------------------------------------

    def _prompt(self, data: Data, key: str) -> None:
        if self.main and data.source in (None, "", "user"):
            self.session.entitle(data.content or "", PROMPT_RANK)
            self._occur(f"prompt:{key}", turns=1)

    def _answer(self, data: Data) -> None:
        self.memory.take_answer(data.api_call_id or "")
        remember(self.memory.answered, self.session.session_id, value=not data.tool_requests)

    def _tool(self, kind: str, data: Data, key: str) -> None:
        session, call_id = self.session, data.tool_call_id or key
        if kind == "tool.execution_start":
            name = tool_name(data.tool_name or "", data.mcp_server_name or "")
            remember(self.memory.tools, call_id, value=name)
            self._occur(f"call:{key}", tools=((call_id, name),))
            asks = data.tool_name in ASKING_TOOLS
            session.signal = signal("waiting" if asks else "running", kind, "input" if asks else "")
            return
        session.signal = signal("running", kind)
        if data.success is False:
            failed = ((call_id, self.memory.tools.get(call_id, "unknown")),)
            self._occur(f"failure:{key}", tool_errors=failed)

    def _follow(self, kind: str) -> None:
        """Take the state from a record's type; a turn ends where no tool was asked for."""
        if kind == "assistant.turn_end":
            done = self.memory.answered.get(self.session.session_id, False)
            self.session.signal = signal("idle" if done else "running", kind)
        elif kind in SIGNALS:
            state, reason = SIGNALS[kind]
            self.session.signal = signal(state, kind, reason)


def tool_name(name: str, server: str) -> str:
    """Name a tool for a label; the tools of an MCP server are one: `server/tool` or by a field."""
    server = server or name.rpartition("/")[0]
    return f"mcp:{server}" if server else tool_label(name)


def session_id_of(path: str) -> str:
    """Name a session: by the folder of its log, or by the log itself in the oldest versions."""
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2] if name == LOG else name.removesuffix(".jsonl")


def _describe(session: SessionUpdate, path: str) -> None:
    """Take what only the workspace file knows."""
    known = tool_workspace(path)
    session.work_in(known.get("cwd"))
    session.git_branch = session.git_branch or known.get("branch", "")
    if known.get("user_named") == "true":
        session.entitle(known.get("name", ""), NAMED_RANK)


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one log. Raises OSError."""
    errors = Errors(path)
    with LineReader(path, cursor) as lines:
        memory = lines.memory(Memory)
        reader = _Reader(path, memory, errors)
        records = use_each(lines, Record, errors, reader.take)
        if path.endswith(LOG) and reader.main_id in reader.sessions:
            _describe(reader.sessions[reader.main_id], path)
        return lines.batch(
            NAME,
            errors=errors,
            records=records,
            memory=memory,
            events=reader.events,
            sessions=reader.sessions.values(),
            unknown=reader.unknown,
        )
