"""A pushed session that changes its model has two info series for some minutes."""

import subprocess

import pytest
import yaml
from generator.boards import BOARDS, panels_with_queries
from programs import find_program
from promql import substituted

from agtop_exporter.metrics import CATALOGUE

pytestmark = pytest.mark.integration

ONE = {"job": "agtop", "instance": "ada", "session_id": "0d5dfd4a", "agent": "claude"}
INFO = {"agent_version": "2.1", "project": "shop"}
QUERIES = [
    target["expr"]
    for board in BOARDS
    for panel in panels_with_queries(board)
    for target in panel["targets"]
    if "agtop_session_info" in target["expr"]
]


def series(name, **labels):
    """Return the input series of a metric of one session. Values increase by 1 per minute."""
    pairs = ", ".join(f'{label}="{value}"' for label, value in (ONE | labels).items())
    return {
        "series": f"{name}{{{pairs}}}",
        "values": "1x10" if name.endswith(("_state", "_info", "_confidence")) else "1+1x10",
    }


@pytest.mark.slow
def test_every_panel_shows_it_once(tmp_path):
    find_program("promtool")
    plain = [m.name for m in CATALOGUE if m.labels == ("session_id", "agent")]
    given = [
        *(series(name) for name in plain),
        series("agtop_session_tokens_total", token_type="input"),  # noqa: S106 - no password
        series("agtop_session_state", state="waiting"),
        series("agtop_session_match_confidence", confidence="high"),
        *(series("agtop_session_info", model=model, **INFO) for model in ("old", "new")),
    ]
    values = dict.fromkeys(("job", "instance", "agent", "project", "session"), ".*")
    assert len(QUERIES) > 5
    checks = [
        {
            "expr": f"count({substituted(query, values, rate_seconds=300)})",
            "eval_time": "5m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for query in QUERIES
    ]
    path = tmp_path / "model.test.yml"
    test = {"interval": "1m", "input_series": given, "promql_expr_test": checks}
    path.write_text(yaml.safe_dump({"tests": [test]}))
    done = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
