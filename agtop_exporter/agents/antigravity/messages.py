"""Decodes the protobuf messages in a conversation of Antigravity. Does no I/O.

The field numbers are from the message descriptors in Antigravity's programs; see
tests/agents/antigravity/README. Antigravity does not write a field with the value 0 or "".
"""

import re

import msgspec

from agtop_exporter.agents.antigravity import protobuf
from agtop_exporter.agents.antigravity.protobuf import Fields
from agtop_exporter.model import NANOSECONDS, NO_TOKENS, TokenCounts
from agtop_exporter.paths import path_of_uri
from agtop_exporter.reading.decoding import MAX_COUNT

# The reasoning effort at the end of a model's label. "Thinking" is no effort.
EFFORT = re.compile(r"\((minimal|low|medium|high|xhigh|max)\)$", re.IGNORECASE)

# a number of seconds between these is taken as a time
EARLIEST, LATEST = 1_500_000_000, 10_000_000_000
UNIQUE_ID = 16  # minimum length of a response id that is unique across conversations
INT_MAX = 2**31  # upper bound of step indices and model numbers

# CortexStepGeneratorMetadata: one response.
CHAT_MODEL, STEP_INDICES = 1, 2
# ChatModelMetadata.
USAGE, CHAT_START, RESPONSE_MODEL, MODEL_LABEL, RESPONSE_MODEL_FULL = 4, 9, 19, 21, 22
# ChatStartMetadata.
GENERATION_CREATED, CONTEXT_WINDOW = 4, 10
# ContextWindowMetadata.
MAX_CONTEXT_TOKENS = 4
# ModelUsageStats.
MODEL_NUMBER = 1
INPUT, OUTPUT, CACHE_WRITE, CACHE_READ, THINKING, RESPONSE, RESPONSE_ID = 2, 3, 4, 5, 9, 10, 11
# CortexStepMetadata.
STEP_CREATED, TOOL_CALL, STEP_USAGE = 1, 4, 9
# ChatToolCall.
TOOL_ID, TOOL_NAME = 1, 2
# CortexTrajectoryMetadata.
WORKSPACES, CONVERSATION_CREATED, PARENT, WORKSPACE_URIS = 1, 2, 5, 7
# CortexWorkspaceMetadata.
FOLDER_URI, BRANCH = 1, 4


class Response(msgspec.Struct, frozen=True, gc=False):
    """The usage of one model request.

    `tokens` is None if the recorded token counts contradict each other. `time` is in unix seconds
    (0 if unknown). `model` is the API's name of the model, `label` is the displayed name, and
    `number` is the model's value in Antigravity's enumeration. `steps` are the indices of the steps
    that the response produced.
    """

    tokens: TokenCounts | None = NO_TOKENS
    response_id: str = ""
    time: float = 0.0
    model: str = ""
    label: str = ""
    number: int = 0
    context_window_tokens: int | None = None
    steps: tuple[int, ...] = ()

    @property
    def effort(self) -> str:
        """The reasoning effort in the label, such as `high`; "" if the label has none."""
        found = EFFORT.search(self.label)
        return found[1].lower() if found else ""


class Step(msgspec.Struct, frozen=True, gc=False):
    """The metadata of one step of a conversation.

    The fields `tokens`, `response_id` and `number` describe the response that produced the step.
    """

    time: float = 0.0  # unix seconds, 0 if unknown
    tokens: TokenCounts | None = NO_TOKENS
    response_id: str = ""
    number: int = 0  # number of the model in Antigravity's enumeration
    tool: tuple[str, str] | None = None  # id, name


class Workspace(msgspec.Struct, frozen=True, gc=False):
    """The metadata of a conversation: its start, its folder and its git branch.

    If another conversation started this one, `parent` is the id of the other conversation.
    """

    created: float = 0.0  # unix seconds, 0 if unknown
    folder: str = ""
    branch: str = ""
    parent: str = ""


