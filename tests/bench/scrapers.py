"""Measure how long scrapes take while the daemon reads a home for the first time, and afterwards.

    python tests/bench/scrapers.py HOME [--scrapers 1 10 50] [--pause 0.1]

Each scraper has its own connection, and waits for a pause between two requests. One thread sends
all requests, so that the times are not those of the benchmark.
"""

import argparse
import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "agtop-exporter"
REQUEST = (
    b"GET %s HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n"
    b"Accept: application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3\r\n"
    b"X-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
)
AFTERWARDS_SECONDS = 10.0


async def get(reader, writer, path):
    """Send a request on an open connection. Return the status of the response."""
    writer.write(REQUEST % path)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


async def scraper(port, pause, times, stop):
    """Scrape repeatedly until `stop` is set. Append the milliseconds of each scrape to `times`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not stop.is_set():
        began = time.perf_counter()
        await get(reader, writer, b"/metrics")
        times.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(pause)
    writer.close()


async def ready(port):
    """Wait for the end of the first scan."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while await get(reader, writer, b"/-/ready") != 200:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.1)
    writer.close()


async def scraped(port, count, pause, until):
    """Run `count` scrapers until the awaitable `until` has ended. Return the milliseconds."""
    times, stop = [], asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(scraper(port, pause, times, stop))
            await asyncio.sleep(pause / count if number < count - 1 else 0)
        await until
        stop.set()
    return sorted(times)


def report(name, times):
    """Print percentiles of the times."""
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    print(
        f"{name}: p50 {statistics.median(times):.1f} ms, p99 {p99:.1f} ms,"
        f" longest {times[-1]:.1f} ms, n {len(times)}",
        flush=True,
    )


async def measure(port, count, pause):
    """Measure one daemon."""
    began = time.monotonic()
    times = await scraped(port, count, pause, ready(port))
    seconds = time.monotonic() - began
    report(f"{count:3} scrapers during the first scan of {seconds:.1f} s", times)
    report(
        f"{count:3} scrapers afterwards",
        await scraped(port, count, pause, asyncio.sleep(AFTERWARDS_SECONDS)),
    )


def main():
    """Run the benchmark that the arguments select."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("home")
    options.add_argument("--scrapers", type=int, nargs="+", default=[1, 10, 50])
    options.add_argument("--pause", type=float, default=0.1, help="seconds between two requests")
    chosen = options.parse_args()
    for count in chosen.scrapers:
        with tempfile.TemporaryDirectory() as state:
            arguments = ["--home", chosen.home, "--state-dir", state, "--no-pricing-refresh"]
            process = subprocess.Popen(
                [PROGRAM, *arguments, "--listen-address", "127.0.0.1:0"],
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                line = next(line for line in process.stderr if "url=" in line)
                threading.Thread(target=process.stderr.read, daemon=True).start()
                port = int(re.search(r"url=\S+:(\d+)/", line)[1])
                asyncio.run(measure(port, count, chosen.pause))
            finally:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
