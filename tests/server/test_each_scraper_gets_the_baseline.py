"""Each scraper gets the baseline of a new series once. Other readers have no influence."""

import msgspec
import pytest
import serving
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families
from snapshots import make_snapshot, make_totals

from agtop_exporter.metrics import publish
from agtop_exporter.metrics.publication import NEW_SECONDS
from agtop_exporter.server import OwnProcess, Scrapers, render_pages
from agtop_exporter.server.scrapers import SCRAPERS_MAX

FAST = {"x-prometheus-scrape-timeout-seconds": "1", "user-agent": "Prometheus/2.42.0"}
SLOW = {"x-prometheus-scrape-timeout-seconds": "10", "user-agent": "Prometheus/2.42.0"}
CURL = {"user-agent": "curl/8"}
NEW = ("tokens", "claude-code", "claude-new", "output")


class Exporter:
    """An exporter whose refreshes and requests the test makes."""

    def __init__(self, scrapers=None):
        self.now = 1_000.0
        self.scrapers = scrapers or Scrapers(now=self.now)
        self.publication = self.previous = self.pages = None
        self.own = OwnProcess()
        self.refresh()

    def refresh(self, tokens=None):
        """Publish a page, with `tokens` of a new model."""
        self.now += 5
        totals = make_totals() | ({} if tokens is None else {NEW: tokens})
        snapshot = msgspec.structs.replace(make_snapshot(totals=totals), generated_at=self.now)
        self.publication = publish(snapshot, self.publication, previous=self.previous)
        self.previous = snapshot
        received = self.scrapers.generations(self.now)
        self.pages = render_pages(self.publication, snapshot, own=self.own, received=received)

    def get(self, headers, *, method="GET", path="/metrics", **more):
        """Return the answer to a request."""
        app = serving.make_app(self.pages, scrapers=self.scrapers)
        return serving.ask(app, path, method=method, **headers, **more).text

    def tokens(self, headers):
        """Return the value of the new series on the page; None if it is not there."""
        for family in text_string_to_metric_families(self.get(headers)):
            for sample in family.samples:
                labels = tuple(sample.labels.values())
                if (sample.name, labels) == ("agtop_tokens_total", NEW[1:]):
                    return sample.value
        return None


@pytest.mark.slow
def test_two_scrapers_and_a_reader_in_between():
    exporter = Exporter()
    assert [exporter.tokens(who) for who in (FAST, SLOW, CURL)] == [None, None, None]
    exporter.refresh(500)
    assert [exporter.tokens(who) for who in (CURL, FAST, FAST)] == [500, 0, 500]
    exporter.refresh(700)
    assert [exporter.tokens(who) for who in (CURL, FAST, SLOW, SLOW)] == [700, 700, 0, 700]


def test_a_new_scraper_gets_the_history():
    exporter = Exporter()
    exporter.refresh(500)
    assert exporter.tokens(FAST) == 500


@pytest.mark.slow
def test_a_scraper_that_paused_for_long_gets_the_value():
    """It has no sample of the last minutes, so `increase()` has nothing to compare with."""
    exporter = Exporter()
    exporter.tokens(SLOW)
    exporter.now += NEW_SECONDS
    exporter.refresh(500)
    assert exporter.tokens(SLOW) == 500


@pytest.mark.parametrize(("method", "path"), [("HEAD", "/metrics"), ("GET", "/-/ready")])
def test_only_a_scrape_receives_the_baseline(method, path):
    exporter = Exporter()
    exporter.tokens(FAST)
    exporter.refresh(500)
    exporter.get(FAST, method=method, path=path)
    assert exporter.tokens(FAST) == 0


def test_a_restart_remembers_the_scrapers():
    first = Exporter()
    first.tokens(SLOW)
    again = Exporter(Scrapers(first.scrapers.encode(), now=1_000.0))
    again.refresh(500)
    assert [again.tokens(FAST), again.tokens(SLOW)] == [500, 0]


@pytest.mark.parametrize("state", [b"", b"\xc1", b"\x81\x01\x02", b"\x91\x01"])
def test_unusable_state_means_no_known_scrapers(state):
    assert Scrapers(state, now=0.0).generations(0.0) == set()


def test_scrapers_are_bounded():
    scrapers = Scrapers(now=0.0)
    for number in range(SCRAPERS_MAX + 5):
        scrapers.note(str(number), number, at=0.0)
    assert len(scrapers.generations(0.0)) == SCRAPERS_MAX
    assert scrapers.last("4") is None
    assert scrapers.last("5") == 5


def test_openmetrics_has_the_time_at_which_the_series_was_zero():
    exporter = Exporter()
    exporter.refresh(500)
    page = exporter.get(CURL, accept="application/openmetrics-text")
    created = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in openmetrics_parser.text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.endswith("_created")
    }
    assert created == {("agtop_tokens_created", NEW[1:]): 1_005.0}
    assert "_created" not in exporter.get(CURL)


@pytest.mark.long
@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.lists(st.sampled_from(["fast", "slow", "curl"]))),
        min_size=1,
        max_size=12,
    )
)
def test_no_scraper_sees_a_decrease_or_misses_growth(steps):
    exporter, total = Exporter(), 0
    headers = {"fast": FAST, "slow": SLOW, "curl": CURL}
    seen = {"fast": [exporter.tokens(FAST)], "slow": [exporter.tokens(SLOW)], "curl": []}
    for growth, readers in steps:
        total += growth
        exporter.refresh(total)
        for reader in readers:
            seen[reader].append(exporter.tokens(headers[reader]))
    for reader in ("fast", "slow"):
        seen[reader] += [exporter.tokens(headers[reader]) for _ in range(2)]
        values = [value for value in seen[reader] if value is not None]
        assert values == sorted(values)
        assert [values[0], values[-1]] == [0, total]
