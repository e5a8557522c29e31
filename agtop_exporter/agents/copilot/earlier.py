"""Calculates from a log the usage of a session before its first row in the session store."""

from msgspec import field

from agtop_exporter.agents.copilot.cli import NAME, STARTS, LogParser
from agtop_exporter.agents.copilot.records import Record, Totals
from agtop_exporter.agents.copilot.state import LogState
from agtop_exporter.model import Cursor
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.state import encode_state, restore


class EarlierState(LogState):
    """The reader state of a log, with the usage sums at the start of one process.

    This process is the last one that started before the time `until`. `started_at` is its start
    time in unix seconds. `earlier` has the usage sums at its start.
    """

    until: float = 0.0  # unix seconds
    passed: bool = False  # a record after `until` was read; later records can be copies
    started_at: float = 0.0
    earlier: Totals = field(default_factory=dict)


class EarlierParser(LogParser):
    """Parser of one log.

    The parser stores the usage sums of the log at each start of a process before the time `until`.
    """

    state_type = EarlierState
    state: EarlierState

    def use(self, record: Record, offset: int) -> None:
        """Process one record; `offset` is the byte offset after the record."""
        time = record.timestamp.timestamp() if record.timestamp else 0.0
        self.state.passed = self.state.passed or time > self.state.until
        if record.type in STARTS and not self.state.passed:
            self.state.started_at = time
            self.state.earlier = self.state.sums() if self.state.has_whole_session else {}
        super().use(record, offset)


def usage_before(path: str, time: float) -> tuple[Totals, float]:
    """Return (usage, start) for the process that was running at `time`.

    `start` is the start time of the process. `usage` is the usage of the session before `start`, by
    model. `usage` is empty if the first records of the log are missing. Times are in unix seconds.
    Raises OSError.
    """
    state = EarlierState(until=time)
    cursor, more = Cursor(state=encode_state(state)), True
    while more:
        batch = read_jsonl(NAME, EarlierParser, path, cursor)
        cursor, more = batch.cursor, batch.more
        state, _, _ = restore(cursor, EarlierState)
    return state.earlier, state.started_at
