"""A subagent's transcript counts at any depth below its agent's directory."""

import shutil
from pathlib import Path

import pytest
from driving import build_databases
from looking import Look

from agtop_exporter.agents import load_agents

AGENTS = {agent.name: agent for agent in load_agents()}
HOMES = Path(__file__).parent
CASES = [
    ("cursor", "agent-transcripts/*/subagents/*.jsonl"),
    ("gemini", "chats/*/*.jsonl"),
    ("pi", "sessions/*/*.jsonl"),
    ("qwen", "subagents/*/*.jsonl"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pattern"), CASES, ids=lambda value: value.partition("/")[0])
def test_it_counts_in_a_deeper_folder(name, pattern, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(HOMES / name / "home", home)
    build_databases(home)
    expected = counted(home, name)
    moved = sorted(home.rglob(pattern))
    assert moved
    for number, path in enumerate(moved):
        folder = path.parent / f"run-{number}" / "deeper"
        folder.mkdir(parents=True)
        path.rename(folder / path.name)
    assert counted(home, name) == expected


def counted(home, name):
    """Return the models and the project of each session."""
    look = Look(home, agents=[AGENTS[name]])
    sessions = look.sessions()
    look.close()
    return {key: (one["models"], one["project"]) for key, one in sessions.items()}
