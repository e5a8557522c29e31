"""Reads the usage in a log from before the session store had rows of its session."""

from msgspec import field

from agtop_exporter.agents.copilot.cli import NAME, STARTS, LogParser
from agtop_exporter.agents.copilot.records import Record, Totals
from agtop_exporter.agents.copilot.state import LogState
from agtop_exporter.model import Cursor
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.state import encode_state, restore


class EarlierState(LogState):
    """Reader state with the sums at the start of the latest process before the time `until`."""

    until: float = 0.0  # unix seconds
    passed: bool = False  # a record after `until` was read; later records can be copies
    started_at: float = 0.0
    earlier: Totals = field(default_factory=dict)


class EarlierParser(LogParser):
    """A parser of logs that stores the sums of the log whenever a process starts."""

    state_type = EarlierState
    state: EarlierState

    def use(self, record: Record, offset: int) -> None:
        """Use one record; `offset` is the byte offset after it."""
        time = record.timestamp.timestamp() if record.timestamp else 0.0
        self.state.passed = self.state.passed or time > self.state.until
        if record.type in STARTS and not self.state.passed:
            self.state.started_at = time
            self.state.earlier = self.state.sums() if self.state.has_whole_session else {}
        super().use(record, offset)


def usage_before(path: str, time: float) -> tuple[Totals, float]:
    """Return the usage before the process that was running at a time, and the start of the process.

    Times are in unix seconds. The usage is empty if the first records of the log are missing.
    Raises OSError.
    """
    state = EarlierState(until=time)
    cursor, more = Cursor(state=encode_state(state)), True
    while more:
        batch = read_jsonl(NAME, EarlierParser, path, cursor)
        cursor, more = batch.cursor, batch.more
        state, _, _ = restore(cursor, EarlierState)
    return state.earlier, state.started_at
