"""What the records of OpenCode say: usage and state.

Nothing here does I/O.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.opencode.records import Message, Part, seconds
from agtop_exporter.decoding import Errors
from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    SessionUpdate,
    Signal,
    TokenCounts,
    UsageEvent,
)

NAME = "opencode"
TITLE_RANK = 3
GIVEN_TITLE = re.compile(r"^(New|Child) session - ")  # until a model has made a better one
REASONING_INSIDE = re.compile(r"^(0|1\.[01])\.")  # versions whose output contains reasoning
ASKING_TOOLS = frozenset({"question", "plan_exit"})
GUARDED_TOOLS = frozenset({"bash", "edit", "write", "apply_patch"})  # ask first, then begin at once
UNSETTLED = frozenset({"pending", "running"})
CALLED = "tool-calls"  # how a response ends that asked for tools
PROVIDER_PREFIX = re.compile(r"(anthropic|openai|github-copilot|amazon-bedrock|opencode)[/.]")
COMPACTED = msgspec.Raw(b"true")
MAX_COST_USD = 1e6  # of one response; more is no cost


class Context(msgspec.Struct, frozen=True):
    """What must be known of a session to read its messages."""

    session_id: str
    parent_id: str = ""
    created: float = 0.0  # older messages were copied from the session that it was forked from
    version: str = ""
    legacy: bool = False  # JSON files, which only versions up to 1.1 write

    @property
    def reasoning_inside(self) -> bool:
        """Output contains reasoning where a message itself does not show it."""
        return self.legacy or bool(REASONING_INSIDE.match(self.version))


def usage_event(
    message: Message, context: Context, message_id: str, counts: TokenCounts
) -> UsageEvent | None:
    """Return the event of a response; None while it is generated, and where it was never billed.

    A fork copies messages under new ids, so the event's name is what a copy keeps.
    """
    vector = message.vector
    if message.role != "assistant" or not (any(vector) or message.finish):
        return None
    created, model, provider = message.created, message.model_name, message.provider
    figures = ":".join(map(str, vector))
    origin = f"{created:.3f}:{provider}" if created else message_id
    # Where output contains reasoning, OpenCode charged for reasoning twice.
    charged_twice = counts.reasoning and counts.output == vector[1]
    return UsageEvent(
        key=f"response:{origin}:{model}:{figures}",
        session_id=context.session_id,
        time=created,
        model=model,
        tokens=counts,
        requests=1,
        compactions=1 if message.summary == COMPACTED else 0,
        copied=is_copy(created, context),
        provider=provider,
        reported_cost=None if charged_twice else picodollars(message.cost),
    )


def is_copy(time: float, context: Context) -> bool:
    """Tell whether a record is older than its session, as only those of a fork are."""
    return 0 < time < context.created


def token_counts(message: Message, context: Context) -> TokenCounts:
    """Make the counts disjoint; a cache write of unknown lifetime is 5 minutes."""
    uncached, output, reasoning, read, write = message.vector
    if reasoning and not holds_reasoning(message, context):
        output += reasoning
    return TokenCounts(
        input=uncached,
        cache_read=read,
        cache_write_5m=write,
        output=output,
        reasoning=reasoning,
    )


def holds_reasoning(message: Message, context: Context) -> bool:
    """Tell whether output contains reasoning: by the message's total, else by the version."""
    values = message.vector
    total = message.tokens.total if message.tokens else None
    reasoning, everything = values[2], sum(values)
    if total == everything:
        return False
    if total == everything - reasoning:
        return True
    return context.reasoning_inside and reasoning <= values[1]


def picodollars(cost_usd: float | None) -> int | None:
    """Return what OpenCode says that a response cost; None where it does not know."""
    if cost_usd is None or not 0 < cost_usd < MAX_COST_USD:
        return None
    return round(cost_usd * PICODOLLARS_PER_USD)


def prompt_event(context: Context, message_id: str, time: float) -> UsageEvent:
    """Return the event of a prompt that a user typed."""
    return UsageEvent(key=f"prompt:{message_id}", session_id=context.session_id, time=time, turns=1)


def compaction_event(context: Context, message_id: str, time: float) -> UsageEvent:
    """Return the event of a compaction that is a record of its own."""
    return UsageEvent(
        key=f"compaction:{message_id}",
        session_id=context.session_id,
        time=time,
        compactions=1,
        copied=is_copy(time, context),
    )


