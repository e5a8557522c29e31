"""Restores the keys of counted events that a damaged ledger has lost, by reading the files again.

The key of an event shows that the totals already contain the event. Without the keys, the events in
a copy of an old transcript would be counted again.
"""

from collections.abc import Callable, Mapping
from functools import partial

from agtop_exporter.agents import Agent
from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger.merging import Price
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.pipeline.files import Work
from agtop_exporter.pipeline.guard import Beat, Guard, NoResponseError
from agtop_exporter.pipeline.one_file import Failure, read_one

BYTES_PER_REFRESH = 64 * 1024 * 1024  # takes about a second


def restore_keys(
    ledger: Ledger,
    agents: Mapping[str, Agent],
    *,
    price: Price,
    guard: Guard,
    stopping: Callable[[], bool],
) -> None:
    """Read the files whose event keys the ledger has lost, and restore the keys.

    One call reads about BYTES_PER_REFRESH at most, and ends early if `stopping` returns True.
    """
    left = BYTES_PER_REFRESH
    for agent, path in ledger.files_to_restore:
        if agent not in agents:
            continue
        cursor, more = Cursor(), True
        while more:
            if stopping() or left <= 0:
                return
            work = Work(agent, path, cursor)
            try:
                batch = guard.call(agent, partial(_read, work, agents))
            except NoResponseError:  # reported by the scan
                break
            if not isinstance(batch, Batch):  # reported by the scan
                break
            left -= batch.bytes_read
            more = ledger.restore(batch, price=price) and batch.more
            cursor = batch.cursor
    if not stopping():  # a stopped scan has not read all files
        ledger.end_restoring(agents)


def _read(work: Work, agents: Mapping[str, Agent], _beat: Beat) -> Batch | Failure:
    return read_one(work, agents)
