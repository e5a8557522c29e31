"""Measure the daemon on a home: memory, idle refreshes, one changed session, and scrapes.

usage: steady.py HOME [--refreshes 200]

Everything is measured from outside of a real daemon: CPU from /proc, scrapes over loopback.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "agtop-exporter"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
INTERVAL_SECONDS = 0.1


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def rss_megabytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def scrape_milliseconds(port, number):
    times = []
    for _ in range(number):
        began = time.monotonic()
        get(port, "/metrics")
        times.append((time.monotonic() - began) * 1000)
        time.sleep(0.005)
    return sorted(times)


def told(name, times):
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    print(f"{name}: p50 {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, n {len(times)}")


def refreshes(port):
    page = get(port, "/metrics")[1].decode()
    return float(re.search(r"^agtop_snapshot_timestamp_seconds (\S+)", page, re.MULTILINE)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home")
    parser.add_argument("--refreshes", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen(
            [
                PROGRAM,
                *("--home", options.home, "--state-dir", state, "--no-pricing-refresh"),
                *("--listen-address", "127.0.0.1:0", "--interval", str(INTERVAL_SECONDS)),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            line = next(line for line in process.stderr if "url=" in line)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            port = int(re.search(r"url=\S+:(\d+)/", line)[1])
            measure(process.pid, port, options)
        finally:
            process.terminate()
            process.wait()
        warm(options.home, state)


def measure(pid, port, options):
    began, times = time.monotonic(), []
    while get(port, "/-/ready")[0] != 200:
        times += scrape_milliseconds(port, 20)
    print(f"cold scan in the daemon: {time.monotonic() - began:.1f} s")
    told("scrape during the cold scan", sorted(times))
    told("scrape afterwards", scrape_milliseconds(port, 300))
    print(f"page: {len(get(port, '/metrics')[1].splitlines())} lines")
    first_rss = rss_megabytes(pid)
    before = cpu_seconds(pid)
    began = time.monotonic()
    duration = options.refreshes * INTERVAL_SECONDS
    time.sleep(duration)
    used = cpu_seconds(pid) - before
    # A refresh takes the interval and its own time.
    count = (time.monotonic() - began) / (INTERVAL_SECONDS + used / options.refreshes)
    print(f"refresh with nothing new: {1000 * used / count:.1f} ms CPU")
    print(f"RSS: {first_rss:.0f} MB after the scan, {rss_megabytes(pid):.0f} MB at the end")


def warm(home, state):
    command = [PROGRAM, "--once", "--json", "--no-pricing-refresh", "--home", home]
    times = []
    for _ in range(6):
        began = time.monotonic()
        subprocess.run([*command, "--state-dir", state], stdout=subprocess.DEVNULL, check=True)
        times.append(time.monotonic() - began)
    print(f"warm start of --once --json: {statistics.median(times[1:]):.2f} s")


main()
