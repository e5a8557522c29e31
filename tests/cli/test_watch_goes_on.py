"""`agtop list --watch` shows new data, ends quietly, and lets SQLite reuse the daemon's journal."""

import signal
import subprocess
from contextlib import contextmanager
from itertools import islice

import pytest
from events import record, response
from running import SCRIPTS, environment
from small_homes import claude_file, claude_turns

from agtop_exporter.ledger import Ledger

pytestmark = pytest.mark.integration

TABLES_MAX = 30  # one a second: a bound for failures


@contextmanager
def watch(home, *flags):
    running = subprocess.Popen(
        [SCRIPTS / "agtop", "list", "--watch", "--delay", "1", "--no-pricing-refresh", *flags],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with running:
        yield running
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate()
    assert (running.returncode, errors) == (0, "")


def summaries(running):
    """Return the line of each table that has the totals or tells that there are no sessions."""
    found = ("No sessions were found", " USD")
    return islice(
        (line for line in running.stdout if any(map(line.__contains__, found))), TABLES_MAX
    )


@pytest.mark.long
def test_a_session_that_begins_is_shown(tmp_path):
    with watch(tmp_path, "--no-state") as running:
        assert next(summaries(running)).startswith("No sessions")
        claude_file(tmp_path).write_text(claude_turns(1, [0]))
        assert any(line.startswith("1 session,") for line in summaries(running))


@pytest.mark.long
def test_a_ledger_that_has_grown_is_opened_again(tmp_path):
    """Sessions with deleted transcripts are in the ledger only."""
    state = tmp_path / "state"
    ledger = Ledger(state)
    record(ledger, response("k", "s1"))
    with watch(tmp_path, "--state-dir", state) as running:
        assert next(summaries(running)).startswith("1 session,")
        for part in "ab":  # a view may begin in the middle of the first
            record(
                ledger,
                *(response(f"{part}{n}", "s2", model="long" * 50) for n in range(50_000)),
            )
        assert any(line.startswith("2 sessions,") for line in summaries(running))
    ledger.close()
