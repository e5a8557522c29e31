"""The columns of OpenCode's database that are read. Does no I/O."""

from agtop_exporter.agents.opencode.events import Context
from agtop_exporter.reading.decoding import seconds_of
from agtop_exporter.reading.rows import TableRow


class SessionRow(TableRow):
    """A row of `session`."""

    id: str = ""
    parent_id: str = ""
    directory: str = ""
    title: str = ""
    version: str = ""
    model: str = ""
    time_created: float | None = None
    time_updated: float | None = None


class MessageRow(TableRow):
    """A row of `message` or `session_message`; only the latter has a type and a number."""

    id: str = ""
    session_id: str = ""
    type: str = ""
    seq: int | None = None  # position in the session; a copy in a fork keeps it
    time_created: float | None = None
    data: str = ""


class IdRow(TableRow):
    """The id of a row of any table."""

    id: str = ""


class PartRow(TableRow):
    """A row of `part`."""

    id: str = ""
    message_id: str = ""
    session_id: str = ""
    time_created: float | None = None
    data: str = ""


class LogRow(TableRow):
    """A row of `event`, the log of a session in the order of `seq`."""

    id: str = ""
    seq: int | None = None
    type: str = ""
    data: str = ""


def as_context(row: SessionRow) -> Context:
    """Return the facts that are needed to interpret the session's messages."""
    return Context(
        session_id=row.id,
        parent_id=row.parent_id,
        created=seconds_of(row.time_created) or 0.0,
        version=row.version,
    )
