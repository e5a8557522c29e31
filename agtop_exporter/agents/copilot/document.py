"""A session of Copilot Chat, and the log of changes that makes one.

The log begins with the whole document and goes on with what was set, pushed or deleted in it:
https://github.com/microsoft/vscode/blob/main/src/vs/workbench/contrib/chat/common/model/objectMutationLog.ts
Nothing here does I/O.
"""

import msgspec

from agtop_exporter.decoding import Count, Errors, decoder
from agtop_exporter.drift import UnknownTypes

INITIAL, SET, PUSH, DELETE = range(4)  # kinds of changes
KNOWN_TYPES = frozenset(f"change.{kind}" for kind in (INITIAL, SET, PUSH, DELETE))


class Shared(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
    """Members keep the names that the change log calls them by."""


class Part(Shared):
    """One part of a response; most are text, of which nothing is kept."""

    kind: str | None = None
    tool_call_id: str | None = None
    tool_id: str | None = None
    is_used: bool | None = None  # an answered question
    is_complete: bool | None = None


class ToolCall(Shared):
    """A call within a round."""

    id: str | None = None
    name: str | None = None


class Round(Shared):
    """One request of the agent's loop, as told when it ends."""

    tool_calls: list[ToolCall] | None = None


class Metadata(Shared):
    """What Copilot adds to a result."""

    prompt_tokens: Count | None = None
    output_tokens: Count | None = None
    resolved_model: str | None = None
    tool_call_rounds: list[Round] | None = None


class ErrorDetails(Shared):
    """Why a request failed."""

    code: str | None = None


class Timings(Shared):
    """Milliseconds."""

    total_elapsed: float | None = None


class Result(Shared):
    """How a request ended."""

    metadata: Metadata | None = None
    error_details: ErrorDetails | None = None
    timings: Timings | None = None


class Text(Shared):
    """A prompt."""

    text: str | None = None


class ModelState(Shared):
    """How far a response is."""

    value: int | None = None
    completed_at: float | None = None


class Request(Shared):
    """A prompt with its response."""

    request_id: str | None = None
    timestamp: float | None = None
    model_id: str | None = None
    message: str | Text | None = None
    response: list[Part] | None = None
    result: Result | None = None
    model_state: ModelState | None = None
    is_canceled: bool | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None


class SelectedModel(Shared):
    """The model that was chosen for the next request."""

    identifier: str | None = None


class InputState(Shared):
    """What stands in the input box."""

    selected_model: SelectedModel | None = None


class Chat(Shared):
    """A session, of which only what matters is kept."""

    session_id: str | None = None
    creation_date: float | None = None
    last_message_date: float | None = None
    custom_title: str | None = None
    input_state: InputState | None = None
    requests: list[Request] | None = None


class Change(msgspec.Struct, gc=False):
    """One line of the log: `k` is a path, `v` a value, `i` where a list is cut first."""

    kind: int | None = None
    k: list[str | int] | None = None
    v: msgspec.Raw = msgspec.Raw()
    i: int | None = None


CHAT_FIELDS = {field.encode_name: field.name for field in msgspec.structs.fields(Chat)}
REQUEST_FIELDS = {field.encode_name: field.name for field in msgspec.structs.fields(Request)}


class Replay:
    """The document that a log of changes makes; None before its first record."""

    def __init__(self, chat: Chat | None, errors: Errors) -> None:
        self.chat = chat
        self._errors = errors
        self._as_chat = decoder(Chat, errors)
        self._as_request = decoder(Request, errors)
        self.unknown = UnknownTypes(KNOWN_TYPES)

    def apply(self, change: Change, at: int) -> None:
        """Make one change; one that fits nothing is counted as `schema`."""
        self.unknown.see("" if change.kind is None else f"change.{change.kind}")
        path = change.k or []
        if change.kind == INITIAL:
            self.chat = self._as_chat(memoryview(change.v), at)
        elif self.chat is None or not path or change.kind not in (SET, PUSH, DELETE):
            self._errors.add("schema", at)
        elif path[0] == "requests" and len(path) > 1:
            self._change_request(self.chat, path, change, at)
        else:
            self._change_chat(self.chat, path, change, at)

    def _change_chat(self, chat: Chat, path: list[str | int], change: Change, at: int) -> None:
        name = CHAT_FIELDS.get(str(path[0]))
        if name is None:
            return  # of no interest
        given = self._as_chat(nested(path, change.v), at) if len(change.v) else None
        value = getattr(given, name, None)
        if change.kind == PUSH:
            value = [*cut(getattr(chat, name), change.i), *(value or ())]
        setattr(chat, name, value)

    def _change_request(self, chat: Chat, path: list[str | int], change: Change, at: int) -> None:
        requests, index = chat.requests or [], path[1]
        if not isinstance(index, int) or not 0 <= index < len(requests):
            self._errors.add("schema", at)
            return
        if len(path) == 2:  # noqa: PLR2004 - the request itself
            new = self._as_request(memoryview(change.v), at) if len(change.v) else None
            requests[index] = new or Request()
            return
        name = REQUEST_FIELDS.get(str(path[2]))
        if name is None or (name == "response" and len(path) > 3):  # noqa: PLR2004 - within a part
            return
        given = self._as_request(nested(path[2:], change.v), at) if len(change.v) else None
        value = getattr(given, name, None)
        if change.kind == PUSH:
            value = [*cut(getattr(requests[index], name), change.i), *(value or ())]
        setattr(requests[index], name, value)


def cut(items: object, length: int | None) -> list[object]:
    """Return the items that stay when others are pushed."""
    kept = items if isinstance(items, list) else []
    return kept if length is None else kept[: max(0, length)]


def nested(path: list[str | int], value: msgspec.Raw) -> memoryview:
    """Return the document that has nothing but a value at a path."""
    for step in reversed(path):
        value = msgspec.Raw(b"{%s:%s}" % (msgspec.json.encode(str(step)), bytes(value)))
    return memoryview(value)
