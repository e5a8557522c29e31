"""Count the refreshes that fail while short-lived agents start and end.

    PYTHONPATH=tests/support python tests/bench/churn.py [--one-shots 500] [--daemon-seconds 600]

An agent with idle tools starts children all the time: forks that never execute, tools, other
agents, zombies and orphans. Meanwhile one-shot commands run one after the other, then a daemon is
scraped. The exit status is 1 if a command failed, a refresh failed, or a counter fell.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from processes.churning import churn
from processes.running import Running
from running import PATIENCE_SECONDS, SCRIPTS, daemon, environment
from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns

TURNS = 3
COMMANDS = (
    ("agtop", "json", "--no-pricing-refresh"),
    ("agtop-exporter", "--once", "--json", "--no-state", "--no-pricing-refresh"),
)
INTERVAL_SECONDS = 0.2
SCRAPE_SECONDS = 0.5
FAILURES = ("Traceback", "refresh failed", "level=error")


@dataclass
class Outcome:
    """The number of runs or refreshes, the number of those with agents, and the problems."""

    seen: int = 0
    with_agents: int = 0
    problems: list[str] = field(default_factory=list)


def one_shots(home, count):
    """Run the one-shot commands in turn. Each must print the right tokens and no error."""
    outcome = Outcome()
    for number in range(count):
        done = subprocess.run(
            [SCRIPTS / COMMANDS[number % 2][0], *COMMANDS[number % 2][1:]],
            env=environment(home, AGTOP_PROCFS="/proc"),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        outcome.seen += 1
        if done.returncode or any(mark in done.stderr for mark in FAILURES):
            outcome.problems.append(done.stderr.strip().rpartition("\n")[2])
            continue
        page = json.loads(done.stdout)
        tokens = sum(session["tokens"]["total"] for session in page["sessions"])
        if tokens != TURNS * TOKENS_OF_A_TURN:
            outcome.problems.append(f"{tokens} tokens")
        claude = next(status for status in page["agents"] if status["agent"] == "claude")
        outcome.with_agents += bool(claude["processes"])
    return outcome


def daemon_run(home, seconds):
    """Run a daemon and scrape it. No refresh may fail, and no counter may decrease."""
    outcome, times, before = Outcome(), set(), {}
    with daemon(home, interval=INTERVAL_SECONDS, AGTOP_PROCFS="/proc") as running:
        running.until_ready()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            samples = running.samples()
            now = samples["agtop_snapshot_timestamp_seconds", ()]
            if now not in times:
                times.add(now)
                outcome.with_agents += bool(
                    samples.get(("agtop_processes", (("agent", "claude"),)), 0)
                )
            counters = {key: value for key, value in samples.items() if key[0].endswith("_total")}
            own = {key: value for key, value in counters.items() if key[0].startswith("agtop_")}
            outcome.problems += [
                f"{key} fell from {before[key]} to {value}"
                for key, value in own.items()
                if value < before.get(key, 0)
            ]
            before |= own
            time.sleep(SCRAPE_SECONDS)
        code, _ = running.end()
    outcome.seen = len(times)
    outcome.problems += [
        line.strip() for line in running.log if any(mark in line for mark in FAILURES)
    ]
    if code:
        outcome.problems.append(f"the daemon ended with {code}")
    return outcome


def make_home(folder):
    """Make a home with one Claude Code session of `TURNS` turns."""
    home = folder / "home"
    claude_file(home).write_text(claude_turns(1, range(TURNS)))
    return home


def report(what, outcome):
    print(f"{what:12}{outcome.seen:6} seen, {outcome.with_agents} of them with agents")
    print(f"{'problems':12}{len(outcome.problems):6}")
    for problem in sorted(set(outcome.problems))[:10]:
        print(f"    {outcome.problems.count(problem)} x {problem[:200]}")


def main():
    """Run the benchmark that the arguments select."""
    options = argparse.ArgumentParser()
    options.add_argument("--one-shots", type=int, default=500)
    options.add_argument("--daemon-seconds", type=float, default=600)
    options.add_argument("--per-second", type=float, default=40, help="children to start")
    options.add_argument("--tools", type=int, default=100, help="idle children of the agent")
    chosen = options.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as name, Running(Path(name)) as running:
        home = make_home(Path(name))
        with churn(running, per_second=chosen.per_second, tools=chosen.tools):
            for what, measure, amount in (
                ("one-shots", one_shots, chosen.one_shots),
                ("snapshots", daemon_run, chosen.daemon_seconds),
            ):
                if amount:
                    outcome = measure(home, amount)
                    report(what, outcome)
                    failed = failed or bool(outcome.problems)
    sys.exit(failed)


if __name__ == "__main__":
    main()
