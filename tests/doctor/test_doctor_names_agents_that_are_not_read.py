"""`doctor` names installed agents that are not read: silence would look like no usage."""

import json
import os
import re

import pytest
from looking import Look
from running import run

from agtop_exporter.agents import load_agents
from agtop_exporter.doctor.not_read import installed_unread, unread_agents
from agtop_exporter.folders import Folders

UNREAD = unread_agents()
FLAGS = ("--no-state", "--no-pricing-refresh")


@pytest.fixture
def programs(tmp_path):
    """Return a directory for the PATH. Nothing else is on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def doctor(home, programs, *arguments):
    path = os.fspath(programs)
    return run("agtop-exporter", "doctor", *FLAGS, *arguments, home=home, check=False, PATH=path)


def install(folder, name):
    program = folder / name
    program.touch(mode=0o755)
    return program


def installed(home, path=""):
    return installed_unread([home], path, Folders({}))


def test_nothing_is_installed_in_an_empty_home(tmp_path, programs):
    assert installed(tmp_path, str(programs)) == ()


@pytest.mark.slow
@pytest.mark.parametrize("agent", UNREAD, ids=lambda agent: agent.name)
def test_each_place_and_each_program_shows_its_agent(agent, tmp_path, programs):
    for number, pattern in enumerate(agent.places):
        place = tmp_path / str(number) / pattern.replace("*", "any")
        place.mkdir(parents=True)
        (found,) = installed(tmp_path / str(number))
        assert (found.agent, found.found) == (agent.name, (str(place),))
    for name in agent.programs:
        program = install(programs, name)
        (found,) = installed(tmp_path, str(programs))
        assert (found.agent, found.found) == (agent.name, (str(program),))
        program.unlink()


def test_a_file_that_is_no_program_shows_no_agent(tmp_path, programs):
    install(programs, "aider").chmod(0o644)
    (programs / "amp").mkdir()
    assert installed(tmp_path, str(programs)) == ()


def test_programs_in_relative_directories_are_not_looked_for(tmp_path, programs, monkeypatch):
    install(programs, "aider")
    monkeypatch.chdir(tmp_path)
    assert installed(tmp_path, f"{programs.name}:::.") == ()


@pytest.mark.slow
@pytest.mark.integration
def test_installed_agents_are_named_with_the_reason(tmp_path, programs):
    home = tmp_path / "home"
    (home / ".aider").mkdir(parents=True)
    for place in (".config/Windsurf/User", ".codeium/windsurf"):
        (home / place).mkdir(parents=True)
    reasons = {agent.name: agent.reason for agent in UNREAD}
    done = doctor(home, programs)
    assert done.returncode == 0
    assert (
        "not read     2 installed agents, whose usage is not counted\n"
        f"  - Aider ({home}/.aider): {reasons['aider']}\n"
        f"  - Windsurf ({home}/.codeium/windsurf and 1 more): {reasons['windsurf']}\n"
    ) in done.stdout
    assert done.stdout.endswith("Nothing was checked.\n")
    document = json.loads(doctor(home, programs, "--json").stdout)
    assert document["agents_not_read"][0] == {
        "agent": "aider",
        "title": "Aider",
        "found": [f"{home}/.aider"],
        "reason": reasons["aider"],
    }
    assert not document["needs_attention"]


@pytest.mark.slow
@pytest.mark.integration
def test_agents_that_the_user_did_not_ask_for_are_not_named(tmp_path, programs):
    install(programs, "aider")
    assert "Aider" in doctor(tmp_path, programs).stdout
    assert "Aider" not in doctor(tmp_path, programs, "--agent", "codex").stdout


# --- agents/not_read.toml -------------------------------------------------------------------


def plain(name):
    return re.sub(r"[^a-z0-9]", "", name.lower())


def test_no_agent_is_read_and_not_read():
    """Delete the entry of an agent in `agents/not_read.toml` when a reader for it is added."""
    agents = load_agents()
    read = {plain(n) for agent in agents for n in (agent.name, agent.title, *agent.aliases)}
    both = [one.name for one in UNREAD if {plain(one.name), plain(one.title)} & read]
    assert both == []


def test_agents_are_sorted_and_named_once():
    names = [agent.name for agent in UNREAD]
    assert names == sorted(set(names))
    assert len({agent.title for agent in UNREAD}) == len(UNREAD)


@pytest.mark.parametrize("agent", UNREAD, ids=lambda agent: agent.name)
def test_an_entry_is_complete(agent):
    assert agent.places or agent.programs
    assert agent.source
    assert re.fullmatch(r"[^.\n]+(?:\.\d+[^.\n]*)*", agent.reason), (
        "one sentence without its full stop"
    )


@pytest.mark.slow
def test_agents_that_are_not_read_change_no_figure(tmp_path):
    """The folders of all agents that are not read are in a home: nothing is counted."""
    for agent in UNREAD:
        for pattern in agent.places:
            (tmp_path / pattern.replace("*", "any")).mkdir(parents=True, exist_ok=True)
    snapshot = Look(tmp_path).at()
    assert snapshot.sessions == ()
