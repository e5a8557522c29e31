"""The reader state of an OpenCode database."""

import msgspec

from agtop_exporter.reading.rows import Watermark
from agtop_exporter.reading.state import ReaderState


class DatabaseState(ReaderState):
    """The reader state of a database: positions in its tables, and rows that can still change."""

    updated: float = 0.0  # latest change of a session, in unix milliseconds
    rows: dict[str, Watermark] = msgspec.field(default_factory=dict)
    open: dict[str, list[str]] = msgspec.field(default_factory=dict)  # row ids by table
    # Row ids by table, of rows whose session or message is not in the database yet.
    waiting: dict[str, list[str]] = msgspec.field(default_factory=dict)
    # Last row id of `part` before the first message was read. The steps up to this row were read
    # together with their message.
    first_parts: int = 0
