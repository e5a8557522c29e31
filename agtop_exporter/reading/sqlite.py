"""Reads the new rows of a SQLite database."""

from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.parsers import Parser, State
from agtop_exporter.reading.state import encode_state, restore


class DatabaseParser(Parser[State]):
    """Base class of parsers that query a database themselves.

    The reader state of a parser contains the watermarks of the tables, that is, the positions up to
    which the tables have been read.
    """

    def read(self, database: Database) -> None:
        """Read the new rows of the database, up to the size limit of a batch."""
        raise NotImplementedError

    def is_future(self, time: float) -> bool:
        """Return whether a time in unix seconds is after the last change of the database.

        The clock was wrong when a row with such a time was written. Rows that change after the
        clock was corrected have earlier times, so the time does not show which rows are read.
        """
        return time > self.batch.modified_at


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
