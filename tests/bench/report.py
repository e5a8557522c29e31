"""Measures the time of a report over a large ledger, compared with a program that only starts.

    python tests/bench/report.py [--events 1000000] [--state-dir DIR]

The ledger is invented: sessions of 100 requests over two years. With `--state-dir`, a ledger that
this script made earlier is used again. The script holds the ledger open, as a daemon does.
"""

import argparse
import contextlib
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Batch, Cost, Cursor, SessionUpdate, TokenCounts, UsageEvent

START = 1_730_000_000.0
SPAN_SECONDS = 730 * 86_400
OF_SESSION = 100  # requests
GAP_SECONDS = 90
MODELS = ("claude-sonnet-4-5", "claude-opus-4-6", "gpt-5.2-codex")
RUNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--state-dir", type=Path)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        state = options.state_dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not (state / "ledger.db").exists():
            fill(state, options.events // OF_SESSION)
        stack.enter_context(contextlib.closing(Ledger(state)))
        start = seconds("price", "claude-opus-4-6")
        print(f"ordinary start: {start[0]:.2f} s, CPU {start[1]:.2f} s")
        for report in ("daily", "weekly", "monthly", "blocks", "today"):
            wall, cpu = seconds(report, "--state-dir", str(state))
            print(f"agtop {report}: {wall - start[0]:.2f} s more, CPU {cpu - start[1]:.2f} s more")


def fill(state: Path, sessions: int) -> None:
    """Write a ledger with this number of sessions."""
    ledger = Ledger(state)
    for number in range(sessions):
        ledger.record(batch(number, sessions), price=lambda _: Cost(input=10**9), project=project)
        if ledger.needs_checkpoint:
            ledger.checkpoint()
            ledger.pack()
    ledger.commit()
    ledger.close()


def batch(number: int, sessions: int) -> Batch:
    session, began = f"session-{number}", START + SPAN_SECONDS * number // sessions
    events = tuple(
        UsageEvent(
            key=f"{number}/{turn}",
            session_id=session,
            time=began + turn * GAP_SECONDS,
            model=MODELS[(number + turn // 60) % len(MODELS)],
            tokens=TokenCounts(100, 20_000, 1_000, 0, 500),
            requests=1,
        )
        for turn in range(OF_SESSION)
    )
    update = SessionUpdate(session_id=session, cwd=f"/home/ada/project-{number % 40}")
    return Batch("claude", f"/{session}.jsonl", Cursor(offset=1), events=events, sessions=(update,))


def project(cwd: str) -> str:
    return cwd.rpartition("/")[2]


def seconds(*command: str) -> tuple[float, float]:
    """Return the shortest wall and CPU times of RUNS runs of a command."""
    program = Path(sys.executable).with_name("agtop")
    walls, cpus = [], []
    for _ in range(RUNS):
        began, before = perf_counter(), children_seconds()
        subprocess.run(
            [program, *command, "--no-pricing-refresh"], check=True, stdout=subprocess.DEVNULL
        )
        walls.append(perf_counter() - began)
        cpus.append(children_seconds() - before)
    return min(walls), min(cpus)


def children_seconds() -> float:
    """Return the CPU time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
