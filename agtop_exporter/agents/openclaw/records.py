"""Decodes the events of OpenClaw's transcripts, which its database and its files share."""

import re

import msgspec

from agtop_exporter.agents.pi.family import Usage
from agtop_exporter.reading.decoding import Moment, seconds_of
from agtop_exporter.reading.rows import TableRow

EVENTS = frozenset(
    {"branch_summary", "compaction", "custom", "custom_message", "label", "leaf", "link"}
    | {"message", "metadata", "model_change", "reset", "session", "session_info"}
    | {"thinking_level_change"}
)
ROLES = frozenset(
    {"assistant", "bashExecution", "branchSummary", "compactionSummary", "custom"}
    | {"system", "tool", "toolResult", "user"}
)
KNOWN_TYPES = EVENTS | {f"message.{role}" for role in ROLES}
ROUTERS = frozenset({"auto"})  # last parts of model names that mean that a router selects the model
OWN_API, OWN_PROVIDER = "openclaw-transcript", "openclaw"
OWN_MODELS = frozenset({"delivery-mirror", "gateway-injected"})
OTHER_PROGRAM_API = "cli"  # a command line tool of another agent answered
OTHER_PROGRAM_MODEL = "acp-runtime"  # another agent answered through the Agent Client Protocol
HISTORY_MODEL = "native-history"  # a session of another agent was imported
NO_MODELS = frozenset({OTHER_PROGRAM_MODEL, HISTORY_MODEL, "default"})
"""Names that mean an unknown model."""
TYPED = "external_user"  # origin of a prompt that the user wrote
OTHER_PROGRAM_KEY = re.compile(r"codex-app-server:|[a-z]+-catalog:")
"""Pattern of the first part of the key of a message that another agent has, too.

With `codex-app-server`, Codex answers. With `<agent>-catalog`, a session of the agent was imported.
"""


class Block(msgspec.Struct, gc=False):
    """One content block of a message."""

    type: str = ""
    text: str | None = None
    id: str = ""
    name: str = ""


class Provenance(msgspec.Struct, gc=False):
    """The origin of a prompt: `external_user`, another session, or a part of the program."""

    kind: str = TYPED


class Message(msgspec.Struct, gc=False, rename="camel"):
    """The message in an event. `timestamp` is in unix milliseconds."""

    role: str = ""
    content: str | list[Block] | None = None
    api: str | None = None
    provider: str | None = None
    model: str | None = None
    response_model: str | None = None
    usage: Usage | None = None
    stop_reason: str | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    is_error: bool | None = None
    idempotency_key: str | None = None
    timestamp: float | None = None
    provenance: Provenance | None = None

    @property
    def is_typed(self) -> bool:
        """Whether the user wrote the prompt, in OpenClaw or in a chat program."""
        return self.provenance is None or self.provenance.kind == TYPED

    @property
    def blocks(self) -> list[Block]:
        """The content blocks of the message."""
        if isinstance(self.content, str):
            return [Block("text", text=self.content)]
        return self.content or []

    @property
    def served_model(self) -> str:
        """The name of the model that answered; "" if it is unknown.

        If `model` is a router, this is the model that the router selected.
        """
        is_unknown = self.is_of_other_program and self.model in NO_MODELS
        model = "" if is_unknown else self.model or ""
        is_router = model.rpartition("/")[2] in ROUTERS
        return (self.response_model if is_router else "") or model

    @property
    def is_own(self) -> bool:
        """Whether OpenClaw itself wrote the message, and not a model."""
        is_own_model = self.provider == OWN_PROVIDER and self.model in OWN_MODELS
        return self.api == OWN_API or is_own_model

    @property
    def is_of_other_program(self) -> bool:
        """Whether the message is a copy from another agent, such as Codex, which answered.

        That agent records the prompt, the tool calls and the usage itself. The usage in the copy is
        that of the last request of a turn only.
        """
        is_other = self.api == OTHER_PROGRAM_API or self.model == OTHER_PROGRAM_MODEL
        return is_other or OTHER_PROGRAM_KEY.match(self.idempotency_key or "") is not None


class Snapshot(msgspec.Struct, gc=False, rename="camel"):
    """The member `data` of an event of type `custom`."""

    provider: str | None = None
    model_id: str | None = None


class Event(msgspec.Struct, gc=False, rename="camel"):
    """One event of a transcript: the header of the session, or an entry."""

    type: str = ""
    id: str = ""
    timestamp: Moment | None = None
    cwd: str | None = None
    message: Message | None = None
    custom_type: str | None = None
    data: Snapshot | None = None
    provider: str | None = None
    model: str | None = None
    model_id: str | None = None
    usage: Usage | None = None
    thinking_level: str | None = None

    @property
    def record_type(self) -> str:
        """The record type as in `KNOWN_TYPES`. For a message, it is `<type>.<role>`."""
        return f"{self.type}.{self.message.role}" if self.message else self.type

    @property
    def time(self) -> float:
        """The time of the event in unix seconds; 0 if unknown."""
        if self.timestamp:
            return self.timestamp.timestamp()
        return (seconds_of(self.message.timestamp) if self.message else None) or 0.0

    @property
    def selected_model(self) -> str:
        """The model that the event selects for the next responses; "" if it selects none."""
        if self.type == "model_change":
            return self.model_id or self.model or ""
        is_snapshot = self.type == "custom" and self.custom_type == "model-snapshot"
        return (self.data.model_id if is_snapshot and self.data else None) or ""


class ArchivedRow(msgspec.Struct, gc=False):
    """The row of the database in a line of an archive; `event_json` is the text of an event."""

    event_json: str = ""


class Line(Event, gc=False):
    """One line of a file.

    In most files a line is an event. In an archive of a session that was not used for long, a line
    has a `row` with an event, or other data of the session. The first line of such an archive has
    the `session_id`.
    """

    kind: str = ""
    session_id: str = ""
    row: ArchivedRow | None = None


class EventRow(TableRow):
    """A row of `transcript_events`. The text of the event is in one of the two columns.

    `created_at` is in unix milliseconds.
    """

    session_id: str = ""
    created_at: int = 0
    event_json: str = ""
    event_zstd: bytes | None = None


class WindowRow(TableRow):
    """A row of `session_windows`: a session. Times are in unix milliseconds."""

    session_id: str = ""
    session_key: str = ""
    updated_at: int = 0
    model: str = ""
    spawned_by: str = ""


class NodeRow(TableRow):
    """A row of `session_nodes`: a conversation, which consists of one or more sessions."""

    current_session_id: str = ""
    label: str = ""
    display_name: str = ""
    spawned_by: str = ""
