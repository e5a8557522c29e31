"""Decodes the records in the journals of Mistral Vibe, and the description of a session."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count, Moment, RunningTotal

KNOWN_TYPES = frozenset(
    {"action_intent", "action_result", "command_reserved", "core_input", "projection_delta"}
    | {"receipt_succeeded", "receipt_failed", "command_abandoned"}
)


class Usage(msgspec.Struct, gc=False):
    """The usage of a request. `input_tokens` includes the cached tokens."""

    input_tokens: Count | None = 0
    cached_input_tokens: Count | None = 0
    output_tokens: Count | None = 0


class TotalUsage(msgspec.Struct, gc=False, rename="camel"):
    """The usage of all requests of a session so far, or of its latest request."""

    input_tokens: RunningTotal | None = 0
    cached_input_tokens: RunningTotal | None = 0
    output_tokens: RunningTotal | None = 0


class Part(msgspec.Struct, gc=False):
    """A part of an answer: a text or a tool call."""

    type: str = ""
    id: str = ""
    name: str = ""
    text: str | None = None


class Answer(msgspec.Struct, gc=False):
    """The answer to a request."""

    parts: list[Part] | None = None
    usage: Usage | None = None


class Command(msgspec.Struct, gc=False):
    """An input of the agent's core program, such as the answer of a model to a request."""

    action_id: str = ""
    type: str = ""
    result: Answer | None = None


class Circumstances(msgspec.Struct, gc=False):
    """The time of an input, in unix milliseconds."""

    time_unix_ms: float | None = None


class Input(msgspec.Struct, gc=False):
    """The member `input` of a record of type `core_input`."""

    command: Command | None = None
    determinism: Circumstances | None = None


class Entry(msgspec.Struct, gc=False, rename="camel"):
    """A new entry of the session's history. `created_at` is in unix milliseconds."""

    id: str = ""
    role: str = ""
    source: str = ""
    content: list[Part] | None = None
    created_at: float | None = None


class Status(msgspec.Struct, gc=False):
    """The status of a session: `running`, or another type."""

    type: str = ""


class Progress(msgspec.Struct, gc=False, rename="camel"):
    """The state of a session. The times are in unix milliseconds; `preview` is the first prompt."""

    created_at: float | None = None
    updated_at: float | None = None
    status: Status | None = None
    title: str | None = None
    preview: str | None = None
    token_usage: TotalUsage | None = None
    context_usage: TotalUsage | None = None


class Envelope(msgspec.Struct, gc=False):
    """The state of a session and of its turns."""

    session: Progress | None = None


class Change(msgspec.Struct, gc=False):
    """One change of the session: a new entry or a new state."""

    op: str = ""
    entry: Entry | None = None
    state: Envelope | None = None


class Payload(msgspec.Struct, gc=False):
    """The decoded members of a record's payload."""

    input: Input | None = None
    delta: list[Change] | None = None


class Record(msgspec.Struct, gc=False):
    """One line of a journal."""

    type: str = ""
    payload: Payload | None = None


class Environment(msgspec.Struct):
    """The member `environment` of the description of a session."""

    working_directory: str | None = None


class Config(msgspec.Struct):
    """The member `config` of the description of a session."""

    active_model: str | None = None
    model_name: str | None = None


class Description(msgspec.Struct):
    """The document `meta.json`: the description of a session."""

    session_id: str | None = None
    parent_session_id: str | None = None
    start_time: Moment | None = None
    git_branch: str | None = None
    environment: Environment | None = None
    origin_directory: str | None = None
    title: str | None = None
    config: Config | None = None

    @property
    def model(self) -> str:
        """The name of the model; "" if unknown."""
        config = self.config or Config()
        return config.model_name or config.active_model or ""


def token_counts(usage: Usage | TotalUsage) -> TokenCounts:
    """Return token counts that do not overlap."""
    cached = usage.cached_input_tokens or 0
    return TokenCounts(
        input=max(0, (usage.input_tokens or 0) - cached),
        cache_read=cached,
        output=usage.output_tokens or 0,
    )
