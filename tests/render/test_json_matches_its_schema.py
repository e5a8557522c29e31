"""Every document of `agtop json` is valid according to its JSON Schema."""

import json
from functools import cache
from inspect import cleandoc
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator
from looking import Look
from running import run
from snapshots import NOW, PROCESS, make_agent, make_session, make_snapshot

from agtop_exporter.agents import load_agents
from agtop_exporter.model import Cost, ProcessMatch, RateLimit
from agtop_exporter.render import json as json_page

pytestmark = pytest.mark.integration

AGENTS = load_agents()
GOLDEN = Path(__file__).parents[1] / "schemas" / "json-1.json"


@cache
def validator():
    schema = json.loads(json_page.schema())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def errors(page):
    return [error.message for error in validator().iter_errors(json.loads(page))]


def as_by_newest_msgspec(schema):
    """Convert a schema to the output of msgspec 0.23: null last, unindented descriptions."""
    if isinstance(schema, list):
        return [as_by_newest_msgspec(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    same = {key: as_by_newest_msgspec(value) for key, value in schema.items()}
    if "anyOf" in same:
        same["anyOf"].sort(key=lambda alternative: alternative == {"type": "null"})
    if isinstance(same.get("description"), str):
        same["description"] = cleandoc(same["description"])
    return same


def test_schema_is_as_reviewed(golden):
    """The diff of the golden file shows the keys that a change adds."""
    schema = as_by_newest_msgspec(json.loads(json_page.schema()))
    golden(GOLDEN, json.dumps(schema, indent=2) + "\n")


@pytest.mark.slow
def test_command_prints_the_schema(tmp_path):
    done = run("agtop", "json", "--schema", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, json_page.schema().decode())


@pytest.mark.slow
@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_document_of_every_golden_home(agent, home):
    look = Look(home)
    page = json_page.render(look.at())
    assert agent.name in {session["agent"] for session in json.loads(page)["sessions"]}
    assert errors(page) == []


def test_document_of_known_and_unknown_values():
    optional = {
        field.name: None
        for field in msgspec.structs.fields(type(make_session()))
        if type(None) in getattr(field.type, "__args__", ())
    }
    sessions = [
        make_session(),
        make_session(**optional),
        make_session(process=ProcessMatch(7, NOW, "stopped", "low"), included=True),
        make_session(process=msgspec.structs.replace(PROCESS, role="host"), cost=Cost(0, 0, 0, 5)),
        make_session(started_at=float("nan"), cost=Cost(unpriced_tokens=29_400)),
    ]
    page = json_page.render(
        make_snapshot(
            *sessions,
            agents=(make_agent(), make_agent(up=None, enabled=False, processes=None)),
            rate_limits=(RateLimit("codex", "5h", None, NOW), RateLimit("codex", "x", 1, NOW, NOW)),
        )
    )
    assert len(json.loads(page)["sessions"]) == len(sessions)
    assert errors(page) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("tokens", None, id="a key without a value"),
        pytest.param("started_at", 1763848440.0, id="a time in unix seconds"),
        pytest.param("state", {"kind": "asleep", "reason": None, "detail": None}, id="a state"),
        pytest.param("pid", "4242", id="a number as text"),
    ],
)
def test_schema_rejects_another_shape(key, value):
    document = json.loads(json_page.render(make_snapshot()))
    document["sessions"][0][key] = value
    assert errors(json.dumps(document))
    del document["sessions"][0][key]
    assert errors(json.dumps(document))
