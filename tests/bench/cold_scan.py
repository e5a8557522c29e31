"""Compare the time of a cold `agtop-exporter --once --json` with that of another program.

usage: cold_scan.py HOME [--pairs 5] [--peer 'ccusage session --offline --json']

The programs run alternately on the same files. The output has the median of each figure, and the
median of the ratios of the pairs, which is valid even if the speed of the machine changes. Peak
memory is that of the largest process.
"""

import argparse
import os
import shlex
import statistics
import sys
import tempfile
import time
from pathlib import Path

OURS = [
    str(Path(sys.executable).parent / "agtop-exporter"),
    *("--once", "--json", "--no-state", "--no-pricing-refresh", "--home"),
]
FIGURES = ("wall s", "cpu s", "peak MB")


def measure(command, home):
    """Run a command to its end: (wall seconds, CPU seconds, peak megabytes)."""
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        pid = os.posix_spawnp(
            command[0],
            command,
            {**os.environ, "HOME": home},
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1)],
        )
        _, status, usage = os.wait4(pid, 0)
        wall = time.monotonic() - began
    if status:
        sys.exit(f"{command[0]} ended with status {status}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--peer", help="another program, which scans $HOME")
    options = parser.parse_args()
    programs = {"ours": [*OURS, options.home]}
    if options.peer:
        programs["peer"] = shlex.split(options.peer)
    runs = {name: [] for name in programs}
    for number in range(options.pairs + 1):
        for name, command in programs.items():
            figures = measure(command, options.home)
            if number:  # the first of each only warms the file cache
                runs[name].append(figures)
    for name, figures in runs.items():
        medians = [statistics.median(column) for column in zip(*figures, strict=True)]
        shown = zip(FIGURES, medians, strict=True)
        print(f"{name}:", ", ".join(f"{figure} {value:.2f}" for figure, value in shown))
    if options.peer:
        for index, figure in enumerate(FIGURES):
            pairs = zip(runs["ours"], runs["peer"], strict=True)
            ratio = statistics.median(ours[index] / peer[index] for ours, peer in pairs)
            print(f"{figure}: ours / peer = {ratio:.2f}")


main()
