"""The copies that programs for synchronization and backup leave beside a file count nothing.

If two machines change a file, these programs keep both versions, one of them under another name
(anthropics/claude-code 37130 and 44440, tawanorg/claude-sync 77).
"""

import shutil

import pytest
from damaged_files import read_all
from driving import read_on, used
from transcripts import write

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger

NAMES = [
    "{stem} (Ada's conflicted copy 2026-11-30){suffix}",  # Dropbox, Nextcloud
    "{stem}.sync-conflict-20261130-101112-ABCDEFG{suffix}",  # Syncthing
    "{stem} 2{suffix}",  # iCloud
    "{stem}_backup{suffix}",
    "{stem}{suffix}.bak",
]
PROJECTS = frozenset({"project_tokens", "project_cost"})  # a copy may be read before the project


def figures(home, agent):
    found = used(read_all(home, agent))
    return {series: value for series, value in found.items() if series[0] not in PROJECTS}


@pytest.mark.slow
@pytest.mark.parametrize("agent", load_agents(), ids=lambda agent: agent.name)
def test_a_copy_beside_each_file_adds_nothing(agent, home):
    files = [path for path in home.rglob("*") if path.is_file()]
    expected = figures(home, agent)
    assert expected
    for name in NAMES:
        copies = [path.with_name(name.format(stem=path.stem, suffix=path.suffix)) for path in files]
        for path, copy in zip(files, copies, strict=True):
            shutil.copy2(path, copy)
        assert figures(home, agent) == expected
        for copy in copies:
            copy.unlink()


IDS = ["11111111-1111-4111-8111-111111111111", "agent-a1b2c3d4"]
RECORDS = {  # without the id of the session
    "claude": {"type": "summary", "summary": "Engine", "leafUuid": "u1"},
    "codebuddy": {"type": "ai-title", "aiTitle": "Engine", "timestamp": 1772445600000},
}


@pytest.mark.parametrize("stem", IDS)
@pytest.mark.parametrize("name", NAMES[:-1])
@pytest.mark.parametrize("agent", RECORDS)
def test_the_id_in_the_name_of_a_copy_is_that_of_the_original(agent, stem, name, tmp_path):
    """A transcript can begin with records that have no id."""
    agent = next(each for each in load_agents() if each.name == agent)
    ledger = Ledger()
    for each in ("{stem}{suffix}", name):
        path = tmp_path / each.format(stem=stem, suffix=".jsonl")
        write(path, RECORDS[agent.name])
        read_on(ledger, agent, str(path))
    assert {session for _, session in ledger.sessions} == {stem}
