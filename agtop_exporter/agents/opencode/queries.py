"""Looks up sessions, messages and parts in an OpenCode database."""

from collections.abc import Iterator

from agtop_exporter.agents.opencode.events import Context
from agtop_exporter.agents.opencode.records import Message, Part, Times
from agtop_exporter.agents.opencode.rows import MessageRow, PartRow, SessionRow, as_context
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import Errors, decoder

SESSIONS = ("session", "session_v2")  # OpenCode 2 renamed the table
MESSAGE_PARTS = 64  # the most parts of a message that are read


class Queries:
    """The queries that interpret a row with the help of others.

    `contexts` caches the facts of sessions by id; None if the database has no such session.
    """

    def __init__(self, database: Database, errors: Errors) -> None:
        self._database = database
        self._decode_message = decoder(Message, errors)
        self._decode_part = decoder(Part, errors)
        self.contexts: dict[str, Context | None] = {}

    def context(self, session_id: str) -> Context | None:
        """Return the facts of a session; None if the database has no such session."""
        if session_id not in self.contexts:
            self.contexts[session_id] = self._look_up(session_id)
        return self.contexts[session_id]

    def _look_up(self, session_id: str) -> Context | None:
        for table in SESSIONS:
            for row in self._database.find(
                table, SessionRow, where="id = ?", values=(session_id,), limit=1
            ):
                return as_context(row)
        return None

    def message(self, row: MessageRow) -> Message | None:
        """Return the message in a row, with the columns that complete it; None if unusable."""
        message = self._decode_message(row.data, 0)
        if message is not None:
            message.role = message.role or row.type
            message.time = message.time or Times()
            message.time.created = message.time.created or row.time_created
        return message

    def part(self, row: PartRow) -> Part | None:
        """Return the part in a row; None if it is unusable."""
        return self._decode_part(row.data, 0)

    def parts(self, message_id: str) -> Iterator[Part]:
        """Yield the parts of a message."""
        rows = self._database.find(
            "part", PartRow, where="message_id = ?", values=(message_id,), limit=MESSAGE_PARTS
        )
        for row in rows:
            part = self.part(row)
            if part is not None:
                yield part

    def is_newest(self, row: MessageRow) -> bool:
        """Return whether a message is the newest of its session."""
        newest = self.ordered("message", row.session_id, "DESC", limit=1)
        return row.id in [other.id for other, _ in newest]

    def ordered(
        self, table: str, session_id: str, direction: str, *, limit: int, containing: str = ""
    ) -> Iterator[tuple[MessageRow, Message]]:
        """Yield those of a session's first or newest messages that contain a text."""
        timed = "time_created" in self._database.columns(table)
        order = f"time_created {direction}, id {direction}" if timed else f"rowid {direction}"
        chosen = f"SELECT rowid FROM {table} WHERE session_id = ? ORDER BY {order} LIMIT {limit}"  # noqa: S608 - constants
        for row in self._database.find(
            table,
            MessageRow,
            where=f"rowid IN ({chosen}) AND id NOT NULL AND instr(data, ?) ORDER BY {order}",
            values=(session_id, containing),
        ):
            message = self.message(row)
            if message is not None:
                yield row, message
