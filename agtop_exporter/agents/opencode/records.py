"""Defines the records of OpenCode, which its database and JSON files share. Does no I/O."""

import msgspec

from agtop_exporter.reading.decoding import Count, seconds_of

KNOWN_TYPES = frozenset(  # roles of messages, and types of parts
    {"agent-switched", "assistant", "compaction", "idle", "location-switched", "model-switched"}
    | {"shell", "skill", "synthetic", "system", "user"}
    | {"part.agent", "part.compaction", "part.file", "part.patch", "part.reasoning", "part.retry"}
    | {"part.snapshot", "part.step-finish", "part.step-start", "part.subtask", "part.text"}
    | {"part.tool"}
)
NAMES = {
    "model_id": "modelID",
    "provider_id": "providerID",
    "call_id": "callID",
    "parent_id": "parentID",
    "session_id": "sessionID",
}


Vector = tuple[int, ...]
"""The recorded token counts of a request: (input, output, reasoning, cache read, cache write)."""

NO_FIGURES: Vector = (0, 0, 0, 0, 0)


class Cache(msgspec.Struct, gc=False):
    """Cached input tokens, which are not part of `input`."""

    read: Count | None = 0
    write: Count | None = 0


class Tokens(msgspec.Struct, gc=False):
    """The recorded token counts of one response.

    `total` shows whether the output tokens include the reasoning tokens.
    """

    input: Count | None = 0
    output: Count | None = 0
    reasoning: Count | None = 0
    total: Count | None = None
    cache: Cache | None = None

    @property
    def vector(self) -> Vector:
        """The recorded token counts as a tuple."""
        cache = self.cache or Cache()
        return (
            self.input or 0,
            self.output or 0,
            self.reasoning or 0,
            cache.read or 0,
            cache.write or 0,
        )


class Times(msgspec.Struct, gc=False):
    """Times in unix milliseconds."""

    created: float | None = None
    updated: float | None = None
    completed: float | None = None
    start: float | None = None


class Model(msgspec.Struct, gc=False, rename=NAMES):
    """A model and its variant, which is the reasoning effort.

    The name of the model is `id` in newer versions and `modelID` in older versions.
    """

    id: str | None = None
    model_id: str | None = None
    provider_id: str | None = None
    variant: str | None = None

    @property
    def name(self) -> str:
        """The name of the model, without its provider."""
        return self.id or self.model_id or ""


class ErrorData(msgspec.Struct, gc=False, rename="camel"):
    """The response of the provider to a failed request."""

    response_headers: dict[str, str] | None = None


class Place(msgspec.Struct, gc=False):
    """The working directory of an answer."""

    cwd: str | None = None


class MessageError(msgspec.Struct, gc=False):
    """The error of a failed response."""

    name: str | None = None
    type: str | None = None  # replaces the name in session_message
    data: ErrorData | None = None


class Anything(msgspec.Struct, gc=False):
    """An object whose members are not read."""


class ToolState(msgspec.Struct, gc=False):
    """The state of a tool call: pending, running, completed or error."""

    status: str | None = None
    time: Times | None = None
    metadata: Anything | None = None  # present when the tool runs, after any permission


class Part(msgspec.Struct, gc=False, rename=NAMES):
    """One part of a message. In the table `session_message`, a part is an item of `content`."""

    type: str | None = None
    text: str | None = None
    synthetic: bool | None = None
    tool: str | None = None
    name: str | None = None
    call_id: str | None = None
    id: str | None = None
    state: ToolState | None = None
    tokens: Tokens | None = None  # of a step that has ended
    cost: float | None = None


class Message(msgspec.Struct, gc=False, rename=NAMES):
    """One prompt, one answer, or another record of a session.

    An answer can consist of several steps. Each step is a request to a model.
    """

    id: str | None = None
    session_id: str | None = None
    role: str | None = None
    path: Place | None = None
    time: Times | None = None
    model_id: str | None = None
    provider_id: str | None = None
    model: Model | None = None
    variant: str | None = None
    status: str | None = None  # of a compaction: running, completed or failed
    # true for a compaction; an object with the files of a turn
    summary: msgspec.Raw = msgspec.Raw()
    cost: float | None = None
    tokens: Tokens | None = None
    finish: str | None = None
    error: MessageError | None = None
    text: str | None = None
    content: list[Part] | None = None

    @property
    def created(self) -> float:
        """The creation time in unix seconds; 0 if unknown."""
        return seconds_of(self.time.created if self.time else None) or 0.0

    @property
    def model_name(self) -> str:
        """The name of the model, without its provider."""
        return self.model_id or (self.model.name if self.model else "")

    @property
    def provider(self) -> str:
        """The provider's id in OpenCode's configuration; "" if unknown."""
        return self.provider_id or (self.model.provider_id if self.model else "") or ""

    @property
    def effort(self) -> str:
        """The reasoning effort, which is the variant of the model; "" for the default variant."""
        variant = self.variant or (self.model.variant if self.model else None) or ""
        return "" if variant == "default" else variant

    @property
    def vector(self) -> Vector:
        """The recorded token counts of the message as a tuple."""
        return self.tokens.vector if self.tokens else NO_FIGURES

    @property
    def open(self) -> bool:
        """Whether the response is incomplete: it is being generated, or its process was killed."""
        completed = self.time.completed if self.time else None
        return (
            self.role == "assistant"
            and not self.finish
            and self.error is None
            and completed is None
        )
