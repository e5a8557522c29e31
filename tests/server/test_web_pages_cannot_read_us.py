"""Web pages in a browser cannot read the server's pages, and the page at `/` shows no secrets."""

import asyncio
import base64
import hashlib
import re
from html.parser import HTMLParser

import httpx
import msgspec
import pytest
from snapshots import NOW, PROCESS, make_session, make_snapshot

from agtop_exporter.metrics import Publication
from agtop_exporter.model import Cost, State
from agtop_exporter.server import (
    OwnProcess,
    Scrapers,
    allowed_hosts,
    create_app,
    index,
    render_pages,
)

VOID = {"meta", "link", "br"}


class Tags(HTMLParser):
    """Collects the tags of a page, and checks that each is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        """Store an opening tag."""
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Check that the tag is open."""
        assert self.open.pop() == tag


def ask(path="/", *, host="localhost", hosts=allowed_hosts("127.0.0.1"), method="GET"):  # noqa: B008 - a constant
    snapshot = make_snapshot()
    pages = render_pages(Publication(()), snapshot, own=OwnProcess())
    app = create_app(lambda: pages, scrapers=Scrapers(now=0.0), hosts=hosts)

    async def request():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, headers={"host": host})

    return asyncio.run(request())


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:10041", "localhost.:10041", "127.0.0.1:10041", "127.8.9.1",
        "[::1]:10041", "192.168.1.7:10041", "",
    ],
)  # fmt: skip
def test_loopback_names_and_addresses_are_known(host):
    assert ask(host=host).status_code == 200


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/ready", "/nothing"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:10041", "localhost.evil.example", "127.0.0.1.nip.io", "["],
)
def test_foreign_names_are_refused(host, path):
    refused = ask(path, host=host)
    assert refused.status_code == 403
    assert "agtop_" not in refused.text


@pytest.mark.parametrize(
    ("listen_host", "known", "unknown"),
    [
        ("localhost", "localhost", "evil.example"),
        ("127.0.0.1", "127.0.0.1", "evil.example"),
        ("::1", "[::1]:10041", "evil.example"),
        ("Box.lan", "box.lan:10041", "evil.example"),
    ],
)
def test_listener_is_known_by_its_own_name(listen_host, known, unknown):
    assert ask(host=known, hosts=allowed_hosts(listen_host)).status_code == 200
    assert ask(host=unknown, hosts=allowed_hosts(listen_host)).status_code == 403


@pytest.mark.parametrize("listen_host", ["0.0.0.0", "::", "[::]", "192.168.1.7", ""])  # noqa: S104 - the case
def test_network_listener_is_known_by_any_name(listen_host):
    """A service or a container is scraped by names that only the network resolves."""
    assert ask(host="agtop.monitoring.svc:10041", hosts=allowed_hosts(listen_host)).is_success


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/ready", "/nothing"])
def test_every_response_forbids_what_it_can(path):
    for answer in (ask(path), ask(path, host="evil.example"), ask(path, method="POST")):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_policy_lets_the_style_of_the_page_through():
    answer = ask("/")
    (style,) = re.findall("<style>(.*)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]


def test_page_needs_nothing_from_elsewhere_and_runs_nothing():
    tags = Tags()
    tags.feed(index.render(make_snapshot(), version="1.2.3").decode())
    assert tags.open == []
    assert not {tag for tag, _ in tags.seen} & {"script", "img", "link", "iframe", "form"}
    links = [attrs["href"] for tag, attrs in tags.seen if tag == "a"]
    assert links == ["/metrics", "/-/healthy", "/-/ready"]
    assert not [attrs for _, attrs in tags.seen if set(attrs) & {"style", "src", "onclick"}]


def test_page_shows_sessions_without_titles_and_paths():
    session = make_session(state=State("running"), last_active=NOW - 300)
    page = index.render(make_snapshot(session), version="1.2.3").decode()
    for shown in ("shop", "claude-code", "claude-sonnet-4-5", "running", "29.4k", "0.0977", "5m"):
        assert f">{shown}<" in page
    for title, figure in (("Context", "25%"), ("CPU", "7%"), ("Memory", "300.0M")):
        assert f'data-title="{title}">{figure}<' in page
    for secret in (session.title, session.cwd, session.data_path, "/home", session.session_id):
        assert secret not in page


def test_waiting_sessions_come_first_with_the_reason():
    waiting = make_session(project="engine", state=State("waiting", "permission"), last_active=1.0)
    page = index.render(make_snapshot(make_session(), waiting), version="").decode()
    assert page.index(">engine<") < page.index(">shop<")
    assert ">waiting <span>permission</span><" in page


def test_page_marks_unknown_values():
    unpriced = make_session(
        cost=Cost(unpriced_tokens=29_400), project=None, model=None, context_window_tokens=None
    )
    shared = msgspec.structs.replace(PROCESS, role="host")
    page = index.render(make_snapshot(unpriced, make_session(process=shared)), version="").decode()
    assert '<td class="number" data-title="Cost">?</td>' in page
    assert '<td class="number" data-title="Context">-</td>' in page
    assert '<td class="number" data-title="Memory">-</td>' in page
    assert '<td class="project">-</td>' in page
    assert (
        "No active or recent sessions"
        in index.render(make_snapshot(published=()), version="").decode()
    )
    assert "first scan is running" in index.render(None, version="").decode()


def test_hostile_text_stays_text():
    hostile = '<script>alert("x")</script>\ud800'
    session = make_session(project=hostile, model=hostile, agent=hostile)
    tags = Tags()
    tags.feed(index.render(make_snapshot(session), version=hostile).decode())
    assert tags.open == []
    assert "script" not in {tag for tag, _ in tags.seen}
