"""Read thousands of damaged files for each agent, and report crashes and losses.

    PYTHONPATH=tests/support python tests/bench/bad_files.py [--rounds 20] [--agent NAME]
        [--cuts 400] [--megabytes 100]

A crash is any exception other than OSError. A loss is a missing figure of an undamaged file.
"""

import argparse
import random
import resource
import shutil
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from driving import build_databases
from mangling import (
    damaged_homes,
    paths_of,
    read_all,
    sums,
    sums_without,
    unrelated,
)
from places import AGENT_FOLDERS

from agtop_exporter.agents import load_agents


class Campaign:
    """Reads damaged files of one agent, and counts crashes and losses."""

    def __init__(self, agent, home):
        """Create an undamaged home."""
        self.agent, self.home = agent, home
        self.paths = paths_of(agent, home)
        self.files = {path: unrelated(path, self.paths) for path in self.paths}
        self.tried, self.crashes, self.losses, self.skipped = Counter(), 0, 0, 0

    def attempt(self, path, way, rest, most=None):
        """Read the files, one of which is damaged, and compare the totals."""
        self.tried[way] += 1
        try:
            ledger = read_all(self.agent, self.files[path])
        except Exception:  # noqa: BLE001 - it is what is looked for
            self.crashes += 1
            traceback.print_exc()
            return
        found = sums(ledger)
        self.skipped += sum(n for series, n in ledger.totals.items() if series[0] == "parse_errors")
        if rest - found or (most is not None and found - most):
            self.losses += 1
            print("loss:", path.name, way, rest - found, (found - most) if most else "", flush=True)

    def damage(self, rounds):
        """Damage every file in every way, repeatedly."""
        rest = {path: sums_without(self.agent, path, self.files[path]) for path in self.paths}
        for number in range(rounds):
            for path, way in damaged_homes(self.agent, self.home, random.Random(number)):
                self.attempt(path, way, rest[path])

    def cut(self, cuts):
        """Truncate every file at some positions."""
        for path in self.paths:
            rest = sums_without(self.agent, path, self.files[path])
            whole = sums(read_all(self.agent, self.files[path]))
            original = path.read_bytes()
            step = max(1, len(original) // cuts)
            for end in range(0, len(original), step):
                path.write_bytes(original[:end])
                self.attempt(path, "cut", rest, whole)
            path.write_bytes(original)

    def lengthen(self, megabytes):
        """Add a text of many megabytes to a record of every text file."""
        for path in self.paths:
            original = path.read_bytes()
            whole = sums(read_all(self.agent, self.files[path]))
            at = original.find(b'"text":"')
            if path.suffix == ".jsonl" and at >= 0:
                at += len(b'"text":"')
                path.write_bytes(original[:at] + b"x" * megabytes * 1_000_000 + original[at:])
                self.attempt(path, "long line", whole, whole)
                path.write_bytes(original)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--cuts", type=int, default=400, help="places of each file")
    parser.add_argument("--megabytes", type=int, default=100, help="of the long line")
    parser.add_argument("--agent")
    options = parser.parse_args()
    for agent in load_agents():
        if options.agent not in (None, agent.name):
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder, "home")
            shutil.copytree(AGENT_FOLDERS / agent.name / "home", home)
            build_databases(home)
            campaign = Campaign(agent, home)
            campaign.damage(options.rounds)
            campaign.cut(options.cuts)
            campaign.lengthen(options.megabytes)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{agent.name}: {campaign.tried.total()} bad files tried, {campaign.skipped} records"
            f" skipped and counted, {campaign.crashes} crashes, {campaign.losses} losses"
            f" ({time.monotonic() - began:.0f} s, peak {peak:.0f} MB); {dict(campaign.tried)}",
            flush=True,
        )


main()
