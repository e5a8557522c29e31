"""Measure the CPU time of a tick on an OpenCode database of 500 MB, idle and with a new message.

    PYTHONPATH=tests/support python tests/bench/idle_database.py [--megabytes 500] [--ticks 200]

Another connection keeps the database open with a write-ahead log that is not checkpointed, as
OpenCode does. For comparison, SQLite alone opens the file and counts its messages.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from places import AGENT_FOLDERS

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing import PriceBook
from agtop_exporter.settings import Settings

SCHEMA = AGENT_FOLDERS / "opencode/home/.local/share/opencode/opencode.db.sql"
PART_BYTES = 16_000
PARTS_A_MESSAGE = 8
BEGIN = 1_790_000_000_000


def main() -> None:
    """Fill a database, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--ticks", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, ".local/share/opencode/opencode.db")
        path.parent.mkdir(parents=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            count = fill(writer, options.megabytes * 1_000_000)
            measure(Path(folder), path, writer, count, options.ticks)


def fill(writer: sqlite3.Connection, size: int) -> int:
    """Write messages with their parts; return the number of messages."""
    writer.executescript(SCHEMA.read_text(encoding="utf-8"))
    writer.execute("PRAGMA journal_mode = wal")
    writer.execute("BEGIN")
    count = size // PART_BYTES // PARTS_A_MESSAGE
    for number in range(count):
        add_message(writer, number)
        text = json.dumps({"type": "text", "text": f"{number} " + "x" * PART_BYTES})
        for part in range(PARTS_A_MESSAGE):
            row = (f"prt_{number:08}_{part}", f"msg_{number:08}", "ses_long", BEGIN, BEGIN, text)
            insert(writer, "part", row)
    writer.execute("COMMIT")
    writer.execute("PRAGMA wal_checkpoint")
    return count


def add_message(writer: sqlite3.Connection, number: int) -> None:
    """Write one response of a session. The first response creates the session."""
    time_ms = BEGIN + number * 1000
    if not number:
        columns = "id, project_id, slug, directory, title, version, time_created, time_updated"
        row = ("ses_long", "p1", "long", "/tmp", "Long", "1.18.33", time_ms, time_ms)
        writer.execute(f"INSERT INTO session ({columns}) VALUES (?,?,?,?,?,?,?,?)", row)  # noqa: S608
    message = {
        "role": "assistant",
        "modelID": "gpt-5.1",
        "providerID": "openai",
        "tokens": {"input": 10, "output": number, "reasoning": 0, "cache": {"read": 0, "write": 0}},
        "time": {"created": time_ms, "completed": time_ms + 1},
        "finish": "stop",
    }
    row = (f"msg_{number:08}", "ses_long", time_ms, time_ms, json.dumps(message))
    insert(writer, "message", row)
    writer.execute("UPDATE session SET time_updated = ? WHERE id = 'ses_long'", (time_ms,))


def insert(writer: sqlite3.Connection, table: str, row: tuple[object, ...]) -> None:
    """Write one row."""
    writer.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)  # noqa: S608


def measure(home: Path, path: Path, writer: sqlite3.Connection, count: int, ticks: int) -> None:
    """Print the CPU time of ticks."""
    pipeline = Pipeline(
        Settings(),
        agents=[agent for agent in load_agents() if agent.name == "opencode"],
        homes=[home],
        environment={},
        ledger=Ledger(),
        prices=PriceBook(),
        processes=None,
    )
    print(f"database {path.stat().st_size / 1e6:.0f} MB, journal {wal_megabytes(path):.1f} MB")
    print(f"first scan               {milliseconds(lambda: tick(pipeline), 1):8.1f} ms CPU")
    idle = milliseconds(lambda: tick(pipeline), ticks)
    print(f"idle tick                {idle:8.3f} ms CPU   (bar: 5)")
    numbers = iter(range(count, count + ticks))
    steps = [lambda: add_message(writer, next(numbers)), lambda: tick(pipeline)]
    grown = milliseconds(steps[1], ticks, before=steps[0])
    print(f"tick with a new message  {grown:8.3f} ms CPU   (bar: 5)")
    theirs = milliseconds(lambda: counted(path), ticks)
    print(f"open and count messages  {theirs:8.3f} ms CPU")
    print(f"idle tick / open and count = {idle / theirs:.2f}, with a message {grown / theirs:.2f}")
    used = sum(value for key, value in pipeline.ledger.totals.items() if key[0] == "requests")
    print(f"requests counted: {used}")


def tick(pipeline: Pipeline) -> None:
    """Run one refresh."""
    pipeline.refresh(time.time())


def counted(path: Path) -> int:
    """Count the messages with SQLite alone."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        return int(reader.execute("SELECT count(*) FROM message").fetchone()[0])


def wal_megabytes(path: Path) -> float:
    """Return the size of the write-ahead log in megabytes."""
    return path.with_name(f"{path.name}-wal").stat().st_size / 1e6


def milliseconds(
    step: Callable[[], object], times: int, *, before: Callable[[], object] = lambda: None
) -> float:
    """Return the mean CPU time of a step, without that of its preparation."""
    spent = 0.0
    for _ in range(times):
        before()
        began = time.process_time()
        step()
        spent += time.process_time() - began
    return spent / times * 1000


if __name__ == "__main__":
    main()
