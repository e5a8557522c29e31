"""Decodes the records of Gemini CLI's transcripts.

Functions derive token counts, labels of tools and the activity of the session from the records.
"""

import re
from collections.abc import Set as AbstractSet

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.model import NO_TOKENS, Signal, TokenCounts
from agtop_exporter.reading.decoding import Count, Moment

AT_WORK = frozenset({"validating", "scheduled", "executing"})  # states of a tool call
MCP_TOOL = re.compile(r"mcp_([^_]+)_.")  # mcp_<server>_<tool>
AWAITING = "awaiting_approval"
KNOWN_TYPES = frozenset({"error", "gemini", "info", "user", "warning"})  # types of messages


def _wire_name(name: str) -> str:
    special = {"change": "$set", "rewind_to": "$rewindTo"}
    head, *tail = name.split("_")
    return special.get(name) or head + "".join(part.capitalize() for part in tail)


class Anything(msgspec.Struct, gc=False):
    """An object of which only the presence is used. Its members are not decoded."""


class Part(msgspec.Struct, gc=False, rename=_wire_name):
    """One part of a message's content: a text, a thought or the result of a tool."""

    text: str | None = None
    thought: bool | None = None
    function_response: Anything | None = None


class Tokens(msgspec.Struct, gc=False):
    """The token counts of one API response.

    `input` includes `cached`. `thoughts` and `tool` are included only in `total`.
    """

    input: Count | None = 0
    output: Count | None = 0
    cached: Count | None = 0
    thoughts: Count | None = 0
    tool: Count | None = 0
    total: Count | None = 0


class ToolCall(msgspec.Struct, gc=False):
    """One tool call with its status."""

    id: str = ""
    name: str = ""
    status: str | None = None


class Message(msgspec.Struct, gc=False, rename=_wire_name):
    """One message of a session. `type` is one of KNOWN_TYPES, or a newer type."""

    id: str = ""
    timestamp: Moment | None = None
    type: str = ""
    content: str | Part | list[Part | str] | None = None
    tokens: Tokens | None = None
    model: str | None = None
    tool_calls: list[ToolCall] | None = None


class Conversation(msgspec.Struct, gc=False, rename=_wire_name):
    """The description of a session, with its messages.

    A JSON document of older versions is one Conversation. In a JSON Lines file, the first line is a
    Conversation without messages, and later records can contain changes of the description.
    """

    session_id: str | None = None
    start_time: Moment | None = None
    last_updated: Moment | None = None
    directories: list[str] | None = None
    summary: str | None = None
    messages: list[Message] | None = None


class Record(Conversation, gc=False, rename=_wire_name):
    """One line of a JSON Lines transcript.

    A line is one of these: the description of the session, a change of the description
    (`change`), a rewind of the conversation to an earlier message (`rewind_to`), or a message.
    """

    change: Conversation | None = None
    rewind_to: str | None = None
    id: str = ""
    timestamp: Moment | None = None
    type: str = ""
    content: str | Part | list[Part | str] | None = None
    tokens: Tokens | None = None
    model: str | None = None
    tool_calls: list[ToolCall] | None = None

    @property
    def is_about_session(self) -> bool:
        """Whether the record describes the session or changes it. Other records are messages."""
        return (
            self.session_id is not None
            or self.change is not None
            or self.rewind_to is not None
            or self.messages is not None
        )


def token_counts(tokens: Tokens | None) -> TokenCounts:
    """Return disjoint token counts.

    The returned input is `input - cached + tool`. The returned output is `output + thoughts`.
    """
    if tokens is None:
        return NO_TOKENS
    cached, thoughts = tokens.cached or 0, tokens.thoughts or 0
    return TokenCounts(
        input=max(0, (tokens.input or 0) - cached) + (tokens.tool or 0),
        cache_read=cached,
        output=(tokens.output or 0) + thoughts,
        reasoning=thoughts,
    )


def tool_name(name: str) -> str:
    """Return the label of a tool for metrics. All tools of one MCP server have the same label."""
    server = MCP_TOOL.match(name)
    return f"mcp:{server[1]}" if server else tool_label(name)


def typed_text(message: Message | Record) -> str:
    """Return the text of a message; "" if the message is the result of a tool."""
    content = message.content
    if isinstance(content, str):
        return content.strip()
    parts = content if isinstance(content, list) else [content] if content else []
    structured = [part for part in parts if isinstance(part, Part)]
    if any(part.function_response is not None for part in structured):
        return ""
    texts = [part if isinstance(part, str) else part.text or "" for part in parts]
    return " ".join(texts).strip()


def signal_of(message: Message | Record) -> Signal | None:
    """Return the activity of a session (such as running or idle), derived from its last message.

    Return None for a message that does not show the activity.
    """
    match message.type:
        case "user":
            return Signal("running", "", "gemini.user")
        case "gemini":
            return _signal_of_answer(message)
        case "error":
            return Signal("error", "error", "gemini.error")
        case "info" if "cancelled" in typed_text(message).lower():
            return Signal("idle", "", "gemini.cancelled")
        case _:
            return None


def _signal_of_answer(message: Message | Record) -> Signal:
    """Return the activity after an answer: idle at the end of a turn, otherwise running or waiting.

    Gemini CLI usually writes the tool calls of an answer after the calls have ended. Before that,
    the content is empty and the answer has no calls. A failed call is not an error of the session.
    """
    if message.tool_calls:
        return _signal_of_calls(message.tool_calls)
    if message.content == "":
        return Signal("running", "", "gemini.calling")
    return Signal("idle", "", "gemini.message")


def _signal_of_calls(calls: list[ToolCall]) -> Signal:
    states = {call.status for call in calls}
    if AWAITING in states:
        signal = Signal("waiting", "permission", "gemini.toolCalls.awaiting_approval")
        return signal.with_tool(_latest(calls, {AWAITING}))
    if states & AT_WORK:
        signal = Signal("running", "", "gemini.toolCalls.executing")
        return signal.with_tool(_latest(calls, AT_WORK))
    if states == {"cancelled"}:
        return Signal("idle", "", "gemini.toolCalls.cancelled")
    if states == {"success"} and calls[-1].name == "complete_task":  # a subagent has ended
        return Signal("idle", "", "gemini.complete_task")
    failed = [call.name for call in calls if call.status == "error"]
    return Signal("running", "", f"gemini.tool_error:{failed[0]}" if failed else "gemini.toolCalls")


def _latest(calls: list[ToolCall], statuses: AbstractSet[str]) -> str:
    """Return the label of the last tool call that has one of these statuses."""
    return next(tool_name(call.name) for call in reversed(calls) if call.status in statuses)
