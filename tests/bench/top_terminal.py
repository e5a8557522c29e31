"""Measure `agtop top` on a terminal: first rows, key to paint, processor time at rest and memory.

    PYTHONPATH=tests/support python tests/bench/top_terminal.py HOME [--rest 20] [--turns 10]

The home is read twice: without a ledger, and with the ledger of the first time. The first keys come
while the view still loads its read-only pipeline.
"""

import argparse
import os
import re
import tempfile
import time
from pathlib import Path

import psutil
from pseudo_terminal import PseudoTerminal

from agtop_exporter.top.app import FRAME_SECONDS

KEYS = (*"jkGgssi<<ald", "2", "3", "1", *"mm/prt", "\r")
"""Keys that change the list, the detail or the footer."""
PAINTED = re.compile(r"\x1b\[(?:[4-9]|[1-9]\d);\d+H(?!\Z|\x1b\[\d+;\d+H)")
"""The start of a text below the header, which may change without a key."""
ROWS = re.compile(r"\d of [1-9]\d*\x1b")  # `10 of 200 · live+today`


def read(terminal, seconds):
    """Return what the program writes within some seconds."""
    terminal.output = ""
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        terminal._read(left)  # noqa: SLF001 - a bench of the same tests
    return terminal.output


def until(terminal, pattern, began):
    """Return the seconds until the program has written a text."""
    terminal.until(re.compile(pattern).search)
    return time.perf_counter() - began


def press(terminal, key):
    """Return the seconds from a key to its screen."""
    terminal.output = ""
    began = time.perf_counter()
    terminal.type(key)
    terminal.until(PAINTED.search)
    seconds = time.perf_counter() - began
    read(terminal, FRAME_SECONDS)  # a key that follows sooner is drawn later, as if it were held
    return seconds


def pressed(terminal, turns):
    """Press all keys, and print the times."""
    times = {}
    for _ in range(turns):
        for key in KEYS:
            times.setdefault(key, []).append(press(terminal, key))
        press(terminal, "\x1b")  # clears the filter
        read(terminal, 0.3)  # a key that follows at once would be Alt and this key
    every = sorted((second, key) for key, found in times.items() for second in found)
    print(
        f"  {len(every)} keys:",
        ", ".join(
            f"{name} {1e3 * every[int(len(every) * share)][0]:.0f} ms"
            for name, share in (("median", 0.5), ("p95", 0.95), ("p99", 0.99))
        ),
        "slowest",
        *(f"{key!r} {1e3 * second:.0f}" for second, key in every[:-6:-1]),
    )


def measure(options, state, name):
    """Start the view, and print its figures."""
    arguments = ("top", "--no-pricing-refresh", "--state-dir", state, "--delay", options.delay)
    began = time.perf_counter()
    with PseudoTerminal("agtop", *arguments, home=options.home, columns=200, lines=60) as terminal:
        drawn = until(terminal, "agtop", began)
        rows = until(terminal, ROWS, began)
        print(f"{name}: first screen {drawn:.2f} s, first rows {rows:.2f} s")
        if options.turns:
            press(terminal, "v")  # all sessions
            pressed(terminal, options.turns)
        read(terminal, 5)
        program = psutil.Process(terminal.process.pid)
        before, began = program.cpu_times(), time.perf_counter()
        written = len(read(terminal, options.rest))
        after, seconds = program.cpu_times(), time.perf_counter() - began
        used = after.user + after.system - before.user - before.system
        memory = program.memory_info().rss / 1e6
        print(
            f"  at rest: {100 * used / seconds:.1f} % of one core, {memory:.0f} MB,"
            f" {written / seconds:.0f} B/s written"
        )
        terminal.type("q")
        terminal.end()


def main():
    """Measure without and with a ledger."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("--rest", type=float, default=20)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--delay", type=float, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        for name in ("cold", "known ledger"):
            measure(options, state, name)


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    main()
