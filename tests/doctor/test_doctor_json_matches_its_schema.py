"""The document of `doctor --json` matches its JSON Schema, and the schema explains its keys."""

import json

import pytest
from jsonschema import Draft202012Validator
from running import run
from small_homes import claude_answer, claude_file, claude_turns

from agtop_exporter import doctor

SCHEMA = json.loads(doctor.schema())
FLAGS = ("--no-state", "--no-pricing-refresh")
PLAIN = {  # keys whose names say everything
    *("path", "reason", "model", "source", "version", "unit"),
    *("input_usd", "cache_read_usd", "output_usd", "schema_version", "needs_attention"),
}


@pytest.mark.slow
@pytest.mark.integration
def test_command_prints_the_schema(tmp_path):
    done = run("agtop-exporter", "doctor", "--schema", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, doctor.schema().decode())


@pytest.mark.slow
@pytest.mark.integration
def test_a_report_with_problems_matches(tmp_path):
    path = claude_file(tmp_path)
    path.write_text(claude_turns(1, [0]) + "{broken\n" + claude_answer(1, 1, model="imaginary-9"))
    path.with_name("gone.jsonl").symlink_to("nowhere")
    (tmp_path / ".aider").mkdir()
    done = run("agtop-exporter", "doctor", *FLAGS, "--json", home=tmp_path, check=False)
    document = json.loads(done.stdout)
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(document)
    (finding,) = (one for one in document["agents"] if one["agent"] == "claude")
    assert finding["skipped"]
    assert finding["not_read"]
    assert finding["unpriced_models"]
    assert document["agents_not_read"]
    assert set(document) == set(SCHEMA["$defs"]["Document"]["required"])


def is_explained(value):
    """Return whether a value has a description, or has a type or items that have one."""
    return bool({"description", "$ref"} & (value.keys() | value.get("items", {}).keys()))


@pytest.mark.parametrize("name", ["Document", "Finding", "InstalledAgent", "Root", "ServiceCheck"])
def test_the_schema_explains_its_keys(name):
    shape = SCHEMA["$defs"][name]
    assert shape["description"]
    keys = (key for key, value in shape["properties"].items() if not is_explained(value))
    assert set(keys) <= PLAIN
