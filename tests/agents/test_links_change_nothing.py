"""Symbolic links below an agent's directories change no figure, and each file counts once.

People link a home, a project folder, a transcript or a database: with GNU Stow, to another disk, or
to share it between accounts (anthropics/claude-code 46342, 51488, 59393, 60965, 71473).
"""

import os
import shutil
from pathlib import Path

import pytest
from driving import build_databases
from looking import Look

from agtop_exporter.agents import load_agents

AGENTS = load_agents()
HOMES = Path(__file__).parent
every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)


def link_the_home(home, elsewhere):
    """Replace the entries of a home, such as `~/.claude`, by symbolic links."""
    for path in sorted(home.iterdir()):
        path.rename(elsewhere / path.name)
        path.symlink_to(elsewhere / path.name)


def link_every_folder(home, elsewhere):
    """Replace each folder that contains a file by a symbolic link."""
    for number, path in enumerate(sorted(home.rglob("*"))):
        if path.is_dir() and any(each.is_file() for each in path.iterdir()):
            path.rename(elsewhere / str(number))
            path.symlink_to(elsewhere / str(number))


def link_every_file(home, elsewhere):
    for number, path in enumerate(sorted(home.rglob("*"))):
        if path.is_file() and not path.name.endswith(("-wal", "-shm")):
            path.rename(elsewhere / f"{number}{path.suffix}")
            path.symlink_to(elsewhere / f"{number}{path.suffix}")


def link_every_file_again(home, _elsewhere):
    for path in sorted(home.rglob("*")):
        if path.is_file():
            path.with_name(f"0{path.name}").symlink_to(path)
            os.link(path, path.with_name(f"zz{path.name}"))


def link_every_folder_again(home, _elsewhere):
    for path in sorted(home.rglob("*")):
        if path.is_dir():
            path.with_name(f"0{path.name}").symlink_to(path)


def make_loops(home, _elsewhere):
    for path in sorted(home.rglob("*")):
        if path.is_dir():
            (path / "0up").symlink_to(path.parent)
            (path / "home").symlink_to(home)
            (path / "itself.jsonl").symlink_to(path / "itself.jsonl")
            (path / "itself.db").symlink_to(path / "itself.db")
            (path / "nowhere.json").symlink_to(path / "gone")


WAYS = (
    link_the_home,
    link_every_folder,
    link_every_file,
    link_every_file_again,
    link_every_folder_again,
    make_loops,
)
COMPARED = ("models", "tree", "project", "parent_session_id", "children")


def figures(home, agent):
    """Return the result of three refreshes: session id -> models, turns, tool calls."""
    look = Look(home, agents=[agent])
    found = []
    for _ in range(3):
        sessions = look.sessions()
        assert look.at().errors == ()
        found.append({one: [session[key] for key in COMPARED] for one, session in sessions.items()})
    look.close()
    return found


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@every_agent
def test_links_change_no_figure(agent, way, tmp_path):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    shutil.copytree(HOMES / agent.name / "home", home)
    build_databases(home)
    elsewhere.mkdir()
    expected = figures(home, agent)
    assert expected[0]
    way(home, elsewhere)
    assert figures(home, agent) == expected
