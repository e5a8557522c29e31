"""The end of a backfill is a full hour: before the first scrape, and outside Prometheus's head."""

import pytest

from agtop_exporter.backfill import FirstScrape, end_of

HOUR, DAY = 3600, 86_400
NOON = 1_772_452_800  # 2026-03-02 12:00 UTC
NOW = NOON + 1800


@pytest.mark.parametrize(
    ("until", "scraped", "end"),
    [
        (None, None, NOON - 3 * HOUR),
        (None, NOW - 60, NOON - 3 * HOUR),
        (None, NOW - 5 * HOUR, NOON - 5 * HOUR),
        (None, NOW - 91 * DAY, NOON - 12 * HOUR - 91 * DAY),
        (NOW - 2 * HOUR, NOW - 5 * HOUR, NOON - 2 * HOUR),
        (NOW + DAY, None, NOON),
    ],
)
def test_the_end(until, scraped, end):
    scrape = FirstScrape(scraped, ()) if scraped else None
    assert end_of(until=until, scrape=scrape, now=NOW, retention_days=90) == end


def test_hours_that_are_kept_for_ever_are_never_days():
    old = NOW - 400 * DAY
    assert end_of(until=old, scrape=None, now=NOW, retention_days=0) == NOON - 400 * DAY
