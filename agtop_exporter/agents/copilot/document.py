"""A session of Copilot Chat, and the log of changes that makes one.

The log begins with the whole document and continues with what was set, pushed or deleted in it:
https://github.com/microsoft/vscode/blob/main/src/vs/workbench/contrib/chat/common/model/objectMutationLog.ts
Nothing here does I/O.
"""

import msgspec

from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import Count, decoder
from agtop_exporter.reading.state import ReaderState

INITIAL, SET, PUSH, DELETE = range(4)  # kinds of changes
KNOWN_TYPES = frozenset(f"change.{kind}" for kind in (INITIAL, SET, PUSH, DELETE))


class Shared(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
    """Base class: members have the names that the change log uses."""


class Part(Shared):
    """One part of a response; text is not kept."""

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
    """One request of the agent's loop."""

    tool_calls: list[ToolCall] | None = None


class Metadata(Shared):
    """Copilot's own data in a result."""

    prompt_tokens: Count | None = None
    output_tokens: Count | None = None
    resolved_model: str | None = None
    tool_call_rounds: list[Round] | None = None


class ErrorDetails(Shared):
    """The reason why a request failed."""

    code: str | None = None


class Timings(Shared):
    """Milliseconds."""

    total_elapsed: float | None = None


class Result(Shared):
    """The result of a request."""

    metadata: Metadata | None = None
    error_details: ErrorDetails | None = None
    timings: Timings | None = None


class Text(Shared):
    """A prompt."""

    text: str | None = None


class ModelState(Shared):
    """The progress of a response."""

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
    """The model that is selected for the next request."""

    identifier: str | None = None


class InputState(Shared):
    """The content of the input box."""

    selected_model: SelectedModel | None = None


class Chat(Shared):
    """A session; only the members that are used are kept."""

    session_id: str | None = None
    creation_date: float | None = None
    last_message_date: float | None = None
    custom_title: str | None = None
    input_state: InputState | None = None
    requests: list[Request] | None = None


class Change(msgspec.Struct, gc=False):
    """One line of the log: `k` is a path, `v` a value, `i` the length to which a list is cut."""

    kind: int | None = None
    k: list[str | int] | None = None
    v: msgspec.Raw = msgspec.Raw()
    i: int | None = None


class LogState(ReaderState):
    """What a parser keeps of a log between two reads."""

    chat: Chat | None = None


CHAT_FIELDS = {field.encode_name: field.name for field in msgspec.structs.fields(Chat)}
REQUEST_FIELDS = {field.encode_name: field.name for field in msgspec.structs.fields(Request)}


class Replay:
    """Applies changes to `chat`, the document; it is None before the first change."""

    def __init__(self, chat: Chat | None, batch: BatchBuilder) -> None:
        self.chat = chat
        self._errors = batch.errors
        self._as_chat = decoder(Chat, batch.errors)
        self._as_request = decoder(Request, batch.errors)
        self._unknown = batch.unknown

    def apply(self, change: Change, offset: int) -> None:
        """Make one change; a change that fits nothing is counted as `schema`."""
        self._unknown.observe("" if change.kind is None else f"change.{change.kind}")
        path = change.k or []
        if change.kind == INITIAL:
            self.chat = self._as_chat(memoryview(change.v), offset)
        elif self.chat is None or not path or change.kind not in (SET, PUSH, DELETE):
            self._errors.add("schema", offset)
        elif path[0] == "requests" and len(path) > 1:
            self._change_request(self.chat, path, change, offset)
        else:
            self._change_chat(self.chat, path, change, offset)

    def _change_chat(self, chat: Chat, path: list[str | int], change: Change, offset: int) -> None:
        name = CHAT_FIELDS.get(str(path[0]))
        if name is None:
            return  # a member that is not used
        given = self._as_chat(nested(path, change.v), offset) if len(change.v) else None
        value = getattr(given, name, None)
        if change.kind == PUSH:
            value = [*cut(getattr(chat, name), change.i), *(value or ())]
        setattr(chat, name, value)

    def _change_request(
        self, chat: Chat, path: list[str | int], change: Change, offset: int
    ) -> None:
        requests, index = chat.requests or [], path[1]
        if not isinstance(index, int) or not 0 <= index < len(requests):
            self._errors.add("schema", offset)
            return
        if len(path) == 2:  # noqa: PLR2004 - the request itself
            new = self._as_request(memoryview(change.v), offset) if len(change.v) else None
            requests[index] = new or Request()
            return
        name = REQUEST_FIELDS.get(str(path[2]))
        if name is None or (name == "response" and len(path) > 3):  # noqa: PLR2004 - within a part
            return
        given = self._as_request(nested(path[2:], change.v), offset) if len(change.v) else None
        value = getattr(given, name, None)
        if change.kind == PUSH:
            value = [*cut(getattr(requests[index], name), change.i), *(value or ())]
        setattr(requests[index], name, value)


def cut(items: object, length: int | None) -> list[object]:
    """Return the first `length` items, or all if it is None."""
    kept = items if isinstance(items, list) else []
    return kept if length is None else kept[: max(0, length)]


def nested(path: list[str | int], value: msgspec.Raw) -> memoryview:
    """Return a JSON document with only a value at a path."""
    for step in reversed(path):
        value = msgspec.Raw(b"{%s:%s}" % (msgspec.json.encode(str(step)), bytes(value)))
    return memoryview(value)
