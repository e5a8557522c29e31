"""The daemon logs its URL and the first scan, and serves a current page and JSON document."""

import json
import re
import time

import pytest
from running import PATIENCE_SECONDS, daemon, once
from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns, session_id

pytestmark = pytest.mark.integration

SECONDS = "60"  # between two refreshes, so that only requests wake the daemon


@pytest.fixture
def home(tmp_path):
    """Return a home with two sessions, which are closed."""
    for number in (1, 2):
        claude_file(tmp_path, number).write_text(claude_turns(number, range(number)))
    return tmp_path


def wait_for(pattern, running):
    """Wait for a line of the log, and return the match."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        for line in tuple(running.log):
            if found := re.search(pattern, line):
                return found
        assert time.monotonic() < deadline, "".join(running.log)


@pytest.mark.long
def test_log_has_the_url_and_the_result_of_the_first_scan(home):
    with daemon(home, "--no-state", interval=SECONDS) as running:
        wait_for(rf"msg=listening url=http://127\.0\.0\.1:{running.port}/ version=", running)
        size = sum(claude_file(home, number).stat().st_size for number in (1, 2))
        pattern = rf'msg="first scan done" files=2 bytes={size} sessions=2 seconds=\d+\.\d\n'
        wait_for(pattern, running)
    assert sum("first scan done" in line for line in running.log) == 1


@pytest.mark.long
def test_closed_sessions_are_on_the_page_and_in_the_document(home):
    with daemon(home, "--no-state", interval=SECONDS) as running:
        running.until_ready()
        status, page = running.get("/")
        assert status == 200
        assert page.count(">closed</td>") == 2
        assert session_id(2)[-8:] in page
        assert running.get("/")[1] == page
        served = json.loads(running.get("/api/v1/snapshot")[1])
    expected = once(home)
    names = ("schema_version", "plan", "sessions", "totals", "rate_limits", "budgets")
    assert {name: served[name] for name in names} == {name: expected[name] for name in names}
    assert served.keys() == expected.keys()
    assert served["sessions"][0]["cwd"] == "/tmp/alpha"  # only this machine can connect


@pytest.mark.long
def test_page_shows_new_usage_after_the_next_refresh(home):
    with daemon(home, "--no-state") as running:
        running.until_ready()
        assert "3 requests" in running.get("/")[1]
        with claude_file(home).open("a") as file:
            file.write(claude_turns(1, [7]))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "4 requests" not in running.get("/")[1]:
            assert time.monotonic() < deadline
        served = json.loads(running.get("/api/v1/snapshot")[1])
        assert served["totals"]["tokens"]["total"] == 4 * TOKENS_OF_A_TURN


@pytest.mark.long
def test_document_on_a_network_address_has_no_paths(home):
    with daemon(home, "--no-state", "--listen-address", "0.0.0.0:0") as running:
        running.until_ready()
        first, second = json.loads(running.get("/api/v1/snapshot")[1])["sessions"]
    assert (first["cwd"], second["cwd"]) == (None, None)
    assert first["data_path"] == f"{session_id(2)}.jsonl"
