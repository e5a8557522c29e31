"""Web pages in a browser cannot read the server's pages, and these pages hide what is private."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import msgspec
import pytest
import serving
from overviews import make_overview
from snapshots import make_session, make_snapshot
from structlog.testing import capture_logs

from agtop_exporter.metrics import Publication
from agtop_exporter.model import RateLimit
from agtop_exporter.redaction import without_private
from agtop_exporter.render import json as json_page
from agtop_exporter.server import (
    OwnProcess,
    allowed_hosts,
    page,
    render_overview,
    render_pages,
)
from agtop_exporter.server.guard import LOGGED_MAX

VOID = {"meta", "link", "br"}
SECRETS = ("Fix the checkout", "/home/ada")


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


def ask(path="/", *, host="localhost", hosts=allowed_hosts(["127.0.0.1"]), method="GET"):  # noqa: B008 - a constant
    pages = render_pages(Publication(()), make_snapshot(), own=OwnProcess())
    app = serving.make_app(
        pages,
        overview=lambda: render_overview(make_overview(), version="1.2.3"),
        snapshot=lambda: json_page.render(make_snapshot()),
        hosts=hosts,
    )
    return serving.ask(app, path, host=host, method=method)


def tags_of(rendered):
    tags = Tags()
    tags.feed(rendered.decode())
    assert tags.open == []
    return tags.seen


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:10041", "localhost.:10041", "127.0.0.1:10041", "127.8.9.1",
        "[::1]:10041", "192.168.1.7:10041", "",
    ],
)  # fmt: skip
def test_loopback_names_and_addresses_are_known(host):
    assert ask(host=host).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/v1/snapshot", "/metrics", "/-/ready", "/nothing"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:10041",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "[",
        ("localhost", "evil.example"),
    ],
)
def test_foreign_names_are_refused(host, path):
    refused = ask(path, host=host)
    assert refused.status_code == 403
    assert refused.text == "Unknown host name in the request; see --web-allowed-host.\n"


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
    assert ask(host=known, hosts=allowed_hosts([listen_host])).status_code == 200
    assert ask(host=unknown, hosts=allowed_hosts([listen_host])).status_code == 403


@pytest.mark.parametrize("listen_host", ["0.0.0.0", "::", "[::]", "192.168.1.7"])  # noqa: S104 - the case
def test_network_listener_is_known_by_any_name(listen_host):
    """A service or a container is scraped by names that only the network resolves."""
    assert ask(host="agtop.monitoring.svc:10041", hosts=allowed_hosts([listen_host])).is_success


@pytest.mark.parametrize("path", ["/", "/api/v1/snapshot", "/metrics", "/-/ready", "/nothing"])
def test_every_response_forbids_what_it_can(path):
    for answer in (ask(path), ask(path, host="evil.example"), ask(path, method="POST")):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(("tag", "directive"), [("style", "style-src"), ("script", "script-src")])
def test_policy_allows_only_the_style_and_the_script_of_the_page(tag, directive):
    answer = ask("/")
    (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"].split("; ")
    assert f"{directive} 'sha256-{digest}'" in policy
    assert "unsafe" not in answer.headers["content-security-policy"]


PAGES = {
    "full": lambda: render_overview(make_overview(), version="1.2.3"),
    "empty": lambda: render_overview(make_overview(sessions=()), version="1.2.3"),
    "scan": lambda: page.render_scan(5, 9, version="1.2.3"),
    "unavailable": lambda: page.render_unavailable(version="1.2.3"),
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_load_nothing_and_have_no_inline_handlers(name):
    seen = tags_of(PAGES[name]())
    assert not {tag for tag, _ in seen} & {"img", "link", "iframe", "form", "base"}
    assert [attrs for tag, attrs in seen if tag in {"script", "style"}] == [{}, {}]
    names = {name for _, attrs in seen for name in attrs}
    assert not {name for name in names if name.startswith("on") or name in {"style", "src"}}
    links = [attrs["href"] for tag, attrs in seen if tag == "a"]
    assert links == ["#sessions", "metrics", "api/v1/snapshot", "-/ready"]  # behind any prefix


def test_page_has_no_titles_and_paths():
    session = make_session()
    rendered = PAGES["full"]().decode()
    assert [text for text in (*SECRETS, session.session_id) if text in rendered] == []
    assert session.session_id[-8:] in rendered


def test_snapshot_for_other_machines_has_no_titles_and_paths():
    snapshot = make_snapshot()
    assert all(secret in json_page.render(snapshot).decode() for secret in SECRETS)
    public = json_page.render(without_private(snapshot)).decode()
    assert [secret for secret in SECRETS if secret in public] == []
    (session,) = json.loads(public)["sessions"]
    assert (session["title"], session["cwd"]) == (None, None)
    assert session["data_path"] == "0d5dfd4a.jsonl"


def test_hostile_text_stays_text():
    hostile = "<script>alert('\"x\"')</script><!-- notice -->\ud800"
    session = make_session(
        session_id=hostile, project=hostile, model=hostile, agent=hostile, git_branch=hostile
    )
    overview = make_overview(session, name=hostile)
    limit = RateLimit(hostile, hostile, 0.5, 1.0, hint=hostile)
    snapshot = msgspec.structs.replace(overview.snapshot, rate_limits=(limit,))
    rendered = render_overview(
        msgspec.structs.replace(overview, snapshot=snapshot), version=hostile
    )
    harmless = render_overview(make_overview(make_session(git_branch="b")), version="")
    assert [tag for tag, _ in tags_of(rendered)].count("script") == 1
    assert {tag for tag, _ in tags_of(rendered)} == {tag for tag, _ in tags_of(harmless)}
    warned = page.with_notice(rendered, "<b>trouble</b>").decode()
    assert warned.count('<p class="notice">&lt;b&gt;trouble&lt;/b&gt;</p>') == 1


@pytest.mark.parametrize(
    ("more", "known", "unknown"),
    [
        ({"allowed": ["box.lan"]}, "box.lan:10041", "other.lan"),
        ({"allowed": ["*.ts.net"]}, "box.tail1.ts.net", "ts.net"),
        ({"allowed": ["*"]}, "anything.example", None),
        ({"external": "box.lan"}, "box.lan", "evil.example"),
    ],
)
@pytest.mark.parametrize("listen_host", ["127.0.0.1", "::"])
def test_names_of_the_settings_are_known(listen_host, more, known, unknown):
    hosts = allowed_hosts([listen_host], **more)
    assert ask(host=known, hosts=hosts).status_code == 200
    assert ask(host="localhost", hosts=hosts).status_code == 200
    if unknown and (listen_host, *more) != ("::", "external"):
        assert ask(host=unknown, hosts=hosts).status_code == 403


@pytest.mark.slow
def test_a_refused_name_is_logged_once():
    pages = render_pages(Publication(()), make_snapshot(), own=OwnProcess())
    app = serving.make_app(pages, hosts=allowed_hosts(["127.0.0.1"]))
    with capture_logs() as logs:
        for host in ["evil.example"] * 3 + [f"{number}.example" for number in range(99)]:
            assert serving.ask(app, host=host).status_code == 403
    assert [entry["host"] for entry in logs[:2]] == ["evil.example", "0.example"]
    assert len(logs) == LOGGED_MAX


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/snapshot", "/-/ready"])
def test_all_routes_are_below_the_prefix(path):
    pages = render_pages(Publication(()), make_snapshot(), own=OwnProcess())
    app = serving.make_app(pages, prefix="/agtop")
    assert serving.ask(app, f"/agtop{path}").status_code == 200
    assert serving.ask(app, path).status_code == 404
    redirected = serving.ask(app, "/agtop")
    assert (redirected.status_code, redirected.headers["location"]) == (308, "/agtop/")
    if path != "/":  # a redirect would name the scheme and the host before the proxy
        assert serving.ask(app, f"/agtop{path}/").status_code == 404
