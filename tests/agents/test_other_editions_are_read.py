"""The files of other editions of an editor or agent, on other systems, are found."""

import shutil
from pathlib import Path

import pytest
from driving import build_databases
from looking import Look

from agtop_exporter.agents import load_agents

AGENTS = {agent.name: agent for agent in load_agents()}
HOMES = Path(__file__).parent
CODE, CURSOR, ANTIGRAVITY = ".config/Code/User", ".config/Cursor/User", ".config/Antigravity/User"
CHERRY = ".config/CherryStudio"
CASES = [
    ("copilot", CODE, ".config/Code - OSS/User"),
    ("copilot", CODE, ".config/VSCodium - Insiders/User"),
    ("copilot", CODE, ".var/app/com.visualstudio.code/config/Code/User"),
    ("copilot", CODE, ".var/app/com.visualstudio.code-oss/config/Code - OSS/User"),
    ("copilot", CODE, ".var/app/com.vscodium.codium/config/VSCodium/User"),
    ("copilot", CODE, "snap/code/current/.config/Code/User"),
    ("copilot", CODE, ".local/share/code-server/User"),
    ("copilot", CODE, ".openvscode-server/data/User"),
    ("copilot", CODE, ".vscode-remote/data/User"),
    ("copilot", CODE, ".vscodium-server-insiders/data/User"),
    ("copilot", CODE, "AppData/Roaming/Code/User"),  # a home of Windows that WSL shows
    ("cline", CODE, ".config/Cursor/User"),
    ("cline", CODE, ".var/app/com.vscodium.codium/config/VSCodium/User"),
    ("cline", CODE, ".cursor-server/data/User"),
    ("cline", CODE, "AppData/Roaming/Windsurf/User"),
    ("cursor", CURSOR, "AppData/Roaming/Cursor/User"),
    ("cursor", CURSOR, "Library/Application Support/Cursor/User"),
    ("antigravity", ANTIGRAVITY, "AppData/Roaming/Antigravity/User"),
    ("cherrystudio", CHERRY, "Library/Application Support/CherryStudio"),
    ("cherrystudio", CHERRY, "AppData/Roaming/CherryStudio"),
    ("gjc", ".gjc/agent", ".local/share/gjc"),
    ("openclaw", ".openclaw", ".qclaw"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "usual", "place"), CASES)
def test_it_is_read(name, usual, place, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(HOMES / name / "home", home)
    build_databases(home)
    expected = models(home, name)
    (home / place).parent.mkdir(parents=True, exist_ok=True)
    (home / usual).rename(home / place)
    assert models(home, name) == expected
    (home / place).rename(home / "unknown")
    assert models(home, name) != expected


def models(home, name):
    look = Look(home, agents=[AGENTS[name]])
    sessions = look.sessions()
    look.close()
    return {key: (one["models"], one["project"]) for key, one in sessions.items()}
