"""While the process cannot open any file, files count as unread; later, nothing is missing."""

import contextlib
import resource
from pathlib import Path

import pytest
from looking import EVENING, Look
from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns

from agtop_exporter.agents import claude

FILES = 20
OPEN = Path("/proc/self/fd")


@contextlib.contextmanager
def open_files_at_most(number):
    """Limit the descriptors of this process for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def highest_descriptor():
    return max(int(entry.name) for entry in OPEN.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not OPEN.is_dir(), reason="the limit is set by descriptors")
@pytest.mark.parametrize("spare", [0, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("is_first", [True, False])
def test_tokens_are_counted_when_files_can_be_opened_again(tmp_path, spare, is_first):
    home = tmp_path / "home"
    look = Look(home, agents=[claude.AGENT], state=tmp_path / "state")
    if not is_first:
        look.at(EVENING)
    for number in range(1, FILES + 1):
        claude_file(home, number).write_text(claude_turns(number, range(2)))
    with open_files_at_most(highest_descriptor() + 1 + spare):
        look.at(EVENING + 1)
    samples = look.samples(EVENING + 2)
    assert samples["agtop_agent_up", "claude"] == 1
    found = sum(value for (name, *_), value in samples.items() if name == "agtop_tokens_total")
    assert found == FILES * 2 * TOKENS_OF_A_TURN
    assert look.pipeline.ledger.durable
    look.close()
