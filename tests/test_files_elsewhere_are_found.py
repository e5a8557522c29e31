"""A single file that a variable names, outside an agent's directories, is read like the others."""

import shutil

import pytest

from agtop_exporter.agents import load_agents
from agtop_exporter.pipeline.files import AgentFiles

AGENTS = {agent.name: agent for agent in load_agents()}


@pytest.fixture
def agent(request):
    return AGENTS[request.param]


@pytest.mark.parametrize(
    ("agent", "usual", "variable"),
    [
        ("opencode", ".local/share/opencode/opencode.db", "OPENCODE_DB"),
        ("gemini", ".gemini/telemetry.log", "GEMINI_TELEMETRY_OUTFILE"),
    ],
    indirect=["agent"],
)
def test_one_file_alone(agent, usual, variable, home, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copyfile(home / usual, elsewhere)
    listing = AgentFiles(agent, [tmp_path / "empty"], {variable: str(elsewhere)}).look({})
    assert listing.present
    [work] = listing.work
    assert agent.read(work.path, work.cursor).events
