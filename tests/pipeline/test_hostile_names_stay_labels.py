"""Names in transcripts that look like parts of a page add no series and no line to any output."""

import json

import pytest
from looking import EVENING, Look
from prometheus_client.parser import text_string_to_metric_families
from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns

from agtop_exporter.agents import claude
from agtop_exporter.metrics import CATALOGUE, collect
from agtop_exporter.render import prometheus
from agtop_exporter.textfile import page

NAMES = [
    'x"} 1\nagtop_injected_total{a="',
    "x\\",
    'x\\" 1\n# EOF\nagtop_injected_total 1',
    "x\r\nagtop_injected_total 1\r\n",
    "x\N{LINE SEPARATOR}agtop_injected_total 1\N{NEXT LINE}",
    "\x1b]0;title\x07\x1b[2Jagtop_injected_total 1",
]


def hostile_home(home, name):
    """Write a session whose model, project, branch, version, tool and id are `name`."""
    path = claude_file(home)
    records = [json.loads(line) for line in claude_turns(1, range(2)).splitlines()]
    for record in records:
        record |= {"cwd": f"/tmp/{name}", "gitBranch": name, "version": name, "sessionId": name}
        if record["type"] == "assistant":
            record["message"]["model"] = name
            call = {"type": "tool_use", "id": record["uuid"], "name": name, "input": {}}
            record["message"]["content"] = [call]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_known_series_only(tmp_path, name):
    hostile_home(tmp_path, name)
    exposition = collect(Look(tmp_path, agents=[claude.AGENT]).at(EVENING))
    pages = [prometheus.text(exposition), page(exposition, {"user": "ada"})]
    for text in (one.decode() for one in pages):
        families = list(text_string_to_metric_families(text))
        known = {family.metric.family for family in exposition}
        known |= {metric.name for metric in CATALOGUE}
        assert {family.name for family in families} <= known
        assert sum(f.name == "agtop_tokens" for f in families) == 1
        tokens = next(f for f in families if f.name == "agtop_tokens")
        assert sum(one.value for one in tokens.samples) == 2 * TOKENS_OF_A_TURN
        assert {one.labels["agent"] for one in tokens.samples} == {"claude"}
        lines = text.rstrip("\n").split("\n")
        assert all(line.startswith(("agtop_", "# HELP", "# TYPE")) for line in lines)
        assert not [line for line in lines if line.startswith("agtop_injected")]
