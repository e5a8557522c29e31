"""OpenCode: a rate limit is reported if it was reached, and not because of other headers."""

import pytest
from driving import refresh
from opencode_homes import OpenCode, write_database, write_files

from agtop_exporter.agents.opencode import AGENT
from agtop_exporter.ledger import Ledger

UNIFIED = "anthropic-ratelimit-unified-"
FIGURES = {
    "5h-utilization": "0.64",
    "5h-reset": "1772460000",
    "7d-utilization": "0.05",
    "7d-reset": "1772900000",
    "representative-claim": "five_hour",
}


def limits(home, headers, write=write_database):
    """Return the windows by name after a failed response with some headers."""
    error = {"name": "APIError", "data": {"statusCode": 429, "responseHeaders": headers}}
    write(home, OpenCode().user().assistant((0, 0, 0, 0, 0), finish=None, error=error))
    ledger = Ledger()
    refresh(ledger, home, [AGENT])
    return {window: limit for (*_, window), limit in ledger.rate_limits.items()}


def unified(**changes):
    figures = FIGURES | {
        name.strip("_").replace("_", "-"): value for name, value in changes.items()
    }
    return {f"{UNIFIED}{name}": value for name, value in figures.items()}


def test_a_share_is_no_proof_of_a_hit(tmp_path):
    assert set(limits(tmp_path, unified())) == {"5h", "weekly"}


@pytest.mark.parametrize("write", [write_database, write_files])
@pytest.mark.parametrize(
    ("changes", "window"),
    [
        ({"_5h_utilization": "1.0"}, "5h"),
        ({"status": "rejected"}, "5h"),
        ({"status": "rejected", "representative_claim": "weekly"}, "weekly"),
        ({"status": "rejected", "representative_claim": "seven_day_opus"}, "weekly"),
        ({"status": "rejected", "representative_claim": "overage"}, ""),
    ],
)
def test_a_limit_that_was_hit(tmp_path, write, changes, window):
    told = limits(tmp_path, unified(**changes), write)
    hit = told["last_hit"]
    assert (hit.used_ratio, hit.hint, hit.source) == (None, window, "response-headers")
    assert hit.observed_at == told["5h"].observed_at > 0
    assert hit.resets_at == (told[window].resets_at if window else None)


@pytest.mark.parametrize(
    "headers",
    [{}, {f"{UNIFIED}5h-utilization": "much"}, {f"{UNIFIED}5h-utilization": "-1"}, {"x": "y"}],
)
def test_headers_without_figures_are_no_windows(tmp_path, headers):
    assert limits(tmp_path, headers) == {}
