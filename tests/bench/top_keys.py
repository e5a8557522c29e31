"""Measure the time from a key to the new screen, with 10,000 sessions, while a refresh works.

    PYTHONPATH=tests/support python tests/bench/top_keys.py [--sessions 10000]

A thread computes all the time, as the feed does during a long refresh. `top_terminal.py` measures
the same on a real terminal, with real files.
"""

import argparse
import asyncio
import gc
import statistics
import threading
import time

import msgspec
from textual.events import Key
from top_pilot import Driven
from top_views import frame, session

KEYS = ("j", "j", "pagedown", "k", "s", "i", *"vvv", "end", "home", "a", "d", "l", "d", "m")
OPEN = 200  # sessions with samples; the others are closed


def compute(ended):
    """Compute until the event is set."""
    while not ended.is_set():
        sum(range(10_000))


async def measure(number):
    """Return the seconds from each key to the new screen."""
    shown = [
        session(place + 1, f"project {place % 50}", "Title", "idle" if place < OPEN else "closed")
        for place in range(number)
    ]
    found = frame(*shown)
    rings = dict(list(found.rings.items())[:OPEN])
    times = []
    async with Driven(msgspec.structs.replace(found, rings=rings), size=(200, 60)) as running:
        await running.press("v")  # all sessions
        gc.freeze()  # as the feed does
        canvas, painted = running.app.query_one("Canvas"), asyncio.Event()
        show = canvas.show

        def note(lines):
            show(lines)
            painted.set()

        canvas.show = note
        ended = threading.Event()
        threading.Thread(target=compute, args=(ended,)).start()
        for turn in range(10):
            for name in KEYS:
                painted.clear()
                began = time.perf_counter()
                running.app.post_message(Key(name, name if len(name) == 1 else None))
                await painted.wait()
                times.append(time.perf_counter() - began)
                await asyncio.sleep(0.01 * (turn % 2))
        ended.set()
    return times


def main():
    """Print the median and the 99th percentile."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sessions", type=int, default=10_000)
    times = asyncio.run(measure(options.parse_args().sessions))
    last = statistics.quantiles(times, n=100)[-1]
    middle = statistics.median(times)
    print(f"{len(times)} keys: median {middle * 1e3:.0f} ms, p99 {last * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
