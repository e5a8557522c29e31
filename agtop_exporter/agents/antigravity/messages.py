"""Decodes the protobuf messages in a conversation of Antigravity. Does no I/O.

The field numbers are from the message descriptors in Antigravity's programs; see
tests/agents/antigravity/README. A field with the value 0 or "" is not written.
"""

import msgspec

from agtop_exporter.agents.antigravity import protobuf
from agtop_exporter.agents.antigravity.protobuf import Fields
from agtop_exporter.model import NANOSECONDS, NO_TOKENS, TokenCounts
from agtop_exporter.paths import path_of_uri
from agtop_exporter.reading.decoding import MAX_COUNT

# a number of seconds between these is taken as a time
EARLIEST, LATEST = 1_500_000_000, 10_000_000_000
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
    """The usage of one model request. Times are unix seconds, 0 if unknown.

    `tokens` is None if the figures contradict each other. `model` is the API's name of the model,
    `label` the displayed name, and `number` the value in Antigravity's enumeration. `steps` are the
    indices of the steps that the response produced.
    """

    tokens: TokenCounts | None = NO_TOKENS
    response_id: str = ""
    time: float = 0.0
    model: str = ""
    label: str = ""
    number: int = 0
    context_window_tokens: int | None = None
    steps: tuple[int, ...] = ()


class Step(msgspec.Struct, frozen=True, gc=False):
    """The metadata of one step. Its usage is that of the response that produced it."""

    time: float = 0.0  # unix seconds, 0 if unknown
    tokens: TokenCounts | None = NO_TOKENS
    response_id: str = ""
    number: int = 0  # of the model
    tool: tuple[str, str] | None = None  # id, name


class Workspace(msgspec.Struct, frozen=True, gc=False):
    """The folder of a conversation, and the id of the conversation that started it."""

    created: float = 0.0  # unix seconds, 0 if unknown
    folder: str = ""
    branch: str = ""
    parent: str = ""


def response(fields: Fields) -> Response:
    """Decode the metadata of a response."""
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
    """Decode the metadata of a step."""
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
    """Decode the metadata of a conversation; of several folders, the first one is used."""
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
    """Return disjoint counts. The recorded input is already uncached.

    Returns None if the output is not the sum of its parts, because the fields then have another
    meaning.
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


def moment(message: Fields, field: int) -> float:
    """Return the Timestamp in a field in unix seconds; 0 if there is none."""
    time = protobuf.message_at(message, field)
    seconds = protobuf.number(time, 1)
    if not EARLIEST < seconds < LATEST:
        return 0.0
    return seconds + protobuf.number(time, 2) % NANOSECONDS / NANOSECONDS


def _name(message: Fields, field: int) -> str:
    """Return the printable text in a field; "" for any other value, such as a message."""
    text = protobuf.text(message, field).strip()
    return text if text.isprintable() else ""


def _model_number(usage: Fields) -> int:
    number = protobuf.number(usage, MODEL_NUMBER)
    return number if number < INT_MAX else 0


def _window(tokens: int) -> int | None:
    return tokens if 0 < tokens <= MAX_COUNT else None
