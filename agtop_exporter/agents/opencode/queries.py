"""Looks up sessions, messages and parts in an OpenCode database."""

from collections.abc import Iterator

from agtop_exporter.agents.opencode.events import Context
from agtop_exporter.agents.opencode.records import Message, Model, Part, Times, Vector
from agtop_exporter.agents.opencode.rows import IdRow, MessageRow, PartRow, SessionRow, as_context
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import Errors, decoder

SESSIONS = ("session", "session_v2")  # OpenCode 2 renamed the table
MESSAGE_PARTS = 64  # maximum number of parts that are read per message, besides those of its steps
MESSAGE_STEPS = 10_000
V1_MESSAGES = "message"
V2_MESSAGES = "session_message"  # the table that numbers the records of a session


class Queries:
    """Looks up the rows in the database that are needed to interpret another row.

    `contexts` caches the facts about sessions by session id. A value is None if the session is not
    in the database.
    """

    def __init__(self, database: Database, errors: Errors) -> None:
        self._database = database
        self._decode_message = decoder(Message, errors)
        self._decode_part = decoder(Part, errors)
        self._decode_model = decoder(Model, errors)
        self.contexts: dict[str, Context | None] = {}

    def context(self, session_id: str) -> Context | None:
        """Return the facts about a session; None if the session is not in the database."""
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
        """Decode the message in a row; return None if the message is invalid.

        If the message has no role or no creation time, the columns of the row complete it.
        """
        message = self._decode_message(row.data, 0)
        if message is not None:
            message.role = message.role or row.type
            message.time = message.time or Times()
            message.time.created = message.time.created or row.time_created
        return message

    def part(self, row: PartRow) -> Part | None:
        """Decode the part in a row; return None if the part is invalid."""
        return self._decode_part(row.data, 0)

    def model(self, text: str) -> Model | None:
        """Decode the model of a session; return None if `text` has no model.

        `text` is the column `model` in the row of the session.
        """
        return self._decode_model(text, 0) if text[:1] == "{" else None

    def parts(self, message_id: str) -> list[Part]:
        """Return the last MESSAGE_PARTS parts of a message in the order of their ids."""
        newest = self._find_parts("message_id = ? ORDER BY id DESC", message_id, MESSAGE_PARTS)
        return list(newest)[::-1]

    def steps(self, message_id: str) -> Iterator[Part]:
        """Yield the `step-finish` parts of a message in the order of their ids."""
        where = "message_id = ? AND data GLOB '*\"step-finish\"*' ORDER BY id"
        return self._find_parts(where, message_id, MESSAGE_STEPS)

    def _find_parts(self, where: str, message_id: str, limit: int) -> Iterator[Part]:
        rows = self._database.find(
            "part", PartRow, where=where, values=(message_id,), limit=limit, is_detail=True
        )
        for row in rows:
            part = self.part(row)
            if part is not None:
                yield part

    def message_of(self, table: str, message_id: str) -> tuple[MessageRow, Message] | None:
        """Return a message with its row in `table`; None if the message is deleted or invalid."""
        return self._first(table, "id = ?", (message_id,))

    def is_migrated(self, message_id: str) -> bool:
        """Return whether a message in the table of OpenCode 2 is copied from OpenCode 1.

        OpenCode 2 copies the messages of earlier versions under the same ids. It does not delete
        the earlier tables.
        """
        found = self._database.find(
            V1_MESSAGES, IdRow, where="id = ?", values=(message_id,), limit=1
        )
        return any(found)

    def compaction_at(
        self, session_id: str, number: int, vector: Vector
    ) -> tuple[MessageRow, Message] | None:
        """Return the row and the message of the compaction that made a request; None if unknown.

        `vector` has the token counts of the request. `number` is the position of the request in the
        session. If a compaction has the same token counts, that compaction is returned. Otherwise,
        the latest compaction up to `number` is returned, but only if it has no token counts.
        """
        where = "session_id = ? AND type = 'compaction'"
        rows = self._database.find(V2_MESSAGES, MessageRow, where=where, values=(session_id,))
        found = [(row, message) for row in rows if (message := self.message(row)) is not None]
        same = [pair for pair in found if pair[1].vector == vector]
        if same:
            return same[0]
        before = [pair for pair in found if (pair[0].seq or 0) <= number]
        latest = max(before, key=lambda pair: pair[0].seq or 0, default=None)
        return None if latest is None or any(latest[1].vector) else latest

    def model_at(self, session_id: str, number: int | None) -> Model | None:
        """Return the model of a session at `number`, the position of a record without a model.

        The model is taken from the answer before this record, from the answer after it, or from the
        row of the session.
        """
        where = "session_id = ? AND type = 'assistant' AND seq {} ? ORDER BY seq {}"
        if number is not None:
            for condition in (where.format("<", "DESC"), where.format(">", "ASC")):
                found = self._first(V2_MESSAGES, condition, (session_id, number))
                if found is not None and found[1].model is not None:
                    return found[1].model
        for table in SESSIONS:
            for row in self._database.find(
                table, SessionRow, where="id = ?", values=(session_id,), limit=1
            ):
                return self.model(row.model)
        return None

    def _first(
        self, table: str, where: str, values: tuple[object, ...]
    ) -> tuple[MessageRow, Message] | None:
        for row in self._database.find(table, MessageRow, where=where, values=values, limit=1):
            message = self.message(row)
            if message is not None:
                return row, message
        return None

    def is_newest(self, row: MessageRow) -> bool:
        """Return whether a message is the newest message of its session."""
        newest = self.ordered("message", row.session_id, "DESC", limit=1)
        return row.id in [other.id for other, _ in newest]

    def ordered(
        self, table: str, session_id: str, direction: str, *, limit: int, containing: str = ""
    ) -> Iterator[tuple[MessageRow, Message]]:
        """Yield the row and the message of each message that contains the text `containing`.

        Only the first or the last `limit` messages of a session are searched. `direction` is ASC
        for the first messages and DESC for the last messages.
        """
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
