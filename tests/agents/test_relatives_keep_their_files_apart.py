"""Agents that share a reader list their own files, and no file belongs to two agents."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from driving import build_databases, transcripts
from places import AGENT_FOLDERS

from agtop_exporter.agents import load_agents
from agtop_exporter.agents.pi.tiers import speed_of, tiers_of

AGENTS = {agent.name: agent for agent in load_agents()}


def listed(home, agents):
    """Return (agent, path below the home) of all files."""
    return [(agent.name, Path(path).relative_to(home)) for agent, path in transcripts(home, agents)]


@pytest.mark.slow
def test_a_home_with_all_agents_is_divided(tmp_path):
    alone = []
    for name, agent in AGENTS.items():
        home = tmp_path / name
        shutil.copytree(AGENT_FOLDERS / name / "home", home)
        build_databases(home)
        alone += listed(home, [agent])
        shutil.copytree(home, tmp_path / "all", dirs_exist_ok=True)
    together = listed(tmp_path / "all", AGENTS.values())
    assert sorted(together) == sorted(alone)
    owners = Counter(path for _, path in together)
    assert {path for path, count in owners.items() if count > 1} <= {Path(".gemini/telemetry.log")}


@pytest.mark.parametrize(
    ("name", "environment", "expected"),
    [
        ("kilo", {"XDG_DATA_HOME": "/x"}, "/x/kilo"),
        ("kilo", {"KILO_DB": "/x/mine.db"}, "/x/mine.db"),
        ("kilo", {"KILO_DB": "mine.db"}, "~/.local/share/kilo/mine.db"),
        ("mimo", {"MIMOCODE_HOME": "/x"}, "/x/data"),
        ("mimo", {"MIMOCODE_HOME": "/x", "MIMOCODE_DB": "mine.db"}, "/x/data/mine.db"),
        ("icodemate", {"XDG_DATA_HOME": "/x"}, "/x/icodemate"),
        ("omp", {"PI_CONFIG_DIR": ".pie"}, "~/.pie/agent/sessions"),
        ("omp", {"XDG_DATA_HOME": "/x"}, "/x/omp/sessions"),
        ("senpi", {"OMO_CODING_AGENT_DIR": "/x"}, "/x/sessions"),
        ("senpi", {"SENPI_CODING_AGENT_SESSION_DIR": "/x"}, "/x"),
        ("kimchi", {"KIMCHI_CODING_AGENT_SESSION_DIR": "/x"}, "/x"),
        ("prime", {"PRIME_AGENT_SESSION_DIR": "/x/sessions"}, "/x/session-artifacts"),
        ("prime", {"PRIME_AGENT_CODING_AGENT_DIR": "/x"}, "/x/sessions"),
        ("traex", {"TRAECLI_HOME": "/x"}, "/x/sessions"),
        ("traex", {"TRAE_HOME": "/x"}, "/x/cli/archived_sessions"),
        ("openclaude", {"OPENCLAUDE_CONFIG_DIR": "/x"}, "/x/projects"),
    ],
)
def test_the_variables_of_an_agent_apply(name, environment, expected, tmp_path):
    roots = AGENTS[name].roots(tmp_path, environment)
    assert Path(expected.replace("~", str(tmp_path))) in roots


@pytest.mark.parametrize(
    ("variable", "relatives"),
    [
        ("OPENCODE_DATA_DIR", ("kilo", "mimo", "icodemate")),
        ("PI_CODING_AGENT_DIR", ("omp", "senpi", "kimchi", "prime")),
        ("PI_CODING_AGENT_SESSION_DIR", ("omp", "senpi", "kimchi", "prime")),
        ("CODEX_HOME", ("traex",)),
        ("CLAUDE_CONFIG_DIR", ("openclaude",)),
    ],
)
def test_a_variable_of_one_agent_changes_no_other(variable, relatives, tmp_path):
    for name in relatives:
        roots = AGENTS[name].roots
        assert roots(tmp_path, {variable: "/x"}) == roots(tmp_path, {})


@pytest.mark.parametrize("place", [".omp/profiles/work/agent", ".local/share/omp/profiles/work"])
def test_a_profile_is_an_account(place, tmp_path):
    (tmp_path / place).mkdir(parents=True)
    omp = AGENTS["omp"]
    named = [omp.account(root.parent) for root in omp.roots(tmp_path, {})]
    assert sorted(named) == ["", "", "work"]


@pytest.mark.parametrize(
    ("given", "provider", "model", "dropped", "speed"),
    [
        ("priority", "openai", "gpt-5.1", (), "priority"),
        ("default", "openai", "gpt-5.1", (), ""),
        (None, "openai", "gpt-5.1", (), ""),
        ("priority", "anthropic", "claude-opus-4-6", (), ""),
        ({"openai": "flex"}, "openrouter", "openai/gpt-5.1", (), "flex"),
        ({"openai": "flex"}, "github-copilot", "gpt-5.1", (), ""),
        ({"anthropic": "priority"}, "anthropic", "claude-opus-4-6", (), "fast"),
        ({"anthropic": "priority"}, "anthropic", "claude-opus-4-6", ("priority",), ""),
        ({"anthropic": "priority"}, "amazon-bedrock", "claude-opus-4-6", (), ""),
        ({"anthropic": "flex"}, "anthropic", "claude-opus-4-6", (), ""),
        ({"google": "priority", "openai": None}, "google", "gemini-3-pro", (), "priority"),
        ({"openai": "priority"}, "xai", "grok-4", (), ""),
    ],
)
def test_a_service_tier_belongs_to_its_models(given, provider, model, dropped, speed):
    assert speed_of(provider, model, tiers_of(given), dropped) == speed
