"""Count the sessions of a folder with very many files, and report time and memory.

    PYTHONPATH=tests/support python tests/bench/crowded.py [--files 100000]

The first scan writes a ledger. The second scan starts with it, and nothing has changed.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns

PROGRAM = Path(sys.executable).parent / "agtop-exporter"


def scan(home, state):
    """Return the tokens, and the CPU seconds, wall seconds and peak memory of a scan."""
    flags = ("--once", "--json", "--no-pricing-refresh", "--home", home, "--state-dir", state)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([PROGRAM, *map(str, flags)], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    tokens = json.loads(done.stdout)["totals"]["tokens"]["total"]
    return tokens, spent, time.monotonic() - began, after.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        for number in range(1, options.files + 1):
            claude_file(home, number).write_text(claude_turns(number, range(1)))
        for name in ("first scan", "second scan"):
            tokens, cpu, wall, peak = scan(home, Path(folder, "state"))
            lost = options.files * TOKENS_OF_A_TURN - tokens
            print(
                f"{name} of {options.files:,} files in one folder: {lost} tokens lost,"
                f" {cpu:.1f} s of CPU, {wall:.1f} s, {peak:.0f} MB"
            )


main()
