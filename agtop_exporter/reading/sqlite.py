"""Reads the new rows of a SQLite database."""

from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.parsers import Parser, State
from agtop_exporter.reading.state import encode_state, restore


class DatabaseParser(Parser[State]):
    """A parser that queries a database itself. Its state has the watermarks of the tables."""

    def read(self, database: Database) -> None:
        """Read the new rows, at most one batch of them."""
        raise NotImplementedError


def read_sqlite(
    agent: str, parser_type: type[DatabaseParser[State]], path: str, cursor: Cursor
) -> Batch:
    """Read the new rows of a database since a cursor, at most one batch of them.

    Raises DatabaseBusyError if the database is locked, NotAFileError, or OSError.
    """
    batch = BatchBuilder(agent, path, known_types=parser_type.known_types)
    with Database(path, cursor, errors=batch.errors) as database:
        if database.unchanged:
            return Batch(agent=agent, path=path, cursor=cursor)
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
