"""VictoriaMetrics, if it is installed, stores every sample that a backfill sends."""

import re
import socket
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest
from driving import refresh
from running import run
from usage_before import DAY, MODELS, write_usage
from victoria_metrics import needs_victoria_metrics, victoria_metrics

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger

pytestmark = pytest.mark.integration

OURS = '{__name__=~"agtop_.*",job="agtop"}'
LABELS = ("--label", "job=agtop", "--label", "instance=here")


@pytest.fixture
def counted(tmp_path):
    """Count usage from before the current hour; return the backfill's arguments, and the usage."""
    end = time.time() // 3600 * 3600
    used = write_usage(tmp_path / "home", end)
    with closing(Ledger(tmp_path / "state")) as ledger:
        refresh(ledger, tmp_path / "home", load_agents())
    until = datetime.fromtimestamp(end, UTC).isoformat()
    return ("--state-dir", tmp_path / "state", "--until", until, *LABELS), used


@needs_victoria_metrics
def test_every_sample_is_stored(counted, tmp_path):
    arguments, used = counted
    with victoria_metrics(tmp_path / "storage", "-retentionPeriod=10y") as backend:
        url = ("--victoriametrics", backend.address)
        done = run("agtop-exporter", "backfill", *arguments, *url, home=tmp_path)
        sent = int(re.search(r"([\d,]+) samples", done.stdout)[1].replace(",", ""))
        assert list(backend.query(f"sum(count_over_time({OURS}[60d]))").values()) == [sent]
        last_month = sum(n for (_, age), n in used.items() if age < 30)
        (grown,) = backend.query("sum(increase_prometheus(agtop_tokens_total[30d]))").values()
        assert grown == pytest.approx(last_month, rel=0.005)
        past = backend.query(f"sum(agtop_tokens_total offset {32 * DAY}s)")
        assert list(past.values()) == [used[MODELS[0], 33]]


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_one_line(counted, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{closed.getsockname()[1]}"
        flags = (*counted[0], "--victoriametrics", url)
        done = run("agtop-exporter", "backfill", *flags, home=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("agtop-exporter: cannot send to 127.0.0.1: ")
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1
