"""A folder that cannot be listed, for want of a permission or by an error of its disk, is reported.

Otherwise the sessions in it are missing, and nothing shows it.
"""

import errno
import os
from contextlib import contextmanager

import pytest
from looking import Look

from agtop_exporter.agents import claude, load_agents

SCANDIR = os.scandir


@contextmanager
def closed(folder):
    """Let each attempt to list a folder fail."""

    def scandir(path="."):
        if os.fspath(path) == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        return SCANDIR(path)

    os.scandir = scandir
    try:
        yield
    finally:
        os.scandir = SCANDIR


def seen(agent, home):
    """Return the number of counted tokens, and whether all files could be read."""
    look = Look(home, agents=[agent])
    snapshot = look.at()
    look.close()
    (status,) = snapshot.agents
    return sum(n for series, n in snapshot.totals.items() if series[0] == "tokens"), status.up


@pytest.mark.long
@pytest.mark.parametrize("agent", load_agents(), ids=lambda agent: agent.name)
def test_no_usage_is_missing_without_a_report(agent, home):
    whole, _ = seen(agent, home)
    assert whole
    silent = []
    for folder in sorted(str(path) for path in home.rglob("*") if path.is_dir()):
        with closed(folder):
            counted, is_up = seen(agent, home)
        if counted < whole and is_up is not False:
            silent.append(folder.removeprefix(str(home)))
    assert silent == []


@pytest.mark.parametrize("agent", [claude.AGENT], ids=["claude"])
def test_default_directories_of_a_home_that_cannot_be_listed_are_read(agent, home):
    with closed(str(home)):
        counted, is_up = seen(agent, home)
    assert (counted, is_up) == (seen(agent, home)[0], True)
