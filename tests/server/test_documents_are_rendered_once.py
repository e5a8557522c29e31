"""A document is rendered once for each refresh, and never without a request."""

import threading

import pytest
import serving
from running import PATIENCE_SECONDS
from snapshots import make_snapshot

from agtop_exporter.metrics import Publication
from agtop_exporter.server import Document, OwnProcess, render_pages
from agtop_exporter.server.documents import KEPT_BYTES

SECONDS = 0.001  # of a wait that has no result


class Source:
    """Counts the renderings of a document."""

    def __init__(self, size=1):
        self.count = 0
        self.size = size

    def render(self):
        """Return another text at each call."""
        self.count += 1
        return str(self.count).encode() * self.size


def make_document(source, **over):
    return Document(source.render, **{"wake": lambda: None, **over})


def bodies(*renderings):
    return [None if one is None else one.body for one in renderings]


def test_document_without_requests_is_never_rendered():
    source = Source()
    document = make_document(source, watched_seconds=60)
    for _ in range(3):
        document.expire()
        document.render_if_wanted()
    assert source.count == 0


def test_requests_of_one_refresh_share_a_rendering():
    source = Source()
    document = serving.rendered_at_once(source.render)
    first, second, third = document.wait(1), document.wait(1), document.current
    assert bodies(first, second, third) == [b"1", b"1", b"1"]
    document.expire()
    assert document.current is None
    assert bodies(document.wait(1)) == [b"2"]
    assert document.current.etag != first.etag


def test_request_in_another_thread_gets_the_rendering():
    woken = threading.Event()
    document = make_document(Source(), wake=woken.set)
    found = []
    asking = threading.Thread(target=lambda: found.append(document.wait(PATIENCE_SECONDS)))
    asking.start()
    assert woken.wait(PATIENCE_SECONDS)
    document.render_if_wanted()
    asking.join(PATIENCE_SECONDS)
    assert bodies(*found) == [b"1"]


def test_document_that_is_watched_is_rendered_in_advance():
    source, time = Source(), [0.0]
    document = make_document(source, watched_seconds=60, monotonic=lambda: time[0])
    for _ in range(2):
        assert document.current is None
        document.wait(SECONDS)
        document.render_if_wanted()
        assert document.current is not None
        before, asked = source.count, time[0]
        for seconds in (59, 61, 99):
            time[0] = asked + seconds
            document.expire()
        assert source.count == before + 1


def test_late_rendering_is_replaced_by_the_earlier_one_if_it_is_small():
    for size, kept in ((1, True), (KEPT_BYTES + 1, False)):
        document = make_document(Source(size))
        assert document.wait(SECONDS) is None
        document.render_if_wanted()
        document.expire()
        assert (document.wait(SECONDS) is not None) == kept


def test_failure_ends_the_wait_and_the_next_request_tries_again():
    broken = [True]

    def render():
        if broken:
            raise OverflowError
        return b"page"

    document = Document(render, wake=lambda: None)
    document.wait(SECONDS)
    with pytest.raises(OverflowError):
        document.render_if_wanted()
    assert document.current is None
    broken.clear()
    document.wait(SECONDS)
    document.render_if_wanted()
    assert bodies(document.current) == [b"page"]


@pytest.mark.parametrize("path", ["/", "/api/v1/snapshot"])
def test_client_with_the_latest_document_gets_no_content(path):
    pages = render_pages(Publication(()), make_snapshot(), own=OwnProcess())
    source = Source()
    app = serving.make_app(pages, overview=source.render, snapshot=source.render)
    answer = serving.ask(app, path)
    assert (answer.status_code, answer.content) == (200, b"1")
    assert answer.headers["cache-control"] == "no-cache"
    etag = answer.headers["etag"]
    for names in (etag, f'"other", W/{etag}', "*"):
        again = serving.ask(app, path, if_none_match=names)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert serving.ask(app, path, if_none_match='"other"').status_code == 200


def test_page_with_a_problem_is_not_cached():
    pages = render_pages(Publication(()), make_snapshot(), own=OwnProcess())
    render = Source().render
    answer = serving.ask(serving.make_app(pages, overview=render, trouble=lambda: "It failed."))
    assert "etag" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


def test_without_a_result_the_page_says_so():
    pages = render_pages(Publication(()), make_snapshot(), own=OwnProcess())
    scanning = render_pages(Publication(()), make_snapshot(), own=OwnProcess(), ready=False)

    def fail():
        raise OSError

    for shown, text in ((pages, "cannot be shown now"), (scanning, "40% of 5B"), (None, "40% of")):
        app = serving.make_app(
            shown, overview=fail, progress=lambda: (2, 5), trouble=lambda: "No refresh has ended."
        )
        body = serving.ask(app).text
        assert text in body
        assert "No refresh has ended." in body
