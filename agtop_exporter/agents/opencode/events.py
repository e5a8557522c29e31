"""Creates the events of prompts and tool calls, and derives activity signals from messages.

The module `usage` creates the events of responses. Nothing here does I/O.
"""

import re
from collections.abc import Iterable

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.opencode.records import Message, Part
from agtop_exporter.model import Signal, UsageEvent
from agtop_exporter.reading.decoding import seconds_of

# Versions whose output includes reasoning. Preview builds of any age are 0.0.0.
REASONING_INSIDE = re.compile(r"^(?!0\.0\.0-)(0|1\.[01])\.")
ASKING_TOOLS = frozenset({"question", "plan_exit"})
GUARDED_TOOLS = frozenset(
    {"bash", "edit", "write", "apply_patch"}
)  # these tools ask for permission, and then run immediately
UNSETTLED = frozenset({"pending", "running"})
CALLED = "tool-calls"  # finish reason of a response that calls tools
PROVIDER_PREFIX = re.compile(r"(anthropic|openai|github-copilot|amazon-bedrock|opencode)[/.]")


class Context(msgspec.Struct, frozen=True):
    """The facts about a session that are needed to interpret its messages."""

    session_id: str
    parent_id: str = ""
    created: float = 0.0  # messages before this time are copies from the origin of the fork
    version: str = ""
    legacy: bool = False  # stored as JSON files, by versions up to 1.1

    @property
    def reasoning_inside(self) -> bool:
        """Whether output tokens include reasoning tokens, according to the version of OpenCode."""
        return self.legacy or bool(REASONING_INSIDE.match(self.version))


def without_version(context: Context) -> Context:
    """Return the context for a message whose output tokens exclude reasoning tokens.

    The version of the session is ignored. An example is a message of OpenCode 2 in a session that
    an earlier version created.
    """
    return msgspec.structs.replace(context, version="")


def is_copy(time: float, context: Context) -> bool:
    """Return whether a record is a copy in a forked session.

    A copy is older than its session. `time` is the time of the record in unix seconds.
    """
    return 0 < time < context.created


def prompt_event(context: Context, message_id: str, time: float) -> UsageEvent:
    """Return the event of a prompt that a user typed."""
    return UsageEvent(key=f"prompt:{message_id}", session_id=context.session_id, time=time, turns=1)


def tool_event(part: Part, context: Context, message_id: str, time: float) -> UsageEvent | None:
    """Return the event of a tool call; None if the call has not started.

    The event key consists of the id and the start time of the call, which a copy of the call keeps.
    `time` is the time of the event if the start time is unknown. Returns None if `part` is no tool
    call.
    """
    state = part.state
    if (
        part.type != "tool"
        or state is None
        or state.status not in ("running", "completed", "error")
    ):
        return None
    start = seconds_of(state.time.start if state.time else None)
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
    """Return the event of a tool call for which there is no record.

    The finish reason of the message `message_id` shows that there was such a call.
    """
    return UsageEvent(
        key=f"call:{message_id}",
        session_id=context.session_id,
        time=time,
        tools=((message_id, tool_label("")),),
        copied=is_copy(time, context),
    )


def provider_of(message: Message) -> str:
    """Return the provider of a response; "" if the provider is unknown.

    In older versions, the name of the model starts with the provider.
    """
    if message.provider:
        return message.provider
    named = PROVIDER_PREFIX.match(message.model_name)
    return named[1] if named else ""


def typed_text(parts: Iterable[Part]) -> str | None:
    """Return the text that the user typed; None if OpenCode itself wrote all parts."""
    texts, has_synthetic = [], False
    for part in parts:
        if part.type == "compaction" or part.synthetic:
            has_synthetic = True
        else:
            texts.append((part.text or "") if part.type == "text" else "")
    return " ".join(texts).strip() if texts or not has_synthetic else None


def signal_of(message: Message, parts: Iterable[Part]) -> Signal:
    """Return the activity signal of a session: running, waiting, idle or error.

    `message` is the newest message of the session. `parts` are the parts of the message.
    """
    if message.role == "user":
        return Signal("running", "", "user.message")
    if message.role == "compaction" and message.status == "running":
        return Signal("running", "", "compaction")
    if message.error is not None:
        name = message.error.name or message.error.type or "error"
        if "abort" in name.lower():
            return Signal("idle", "", name)
        return Signal("error", name, "message.error")
    if message.open:
        unsettled = [part for part in parts if part.state and part.state.status in UNSETTLED]
        waits = (_wait_of(part) for part in unsettled)
        tools = [tool_label(part.tool or part.name or "") for part in unsettled]
        running = Signal("running", "", "message.open").with_tool(tools[-1] if tools else "")
        return next(filter(None, waits), running)
    kind = "running" if message.finish == CALLED else "idle"
    return Signal(kind, "", f"finish={message.finish}" if message.finish else f"{message.role}")


def _wait_of(part: Part) -> Signal | None:
    """Return the activity signal of a tool call without a result that waits for the user.

    Returns None if the call does not wait for the user.
    """
    tool, state = part.tool or part.name or "", part.state
    if tool in ASKING_TOOLS:
        return Signal("waiting", "input", f"tool={tool}").with_tool(tool)
    if (
        tool in GUARDED_TOOLS
        and state is not None
        and state.status == "running"
        and state.metadata is None
    ):
        return Signal("waiting", "permission", f"tool={tool}").with_tool(tool)
    return None