def tool_event(part: Part, context: Context, message_id: str, time: float) -> UsageEvent | None:
    """Return the event of a tool call; None before it has begun. Copies keep its id and start."""
    state = part.state
    if (
        part.type != "tool"
        or state is None
        or state.status not in ("running", "completed", "error")
    ):
        return None
    start = seconds(state.time.start if state.time else None)
    call = (part.call_id or part.id or message_id, tool_label(part.tool or part.name or ""))
    origin = f"{start:.3f}" if start else message_id
    return UsageEvent(
        key=f"call:{call[0]}:{origin}",
        session_id=context.session_id,
        time=start or time,
        tools=(call,),
        tool_errors=(call,) if state.status == "error" else (),
        copied=is_copy(start or time, context),
    )


def unnamed_call(context: Context, message_id: str, time: float) -> UsageEvent:
    """Return the event of a call that only the end of its message tells, where parts are not."""
    return UsageEvent(
        key=f"call:{message_id}",
        session_id=context.session_id,
        time=time,
        tools=((message_id, tool_label("")),),
        copied=is_copy(time, context),
    )


def provider_of(message: Message) -> str:
    """Name the provider of a response: in older versions, by what its model's name begins with."""
    if message.provider:
        return message.provider
    named = PROVIDER_PREFIX.match(message.model_name)
    return named[1] if named else ""


def typed_text(parts: Iterable[Part]) -> str | None:
    """Return what the user typed; None where OpenCode itself wrote all the parts."""
    texts, seen = [], False
    for part in parts:
        if part.type == "compaction" or part.synthetic:
            seen = True
        else:
            texts.append((part.text or "") if part.type == "text" else "")
    return " ".join(texts).strip() if texts or not seen else None


def signal_of(message: Message, parts: Iterable[Part]) -> Signal:
    """Say what a session is doing whose newest message this is."""
    if message.role == "user":
        return Signal("running", "", "user.message")
    if message.error is not None:
        name = message.error.name or message.error.type or "error"
        if "abort" in name.lower():
            return Signal("idle", "", name)
        return Signal("error", name, "message.error")
    if message.open:
        waits = (_wait_of(part) for part in parts)
        return next(filter(None, waits), Signal("running", "", "message.open"))
    kind = "running" if message.finish == CALLED else "idle"
    return Signal(kind, "", f"finish={message.finish}" if message.finish else f"{message.role}")


def _wait_of(part: Part) -> Signal | None:
    """Say what a tool call waits for; None where it waits for nothing."""
    tool, state = part.tool or part.name or "", part.state
    if state is None or state.status not in UNSETTLED:
        return None
    if tool in ASKING_TOOLS:
        return Signal("waiting", "input", f"tool={tool}")
    if tool in GUARDED_TOOLS and state.status == "running" and state.metadata is None:
        return Signal("waiting", "permission", f"tool={tool}")
    return None


class Sightings:
    """What one read has found of the sessions: one update each, the newest message last."""

    def __init__(self, data_path: str, accounts: Mapping[str, str], errors: Errors) -> None:
        """Begin; `accounts` are what pays for each provider."""
        self.data_path = data_path
        self._errors = errors
        self._accounts = accounts
        self.sessions: dict[str, SessionUpdate] = {}
        self._newest: dict[str, float] = {}  # the latest response with a model, by session

    def session(self, session_id: str) -> SessionUpdate:
        """Return the update of a session."""
        known = self.sessions.get(session_id)
        if known is None:
            known = SessionUpdate(session_id=session_id, data_path=self.data_path)
            self.sessions[session_id] = known
        return known

    def answered(self, message: Message, context: Context, counts: TokenCounts) -> None:
        """Take the model and the context in use from a response, also from a copied one."""
        session, created = self.session(context.session_id), message.created
        if created < self._newest.get(context.session_id, 0.0):
            return
        self._newest[context.session_id] = created
        session.model = message.model_name or session.model
        account = self._accounts.get(provider_of(message), "")
        session.subscription = account or session.subscription
        session.fill(counts.total)

    def describe(
        self,
        context: Context,
        *,
        directory: str,
        title: str,
        created: float | None,
        updated: float | None,
    ) -> None:
        """Take the facts of a session's own record."""
        session = self.session(context.session_id)
        session.parent_session_id = context.parent_id
        if not session.work_in(directory):
            self._errors.add("schema", 0)
        session.agent_version = context.version
        if not GIVEN_TITLE.match(title):
            session.entitle(title, TITLE_RANK)
        for time in (created, updated):
            if time is not None:
                session.seen(time)
