"""Records of an unknown type are counted and reported."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from driving import batches, transcripts
from places import AGENT_FOLDERS
from running import once, run
from small_homes import claude_file, claude_turns

from agtop_exporter.agents import load_agents
from agtop_exporter.reading.drift import NAMES_MAX, OTHER, UnknownTypes

pytestmark = pytest.mark.integration

AGENTS = {agent.name: agent for agent in load_agents()}
REAL_HOMES = "TEST_AGTOP_REAL_HOMES"  # a directory of homes that real agents wrote


def cases():
    """Return a case for each change in `tests/agents/NAME/drift.json`: (agent, change).

    A change names a file of the agent's golden home by a pattern. It appends a record to it,
    executes a statement in it, or writes it. `type` is the unknown type that it adds.
    """
    return [
        pytest.param(agent, change, id=f"{agent.name}-{change['type']}")
        for agent in AGENTS.values()
        for change in json.loads((AGENT_FOLDERS / agent.name / "drift.json").read_text())
    ]


def make(change, home):
    """Apply a change to a home."""
    path = Path(home, change["file"])
    if "write" in change:
        path.write_text(json.dumps(change["write"]))
        return
    (path,) = home.glob(change["file"])
    if "execute" in change:
        with closing(sqlite3.connect(path)) as database:
            database.execute(change["execute"])
            database.commit()
    else:
        text = path.read_bytes()
        line = json.dumps(change["append"]).encode() + b"\n"
        path.write_bytes(text[: text.rfind(b"\n") + 1] + line)


def unknown(home, *agents):
    """Return the unknown types with their counts, over all files of a home."""
    told = {}
    for agent, path in transcripts(home, agents):
        for batch in batches(agent, path):
            for kind, count in batch.unknown:
                told[kind] = told.get(kind, 0) + count
    return told


def grown(before, after):
    return {kind: n - before.get(kind, 0) for kind, n in after.items() if n != before.get(kind, 0)}


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "change"), cases())
def test_a_record_of_an_unknown_type_is_counted(home, agent, change):
    before = unknown(home, agent)
    assert change["type"] not in agent.known_types
    make(change, home)
    assert grown(before, unknown(home, agent)) == {change["type"]: 1}


@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)
def test_every_agent_has_a_case(agent):
    assert json.loads((AGENT_FOLDERS / agent.name / "drift.json").read_text())


def test_record_types_of_real_agents_are_known():
    given = os.environ.get(REAL_HOMES)
    if not given:
        pytest.skip(f"{REAL_HOMES} names no directory of homes")
    homes = sorted(Path(given).glob("*/home"))
    assert homes
    told = {home.parent.name: unknown(home, *AGENTS.values()) for home in homes}
    assert {name: kinds for name, kinds in told.items() if kinds} == {}


@pytest.mark.long
def test_doctor_and_the_page_tell(tmp_path):
    chats = tmp_path / ".qwen" / "projects" / "p" / "chats"
    chats.mkdir(parents=True)
    (chats / "a.jsonl").write_text('{"type":"dream"}\n{"type":"dream"}\n{"type":"user"}\n')
    flags = ("--no-state", "--no-pricing-refresh")
    done = run("agtop-exporter", "doctor", *flags, home=tmp_path, check=False)
    assert done.returncode == 1
    assert "  ! unknown record types: dream (2)\n" in done.stdout
    page = run("agtop-exporter", "--once", *flags, home=tmp_path).stdout
    assert 'agtop_unknown_records_total{agent="qwen"} 2\n' in page


@pytest.mark.slow
def test_without_drift_nothing_is_reported(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, [0]))
    assert once(tmp_path)["sessions"]
    page = run("agtop-exporter", "--once", "--no-state", "--no-pricing-refresh", home=tmp_path)
    assert 'agtop_unknown_records_total{agent="claude"} 0\n' in page.stdout


@pytest.mark.parametrize(
    "kind",
    [
        *("session.usage_record", "step-finish", "$push", "toolInvocationSerialized"),
        *("session_v2", "system.ui_telemetry.qwen-code.api_response", "MCPToolCall", "INIT"),
    ],
)
def test_the_name_of_a_type_is_kept(kind):
    told = UnknownTypes()
    told.observe(kind)
    assert told.all() == ((kind, 1),)


@pytest.mark.parametrize(
    "text",
    [
        *("sk-ant-api03-aB3dE5fG", "ghp_16C7e42F292c6912E7", "AKIAIOSFODNN7EXAMPLE"),
        *("eyJhbGciOiJIUzI1NiJ9.e30.x", "4c3bfca5-0000-4000-8000-0000000000aa"),
        *("ada@example.org", "/home/ada/engine", "oil the engine", "a" * 49, "naïve", "a\nb"),
    ],
)
def test_secrets_and_long_texts_are_not_shown(text):
    told = UnknownTypes()
    told.observe(text)
    told.observe(text)
    assert told.all() == ((OTHER, 2),)


def test_few_names_are_kept_and_all_are_counted():
    told = UnknownTypes({"known"})
    for letter in "abcdefghijklmnopqrstuvwxyz":
        told.observe(f"kind_{letter}")
        told.observe("known")
    kinds = dict(told.all())
    assert len(kinds) == NAMES_MAX + 1
    assert kinds[OTHER] == 26 - NAMES_MAX
    assert "known" not in kinds
