"""Marks in prompts, titles, output, paths, credentials and variables are in no output.

All invented homes are read by one daemon, which serves others through a reverse proxy.
"""

import json
from pathlib import Path

import pytest
from canaries import PATH, PROJECT, SAID, SECRET, write_homes
from otlp_receiver import receiver
from running import daemon, run, total

from agtop_exporter.agents import load_agents

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PATHS = ("/metrics", "/", "/api/v1/snapshot", "/-/ready")
OPENMETRICS = {"Accept": "application/openmetrics-text"}


def bytes_below(*folders):
    """Return {path: content} of the files in folders."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def assert_none(marks, outputs):
    for name, content in outputs.items():
        found = [mark for mark in marks if mark.encode() in content]
        assert not found, (name, found, content[max(0, content.find(found[0].encode()) - 300) :])


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    write_homes(folder)
    return folder


@pytest.mark.long
def test_no_mark_is_in_any_output(home, tmp_path):
    state, cache, textfile = tmp_path / "state", tmp_path / "cache", tmp_path / "agtop.prom"
    flags = ["--home", home, "--state-dir", state, "--cache-dir", cache, "--textfile", textfile]
    flags += ["--otlp", "--otlp-genai", "--redact-projects", "--textfile-interval", "1"]
    flags += ["--web-external-url", "https://box.lan/", "--session-linger", "1e9"]
    with receiver() as backend:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": backend.endpoint,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRET}",
            "ANTHROPIC_API_KEY": SECRET,
        }
        with daemon(home, *flags, "--log-level", "debug", **variables) as running:
            running.until_ready()
            outputs = {path: running.get(path)[1].encode() for path in PATHS}
            outputs["openmetrics"] = running.get("/metrics", **OPENMETRICS)[1].encode()
            backend.until(lambda one: one.accepted)
            sessions = json.loads(outputs["/api/v1/snapshot"])["sessions"]
            assert len({session["agent"] for session in sessions}) == len(load_agents())
            assert {session["project"] or "" for session in sessions} > {""}
            assert SAID.encode() in b"".join(bytes_below(state).values())  # titles
            for path in bytes_below(home):
                Path(path).unlink()
            running.until(lambda samples: total(samples, "agtop_files_tracked") == 0)
            running.end()
        outputs["otlp"] = b"".join(one.SerializeToString() for one in backend.accepted)
    outputs["log"] = "".join(running.log).encode()
    outputs["textfile"] = textfile.read_bytes()
    assert b"project-" in outputs["/metrics"]
    assert b"project-" in outputs["textfile"]
    assert_none([SAID, PATH, SECRET, PROJECT], outputs | bytes_below(cache))
    assert_none([SAID, SECRET], bytes_below(state))


@pytest.mark.long
@pytest.mark.parametrize("redacted", [False, True])
def test_commands_show_titles_and_paths_to_their_user_only(home, redacted):
    more = ("--redact-projects",) if redacted else ()
    flags = ("--no-state", "--no-pricing-refresh")
    document = run("agtop", "json", *flags, home=home).stdout
    assert SAID in document  # titles
    assert PATH in document  # directories
    metrics = run("agtop-exporter", "--once", *flags, *more, home=home).stdout
    assert (PROJECT in metrics) is not redacted
    for mark in (SAID, PATH, SECRET):
        assert mark not in metrics
    assert SECRET not in document
