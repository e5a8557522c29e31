"""VictoriaMetrics, if it is installed, returns the numbers that were pushed."""

import pytest
from otlp_backends import ADDED, BEFORE, assert_equal_views, page_after_work, pushing, work
from victoria_metrics import needs_victoria_metrics, victoria_metrics

pytestmark = [pytest.mark.integration, needs_victoria_metrics]


def test_it_gives_back_every_series_of_the_page_and_what_was_added(tmp_path):
    with (
        victoria_metrics(tmp_path / "storage") as backend,
        pushing(tmp_path, f"{backend.address}/opentelemetry") as running,
    ):
        backend.until("sum(agtop_tokens_total)", BEFORE)
        work(tmp_path)
        backend.until("sum(agtop_tokens_total)", BEFORE + ADDED)
        page = page_after_work(running)
        assert_equal_views(backend.query('{__name__=~"agtop_.*"}'), page)
        increase = backend.query("sum(increase_prometheus(agtop_tokens_total[1h]))")
        assert list(increase.values()) == [ADDED]  # not the history before
        resets = backend.query('sum(resets({__name__=~"agtop_.*_total"}[1h]))')
        assert list(resets.values()) == [0]
