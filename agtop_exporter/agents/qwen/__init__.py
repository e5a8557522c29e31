"""Qwen Code: `<root>/projects/<folder>/chats/*.jsonl`, and subagents' logs beside them.

Seen with 0.24.4 and 0.15.10; the format is not documented, see tests/agents/qwen/README.
Says nothing of processes, and of the account reads only how it signs in.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import Agent, Environment, listed_roots, named_path, tool_label, walk
from agtop_exporter.agents.qwen.processes import SIGNATURE
from agtop_exporter.agents.qwen.records import (
    KNOWN_TYPES,
    RESPONSE,
    Figures,
    Record,
    SystemPayload,
    ToolCallResult,
    UiEvent,
    Usage,
    figures_of,
    token_counts,
)
from agtop_exporter.credentials import selected_sign_in
from agtop_exporter.decoding import Errors
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.model import (
    PROMPT_RANK,
    Batch,
    Cursor,
    SessionUpdate,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.tail import LineReader, use_each

NAME = "qwen"
CUSTOM_TITLE_RANK, GENERATED_TITLE_RANK = 5, 4
UNPAIRED_RESPONSES = 32  # of which the second record may still come
ASKING_TOOLS = frozenset({"ask_user_question", "exit_plan_mode"})
GUARDED_TOOLS = frozenset({"run_shell_command", "edit", "write_file"})  # ask, then run at once
SUBSCRIPTIONS = {  # by kind of authentication
    "anthropic": "Anthropic API key",
    "gemini": "Gemini API key",
    "openai": "OpenAI-compatible API key",
    "qwen-oauth": "Qwen account",
    "vertex-ai": "Vertex AI",
}
TYPED = (None, "mid_turn_user_message")  # subtypes of "user" that a user has typed


class Memory(msgspec.Struct, array_like=True):
    """What must be remembered of a transcript between two reads."""

    session_id: str = ""
    latest: float = 0.0
    model: str = ""
    unpaired: list[tuple[str, Figures]] = []  # type of record, figures
    tools: dict[str, str] = {}  # calls whose result may still come: id -> name


class _Reader:
    """Turns the records of one transcript into events and one session update."""

    def __init__(self, path: str, memory: Memory, errors: Errors) -> None:
        *_, above, folder, name = path.split("/")
        self.memory = memory
        self.errors = errors
        self.path = path
        self.parent = folder if above == "subagents" else ""
        self.stem = name.removesuffix(".jsonl") or name
        self.events: list[UsageEvent] = []
        self.subagents: dict[str, SessionUpdate] = {}  # that this session has told of
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self.session = SessionUpdate(
            session_id="",
            data_path=path,
            parent_session_id=self.parent,
            last_active=memory.latest or None,
            subagent=bool(self.parent),
        )
        self.time = 0.0
        self.copied = False

    def take(self, record: Record, at: int) -> None:
        """Use one record, which ends at a byte offset."""
        self.unknown.see(record.kind)
        self._place(record)
        if not self.session.work_in(record.cwd):
            self.errors.add("schema", at)
        key = record.uuid or f"{self.path}:{at}"
        match record.type:
            case "assistant":
                self._answer(record, key)
            case "user":
                self._user(record, key)
            case "tool_result":
                self._tool_result(record, key)
            case "system" if record.system_payload is not None:
                self._system(record, record.system_payload, key)

    def _place(self, record: Record) -> None:
        memory, session = self.memory, self.session
        if not self.parent:  # a subagent's records have the id of its parent
            memory.session_id = record.session_id or memory.session_id
        self.copied = record.forked_from is not None
        time = record.timestamp.timestamp() if record.timestamp else 0.0
        self.time = time or memory.latest
        if time and not self.copied:
            memory.latest = max(memory.latest, time)
            session.seen(time)
            session.git_branch = record.git_branch or session.git_branch
            session.agent_version = record.version or session.agent_version

    # --- usage ------------------------------------------------------------------------------

    def _respond(self, record: Record, usage: Usage, model: str, key: str) -> None:
        """Count a response by the first of its two records; they share nothing but figures.

        Of a subagent's log nothing counts: its parent's transcript has the telemetry of all, where
        each is the only record.
        """
        figures = figures_of(usage, model)
        for index, (kind, others) in enumerate(self.memory.unpaired):
            if kind != record.type and others == figures:
                del self.memory.unpaired[index]
                return
        self.memory.unpaired.append((record.type, figures))
        del self.memory.unpaired[:-UNPAIRED_RESPONSES]
        if self.parent or (self.copied and record.type == "assistant"):
            return  # a copy without its telemetry is counted where its original is
        self._occur(key, model=model, tokens=token_counts(usage))

    def _answer(self, record: Record, key: str) -> None:
        session = self.session
        self.memory.model = session.model = record.model or self.memory.model
        parts = (record.message.parts if record.message else None) or ()
        calls = [part.function_call for part in parts if part.function_call is not None]
        tools = tuple((call.id or key, tool_label(call.name or "")) for call in calls)
        if tools:
            self._occur(f"calls:{key}", tools=tools)
        self.memory.tools = dict(tools)
        if record.usage_metadata is not None:
            self._respond(record, record.usage_metadata, session.model, key)
            if not self.copied:
                session.fill(record.usage_metadata.total_token_count)
        session.context_window_tokens = record.context_window_size or session.context_window_tokens
        self._await("assistant.call" if tools else "assistant", "running" if tools else "idle")

    def _await(self, detail: str, kind: str) -> None:
        """Say that a call waits for the user; else what the session is doing.

        A guarded tool waits for a permission until a process of it is seen, or its result.
        """
        for name in self.memory.tools.values():
            if name in ASKING_TOOLS | GUARDED_TOOLS:
                reason = "input" if name in ASKING_TOOLS else "permission"
                self._signal("waiting", f"tool={name}", reason)
                return
        self._signal(kind, detail)

    def _system(self, record: Record, payload: SystemPayload, key: str) -> None:
        session = self.session
        event = payload.ui_event
        if event is not None and event.name == RESPONSE:
            model = event.model or self.memory.model
            if event.subagent:
                self._delegate(event, model, key)
            else:
                self._respond(record, event.usage, model, key)
        elif record.subtype == "custom_title":
            generated = payload.title_source == "auto"
            rank = GENERATED_TITLE_RANK if generated else CUSTOM_TITLE_RANK
            session.entitle(payload.custom_title or "", rank)
        elif record.subtype == "parent_session":
            session.parent_session_id = payload.parent_session_id or session.parent_session_id
        elif record.subtype == "chat_compression":
            self._occur(f"compaction:{key}", compactions=1)
        elif record.subtype == "rewind":
            self._signal("idle", "system.rewind")

    def _delegate(self, event: UiEvent, model: str, key: str) -> None:
        """Count a response for the subagent that it went to, whose log is named after its id."""
        name = f"agent-{event.subagent}"
        told = SessionUpdate(
            session_id=name,
            parent_session_id=self.session_id,
            cwd=self.session.cwd,
            model=model,
            signal=Signal("idle", "", "telemetry"),  # some have no log that would tell more
        )
        if not self.copied:
            self.subagents.setdefault(name, told).seen(self.time)
        self._occur(key, model=model, tokens=token_counts(event.usage), session_id=name)

    # --- turns, tools and state -------------------------------------------------------------

    def _user(self, record: Record, key: str) -> None:
        parts = (record.message.parts if record.message else None) or ()
        text = " ".join(part.text or "" for part in parts).strip()
        self._signal("running", "user")
        if not text or record.subtype not in TYPED:
            return
        if not self.copied:
            self.session.entitle(text, PROMPT_RANK)
        if not self.parent:
            self._occur(f"prompt:{key}", turns=1)

    def _tool_result(self, record: Record, key: str) -> None:
        result = record.tool_call_result or ToolCallResult()
        call_id = result.call_id or key
        name = self.memory.tools.pop(call_id, "unknown")
        if result.status == "error":
            self._occur(f"failure:{key}", tool_errors=((call_id, name),))
        cancelled = result.status == "cancelled"
        self._await(f"tool_result.{result.status}", "idle" if cancelled else "running")

    def _signal(self, kind: str, detail: str, reason: str = "") -> None:
        if not self.copied:
            self.session.signal = Signal(kind, reason, detail)

    def _occur(  # noqa: PLR0913 - one event, whatever it is of
        self,
        key: str,
        *,
        session_id: str = "",
        model: str = "",
        tokens: TokenCounts | None = None,
        turns: int = 0,
        compactions: int = 0,
        tools: tuple[tuple[str, str], ...] = (),
        tool_errors: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.events.append(
            UsageEvent(
                key=key,
                session_id=session_id or self.session_id,
                time=self.time,
                model=model,
                tokens=tokens or TokenCounts(),
                requests=int(tokens is not None),
                turns=turns,
                compactions=compactions,
                tools=tools,
                tool_errors=tool_errors,
                copied=self.copied,
            )
        )

    @property
    def session_id(self) -> str:
        """The session of the transcript; without a record that names it, by its file."""
        return self.memory.session_id or self.stem


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one transcript. Raises OSError."""
    errors = Errors(path)
    with LineReader(path, cursor) as lines:
        memory = lines.memory(Memory)
        reader = _Reader(path, memory, errors)
        records = use_each(lines, Record, errors, reader.take)
        reader.session.session_id = reader.session_id
        return lines.batch(
            NAME,
            errors=errors,
            records=records,
            memory=memory,
            events=reader.events,
            sessions=(reader.session, *reader.subagents.values()) if records else (),
            unknown=reader.unknown,
        )


def user_folder(home: Path, environment: Environment) -> Path:
    """Return the folder of the user's settings."""
    named = environment.get("QWEN_HOME")
    return named_path(named) if named else home / ".qwen"


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the project folders of every data directory."""
    return listed_roots(
        environment, "QWEN_RUNTIME_DIR", user_folder(home, environment), below="projects"
    )


def plan(home: Path, environment: Environment) -> str:
    """Name what pays for the tokens, by how the user signs in."""
    settings = user_folder(home, environment) / "settings.json"
    return SUBSCRIPTIONS.get(selected_sign_in(settings), "")


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the transcripts: `<project>/chats/*` and `<project>/subagents/<session>/*`."""
    return walk(root, suffix=".jsonl", depth=3)


AGENT = Agent(
    name=NAME,
    title="Qwen Code",
    roots=roots,
    files=files,
    read=read,
    plan=plan,
    signature=SIGNATURE,
    aliases=("qwen-code",),
    known_types=KNOWN_TYPES,
    not_in_files=(
        "suggestions of what to type next, requests that failed, cache writes, rate limits; before "
        "0.24 the tokens of sub-agents apart from their parent's"
    ),
)
