"""The log says when the ledger cannot be written, and when it is written again, each once."""

from types import SimpleNamespace

from structlog.testing import capture_logs

from agtop_exporter.pipeline.findings import Findings
from agtop_exporter.pipeline.steps import Steps


def test_each_change_is_logged_once():
    findings = Findings(Steps(lambda _stage: None))
    with capture_logs() as logs:
        for warning in ("", "disk full", "disk full", "", ""):
            findings.log_ledger(SimpleNamespace(warning=warning, take_repairs=list))
    assert [entry["event"] for entry in logs] == ["ledger not durable", "ledger is durable again"]
