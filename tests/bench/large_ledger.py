"""Measure a ledger of millions of events: its size, and the time to open it.

    PYTHONPATH=tests/support python tests/bench/large_ledger.py FOLDER [--events 10000000]

FOLDER gets the ledger, unless it has one already. Its events are 0 to 180 days old, so half of them
are older than the retention time of 90 days. The events of each session and hour have the sums that
the other tables have. The sizes are measured before and after the old events are rolled up. The
keys are written in ascending order, so the pages are full; in a ledger that grows, about two thirds
of a page are used.
"""

import argparse
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from driving import project
from events import batch

from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger.schema import COST, FEES, TABLES, TOKENS
from agtop_exporter.model import Cost, TokenCounts, UsageEvent

NOW = 1_790_000_000.0
DAY = 86_400.0
RETENTION_DAYS = 90
HOURS = 10  # hours with activity of each session
TOOL = "Bash"
SUMS = {*TOKENS, *COST, *FEES, "requests"}  # the columns of an event that are divided


def price(event):
    """Return a cost for every model, so that no event is unpriced."""
    tokens = event.tokens
    return Cost(tokens.input * 3, tokens.cache_read, tokens.cache_write_5m * 4, 0, tokens.output)


def write_sessions(directory, sessions, each):
    """Write sessions with one event per hour, whose figures are those of `each` events."""
    ledger = Ledger(directory)
    for number in range(sessions):
        began = NOW - 2 * RETENTION_DAYS * DAY * (number + 0.5) / sessions
        events = [
            UsageEvent(
                key=f"{number}-{hour}",
                session_id=f"{number:08}-aaaa-4bbb-8ccc-123456789012",
                time=began + hour * 3600,
                model=f"claude-sonnet-{number % 4}",
                tokens=TokenCounts(40 * each, 50_000 * each, 900 * each, 0, 300 * each),
                requests=each,
                provider="anthropic",
                tools=((f"toolu_{number:012}{hour:012}", TOOL),),
            )
            for hour in range(HOURS)
        ]
        path = f"/home/ada/.claude/projects/-src-{number % 12}/{number:08}.jsonl"
        ledger.record(batch(*events, path=path, offset=100), price=price, project=project)
        if number % 500 == 499:
            ledger.commit()
            ledger.pack()
    ledger.commit()
    ledger.close()


def split_events(path, each):
    """Replace each event by `each` events with the same sums, in the order of their keys."""
    copied = ", ".join(
        f"{name} / {each}" if name in SUMS else name
        for name in TABLES["events"].columns
        if name != "key"
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for name, value in (("journal_mode", "OFF"), ("synchronous", "OFF")):
            database.execute(f"PRAGMA {name} = {value}")
        database.execute("CREATE TEMP TABLE whole AS SELECT * FROM events")
        database.execute("CREATE TEMP TABLE copies (copy)")
        database.executemany("INSERT INTO copies VALUES (?)", ((n,) for n in range(each)))
        database.execute("BEGIN")
        database.execute("DELETE FROM events")
        database.execute(
            f"INSERT INTO events SELECT CAST(printf('%012d', whole.rowid * {each} + copy) AS BLOB),"  # noqa: S608 - constants
            f" {copied} FROM whole CROSS JOIN copies"
        )
        database.execute("COMMIT")


def opening_seconds(directory, *, read_only=False):
    """Return the shortest time to open the ledger, of three: (seconds, seconds of CPU)."""
    times = []
    for _ in range(3):
        began, used = time.perf_counter(), time.process_time()
        Ledger(directory, read_only=read_only).close()
        times.append((time.perf_counter() - began, time.process_time() - used))
    return min(times)


def roll_up(directory, before):
    """Roll up the events from before a time. Return (seconds, seconds of the longest step)."""
    steps, more = [], True
    ledger = Ledger(directory)
    while more:
        began = time.perf_counter()
        more = ledger.roll_up(before)
        steps.append(time.perf_counter() - began)
    ledger.close()
    return sum(steps), max(steps)


def report(what, directory, events):
    """Print the size and the times to open the ledger."""
    size = (directory / "ledger.db").stat().st_size
    print(f"{what}: {size / 1e6:.0f} MB, {size / events:.1f} MB per million events", flush=True)
    for how, read_only in (("for writing", False), ("for reading", True)):
        seconds, cpu = opening_seconds(directory, read_only=read_only)
        print(f"  opened {how} in {seconds:.2f} s, {cpu:.2f} s of CPU", flush=True)


def main():
    """Run the benchmark that the arguments select."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--events", type=int, default=10_000_000)
    options.add_argument("--sessions", type=int, default=10_000)
    options.add_argument("--keep", action="store_true", help="do not roll up")
    options.add_argument("--retention-days", type=int, default=RETENTION_DAYS)
    chosen = options.parse_args()
    each = chosen.events // chosen.sessions // HOURS
    path = chosen.folder / "ledger.db"
    if not path.exists():
        write_sessions(chosen.folder, chosen.sessions, each)
        split_events(path, each)
    report("before the roll-up", chosen.folder, chosen.events)
    if not chosen.keep:
        seconds, longest = roll_up(chosen.folder, NOW - chosen.retention_days * DAY)
        print(f"rolled up in {seconds:.1f} s, the longest step took {longest:.1f} s")
        report("after the roll-up", chosen.folder, chosen.events)


if __name__ == "__main__":
    main()
