"""A scrape gets the format that it accepts, and never an empty page."""

import gzip

import pytest
import serving
from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as openmetrics_parser
from snapshots import make_snapshot

from agtop_exporter.metrics import publish
from agtop_exporter.server import OwnProcess, render_pages

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


def make_pages(**over):
    snapshot = make_snapshot()
    return render_pages(publish(snapshot), snapshot, own=OwnProcess(), **over)


def ask(path, pages, **request):
    """Return the response of an application that serves `pages`."""
    return serving.ask(serving.make_app(pages), path, **request)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        ("application/json", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"', OPENMETRICS),
        ("application/openmetrics-text; version=0.0.1, text/plain;q=0.5", TEXT),
        ("application/openmetrics-text; version=2.0.0, text/plain;q=0.5", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=0.4, text/plain;q=0.5", TEXT),
        ("application/openmetrics-text;q=0.4, text/*;q=0.5", TEXT),
        ("application/openmetrics-text;q=0.5, */*;q=0.4", OPENMETRICS),
        ("application/openmetrics-text;q=loud", TEXT),
        (";;,,q=1", TEXT),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
    ],
)
def test_format_is_the_one_wanted_most(accept, content_type):
    answer = ask("/metrics", make_pages(), accept=accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == content_type
    assert answer.text.endswith("# EOF\n") == (content_type == OPENMETRICS)
    assert answer.headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *;q=1", False),
    ],
)
@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text"])
def test_page_is_compressed_where_that_is_accepted(accept, accepted, compressed):
    pages = make_pages()
    answer = ask("/metrics", pages, accept=accept, accept_encoding=accepted)
    assert ("content-encoding" in answer.headers) == compressed
    assert answer.content == (
        pages.latest.text if accept == "text/plain" else pages.latest.openmetrics
    )


def test_compressed_pages_are_the_plain_ones():
    page = make_pages().latest
    assert gzip.decompress(page.text_gzip) == page.text
    assert gzip.decompress(page.openmetrics_gzip) == page.openmetrics


def test_both_pages_have_the_metrics_of_the_exporter_itself():
    page = make_pages().latest
    text = list(text_parser.text_string_to_metric_families(page.text.decode()))
    openmetrics = list(openmetrics_parser.text_string_to_metric_families(page.openmetrics.decode()))
    for families in (text, openmetrics):
        samples = [sample.name for family in families for sample in family.samples]
        assert "process_cpu_seconds_total" in samples
        assert "process_resident_memory_bytes" in samples
        assert not [name for name in samples if name.endswith("_created")]
        assert "agtop_tokens_total" in samples


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/api/v1/snapshot", "/metrics", "/-/healthy", "/-/ready"])
def test_only_get_and_head_are_allowed(path):
    assert ask(path, make_pages(), method="HEAD").status_code == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        refused = ask(path, make_pages(), method=method)
        assert refused.status_code == 405
        assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/metrics/", "/nothing", "/-/reload", "/-/quit", "/favicon.ico"])
def test_other_paths_are_not_found(path):
    assert ask(path, make_pages()).status_code == 404


@pytest.mark.slow
def test_not_ready_before_the_first_scan_has_ended():
    for pages in (None, make_pages(ready=False)):
        assert ask("/-/ready", pages).status_code == 503
        assert ask("/-/healthy", pages).status_code == 200
        assert ask("/", pages).status_code == 200
    assert ask("/-/ready", make_pages()).status_code == 200
    for path in ("/metrics", "/api/v1/snapshot"):
        assert ask(path, None).status_code == 503
    assert ask("/api/v1/snapshot", make_pages(ready=False)).status_code == 503
    assert ask("/metrics", make_pages(ready=False)).status_code == 200
