"""Reads the new rows of a SQLite database."""

from collections.abc import Callable
from typing import TypeVar

from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.parsers import Parser, State
from agtop_exporter.reading.state import encode_state, restore

Time = TypeVar("Time", int, float, str)


class DatabaseParser(Parser[State]):
    """Base class of parsers that query a database themselves.

    The reader state of a parser contains the watermarks of the tables, that is, the positions up to
    which the tables have been read.
    """

    def read(self, database: Database) -> None:
        """Read the new rows of the database, up to the size limit of a batch."""
        raise NotImplementedError

    def latest(self, seconds: Callable[[Time], float | None], *times: Time) -> Time:
        """Return the latest of `times` that is not after the last change of the database.

        `times` are the latest time of the rows that have been read, and the times of other rows.
        `seconds` converts a time to unix seconds. If no time is valid, or all times are after the
        last change of the database, the result is 0 or "", which is before all times.

        A time after the last change shows that the clock was wrong when the row was written. Rows
        that change after the clock was corrected have earlier times, so a reader that looked only
        for later rows would miss them. A reader therefore calls this method before such a query,
        and for each row.
        """
        now = self.batch.modified_at
        plausible = [time for time in times if 0 < (seconds(time) or 0.0) <= now]
        return max(plausible, default=type(times[0])())


def read_sqlite(
    agent: str, parser_type: type[DatabaseParser[State]], path: str, cursor: Cursor
) -> Batch:
    """Read the new rows of a database after a cursor and return a Batch.

    If there are more rows than one batch may contain, the next read continues. Raises
    DatabaseBusyError if the database is locked or changes during the read, NotAFileError if the
    path is not a regular file, or OSError.
    """
    batch = BatchBuilder(agent, path, known_types=parser_type.known_types)
    with Database(path, cursor, errors=batch.errors) as database:
        if database.unchanged:
            return Batch(agent=agent, path=path, cursor=cursor)
        batch.modified_at = database.modified_at
        state, _, lost_state = restore(cursor, parser_type.state_type)
        parser = parser_type(batch, state)
        parser.read(database)
        parser.finish()
    batch.records += database.records
    return batch.build(
        database.cursor(encode_state(state)),
        bytes_read=database.bytes_read,
        reset=lost_state or database.reset,
        more=database.more,
    )
