"""Compare the tokens of agtop-exporter and ccusage with the true figures of some homes.

usage: tokens.py CASE... [--ccusage PROGRAM]

A CASE is a folder with `home` and `expected.json`:
{"sessions": {session id: {"models": {model: {token type: number}}}}}
Each cell is the figure of one session and token type, summed over its models, because the programs
use different names for some models. Both kinds of cache writes are one cell, because ccusage does
not separate them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OURS = Path(sys.executable).parent / "agtop-exporter"
TYPES = ("input", "cache_read", "cache_write", "output")
CCUSAGE_TYPES = ("inputTokens", "cacheReadTokens", "cacheCreationTokens", "outputTokens")


def output_of(command, home, tmp):
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CACHE_HOME": str(tmp)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    ).stdout


def our_sessions(home, tmp):
    """Return the sessions of our JSON by id."""
    command = [OURS, "--once", "--json", "--no-state", "--no-pricing-refresh", "--home", home]
    document = json.loads(output_of(command, home, tmp))
    return {session["session_id"]: session for session in document["sessions"]}


def ccusage_sessions(program, home, tmp):
    """Return the sessions of ccusage by id. The id of a Codex session is that of its file."""
    try:
        document = json.loads(output_of([program, "session", "--json", "--offline"], home, tmp))
    except json.JSONDecodeError:  # it prints a sentence if it finds nothing
        return {}
    return {
        session["period"][-36:] if "rollout-" in session["period"] else session["period"]: session
        for session in document["session"]
    }


def ours(home, tmp):
    """Return the tokens of each session: without its subagents, and with them."""
    return {
        session_id: [cells(session["tokens"]), cells(session["tree"]["tokens"])]
        for session_id, session in our_sessions(home, tmp).items()
    }


def ccusage(program, home, tmp):
    """Return the tokens of each session."""
    return {
        session_id: [tuple(session[name] for name in CCUSAGE_TYPES)]
        for session_id, session in ccusage_sessions(program, home, tmp).items()
    }


def cells(figures):
    """Return the figures of TYPES from a mapping with both kinds of cache writes."""
    writes = (figures.get("cache_write_5m") or 0) + (figures.get("cache_write_1h") or 0)
    read = figures.get("cache_read") or 0
    output = figures.get("output_recorded", figures.get("output"))
    return figures.get("input") or 0, read, writes, output or 0


def right(expected, found):
    """Count the right cells, and all cells."""
    good = total = 0
    for session_id, session in expected["sessions"].items():
        if not session["models"]:
            continue
        truth = [sum(each) for each in zip(*map(cells, session["models"].values()), strict=True)]
        total += len(TYPES)
        good += max(
            sum(a == b for a, b in zip(truth, candidate, strict=False))
            for candidate in found.get(session_id, [()])
        )
    return good, total


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("case", nargs="+", type=Path)
    parser.add_argument("--ccusage", default="ccusage")
    options = parser.parse_args()
    sums = [0, 0, 0]
    print(f"{'case':40} {'ours':>10} {'ccusage':>10}")
    for case in options.case:
        expected = json.loads((case / "expected.json").read_text())
        with tempfile.TemporaryDirectory() as tmp:
            home = Path(tmp, "home")
            shutil.copytree(case / "home", home, symlinks=True)
            good, total = right(expected, ours(home, tmp))
            theirs, _ = right(expected, ccusage(options.ccusage, home, tmp))
        print(f"{case.name:40} {f'{good}/{total}':>10} {f'{theirs}/{total}':>10}")
        sums = [a + b for a, b in zip(sums, (good, theirs, total), strict=True)]
    print(f"{'all':40} {f'{sums[0]}/{sums[2]}':>10} {f'{sums[1]}/{sums[2]}':>10}")


if __name__ == "__main__":
    main()
