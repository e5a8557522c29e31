"""Defines the columns of OpenCode's database that are read. Does no I/O."""

from agtop_exporter.agents.opencode.events import Context
from agtop_exporter.reading.decoding import seconds_of
from agtop_exporter.reading.rows import TableRow


class SessionRow(TableRow):
    """A row of the table `session`, which is one session."""

    id: str = ""
    parent_id: str = ""
    directory: str = ""
    title: str = ""
    version: str = ""
    model: str = ""
    time_created: float | None = None
    time_updated: float | None = None


class MessageRow(TableRow):
    """A row of `message` or `session_message`.

    Only the table `session_message` has the columns `type` and `seq`.
    """

    id: str = ""
    session_id: str = ""
    type: str = ""
    seq: int | None = None  # position in the session; a copy in a fork keeps it
    time_created: float | None = None
    data: str = ""


class IdRow(TableRow):
    """The id of a row of any table."""

    id: str = ""


class SessionIdRow(TableRow):
    """The session of a row of any table."""

    session_id: str = ""


class ImportRow(TableRow):
    """A row of `external_import`, which is one imported session.

    `message_ids` are the ids of its imported messages, as a JSON array.
    """

    session_id: str = ""
    message_ids: str = ""


class PartRow(TableRow):
    """A row of the table `part`, which is one part of a message."""

    id: str = ""
    message_id: str = ""
    session_id: str = ""
    time_created: float | None = None
    data: str = ""


class LogRow(TableRow):
    """A row of the table `event`, which is one entry in a session's event log.

    `seq` is the position of the entry in the log.
    """

    id: str = ""
    seq: int | None = None
    type: str = ""
    data: str = ""


def as_context(row: SessionRow) -> Context:
    """Return the facts about a session that are needed to interpret its messages."""
    return Context(
        session_id=row.id,
        parent_id=row.parent_id,
        created=seconds_of(row.time_created) or 0.0,
        version=row.version,
    )
