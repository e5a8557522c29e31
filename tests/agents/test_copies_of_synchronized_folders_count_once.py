"""The copies that programs for synchronization and backup leave beside a file count nothing.

If two machines change a file, these programs keep both versions, one of them under another name
(anthropics/claude-code 37130 and 44440, tawanorg/claude-sync 77).
"""

import shutil

import pytest
from damaged_files import read_all
from driving import used

from agtop_exporter.agents import load_agents

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
