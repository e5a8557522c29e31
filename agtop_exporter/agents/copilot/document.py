"""Defines the document of a Copilot Chat session, with only the members that are read."""

from typing import Annotated

import msgspec

from agtop_exporter.reading.decoding import Count, Number


class Shared(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
    """Base class of the parts of a chat document. The names of JSON fields are in camel case."""


Credits = Annotated[float, msgspec.Meta(ge=0, le=10**6)]
"""The AI credits of a prompt and of its subagents. The limit is 10,000 USD."""


class Part(Shared):
    """One part of a response, without its text."""

    kind: str | None = None
    tool_call_id: str | None = None
    tool_id: str | None = None
    is_used: bool | None = None  # a question that the user has answered
    is_complete: bool | None = None


class ToolCall(Shared):
    """A tool call within a round of the agent's loop."""

    id: str | None = None
    name: str | None = None


class Round(Shared):
    """One round of the agent's loop, which is one request to the model."""

    tool_calls: list[ToolCall] | None = None
    model_id: str | None = None


class Metadata(Shared):
    """The data that Copilot adds to the result of a request."""

    prompt_tokens: Count | None = None
    output_tokens: Count | None = None
    resolved_model: str | None = None
    tool_call_rounds: list[Round] | None = None


class ErrorDetails(Shared):
    """The reason why a request failed."""

    code: str | None = None


class Timings(Shared):
    """The durations of a request in milliseconds."""

    total_elapsed: float | None = None


class ResultUsage(Shared):
    """The tokens of a request, as written before February 2026."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None


class Result(Shared):
    """The result of a request."""

    metadata: Metadata | None = None
    usage: ResultUsage | None = None
    prompt_tokens: Count | None = None
    output_tokens: Count | None = None
    error_details: ErrorDetails | None = None
    timings: Timings | None = None


class Text(Shared):
    """The text of a prompt."""

    text: str | None = None


class ModelState(Shared):
    """The progress of a response. `value` is a number of VS Code's ResponseModelState."""

    value: Number | None = None
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
    copilot_credits: Credits | None = None


class SelectedModel(Shared):
    """The model that is selected for the next request."""

    identifier: str | None = None


class InputState(Shared):
    """The content of the input box."""

    selected_model: SelectedModel | None = None


class Chat(Shared):
    """The document of a session, with only the members that are read."""

    session_id: str | None = None
    creation_date: float | None = None
    last_message_date: float | None = None
    custom_title: str | None = None
    input_state: InputState | None = None
    requests: list[Request] | None = None

    def is_copied(self, index: int) -> bool:
        """Return whether a fork copied the request with this index from another session.

        A copy has a new id. VS Code sets both its time and the end of its response to the creation
        time of the fork plus `index` milliseconds:
        https://github.com/microsoft/vscode/blob/main/src/vs/workbench/contrib/chat/browser/actions/chatForkActions.ts
        """
        request = (self.requests or [])[index]
        ended_at = request.model_state.completed_at if request.model_state else None
        return request.timestamp == ended_at == (self.creation_date or 0.0) + index