def response(fields: Fields) -> Response:
    """Return the Response in the decoded fields of a response's metadata."""
    chat_model = protobuf.message_at(fields, CHAT_MODEL)
    usage = protobuf.message_at(chat_model, USAGE)
    start = protobuf.message_at(chat_model, CHAT_START)
    window = protobuf.message_at(start, CONTEXT_WINDOW)
    return Response(
        tokens=token_counts(usage),
        response_id=protobuf.text(usage, RESPONSE_ID),
        time=moment(start, GENERATION_CREATED),
        model=_name(chat_model, RESPONSE_MODEL) or _name(chat_model, RESPONSE_MODEL_FULL),
        label=_name(chat_model, MODEL_LABEL),
        number=_model_number(usage),
        context_window_tokens=_window(protobuf.number(window, MAX_CONTEXT_TOKENS)),
        steps=tuple(at for at in protobuf.numbers(fields, STEP_INDICES) if at < INT_MAX),
    )


def step(fields: Fields) -> Step:
    """Return the Step in the decoded fields of a step's metadata."""
    usage = protobuf.message_at(fields, STEP_USAGE)
    call = protobuf.message_at(fields, TOOL_CALL)
    name = _name(call, TOOL_NAME)
    return Step(
        time=moment(fields, STEP_CREATED),
        tokens=token_counts(usage),
        response_id=protobuf.text(usage, RESPONSE_ID),
        number=_model_number(usage),
        tool=(protobuf.text(call, TOOL_ID), name) if name else None,
    )


def workspace(fields: Fields) -> Workspace:
    """Return the Workspace in the decoded fields of a conversation's metadata.

    If the conversation has several folders, the Workspace contains the first folder.
    """
    first = protobuf.message_at(fields, WORKSPACES)
    uris = (protobuf.text(first, FOLDER_URI), *protobuf.texts(fields, WORKSPACE_URIS))
    folders = (path_of_uri(uri) for uri in uris if uri.startswith("file://"))
    return Workspace(
        created=moment(fields, CONVERSATION_CREATED),
        folder=next(filter(None, folders), ""),
        branch=_name(first, BRANCH),
        parent=_name(fields, PARENT),
    )


def token_counts(usage: Fields) -> TokenCounts | None:
    """Return disjoint token counts. The recorded input does not include cached tokens.

    Return None if a count is too large. Return None also if the output is not the sum of the
    thinking and response tokens, because the fields then have another meaning.
    """
    wanted = (INPUT, OUTPUT, CACHE_WRITE, CACHE_READ, THINKING, RESPONSE)
    counts = {field: protobuf.number(usage, field) for field in wanted}
    parts = counts[THINKING] + counts[RESPONSE]
    if max(counts.values()) > MAX_COUNT or (parts and counts[OUTPUT] not in (0, parts)):
        return None
    return TokenCounts(
        input=counts[INPUT],
        cache_read=counts[CACHE_READ],
        cache_write_5m=counts[CACHE_WRITE],
        output=counts[OUTPUT] or parts,
        reasoning=counts[THINKING],
    )


def shared_key(response_id: str) -> str:
    """Return the event key of a response and of its copies in forks of its conversation.

    Return "" if the id is too short to be unique across conversations. It may be a row index.
    """
    return f"response:{response_id}" if len(response_id) >= UNIQUE_ID else ""


def moment(message: Fields, field: int) -> float:
    """Return the time in a `Timestamp` field in unix seconds; 0 if missing or not plausible."""
    time = protobuf.message_at(message, field)
    seconds = protobuf.number(time, 1)
    if not EARLIEST < seconds < LATEST:
        return 0.0
    return seconds + protobuf.number(time, 2) % NANOSECONDS / NANOSECONDS


def _name(message: Fields, field: int) -> str:
    """Return the text in a field; "" if the value is not printable text."""
    text = protobuf.text(message, field).strip()
    return text if text.isprintable() else ""


def _model_number(usage: Fields) -> int:
    number = protobuf.number(usage, MODEL_NUMBER)
    return number if number < INT_MAX else 0


def _window(tokens: int) -> int | None:
    return tokens if 0 < tokens <= MAX_COUNT else None
