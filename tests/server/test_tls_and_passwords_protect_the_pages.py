"""Only clients with the right certificate or password get a page, and a reload changes that."""

import asyncio
import socket
import ssl
import time
from contextlib import contextmanager

import bcrypt
import httpx
import pytest
import serving
from certificates import Authority
from snapshots import make_snapshot
from structlog.testing import capture_logs

from agtop_exporter.metrics import Publication
from agtop_exporter.server import OwnProcess, connections, render_pages
from agtop_exporter.server.connections import serve
from agtop_exporter.server.listen import listen
from agtop_exporter.server.web import BasicAuth, Protection
from agtop_exporter.settings import SettingsError

PASSWORD = "correct horse"  # noqa: S105 - of the test
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server_files(authority):
    return authority.sign("server", "DNS:localhost", "IP:127.0.0.1")


def write_config(folder, text):
    path = folder / "web.yml"
    path.write_text(text)
    return path


def tls_section(server_files, more=""):
    certificate, key = server_files
    return f"tls_server_config:\n  cert_file: {certificate}\n  key_file: {key}\n{more}"


@contextmanager
def running(protection, *, connections_max=9):
    pages = render_pages(Publication(()), make_snapshot(), own=OwnProcess())
    listeners = listen([("127.0.0.1", 0)])
    with serve(
        serving.make_app(pages, protection=protection),
        listeners,
        protection=protection,
        connections_max=connections_max,
    ):
        yield listeners[0].getsockname()[1]


def client_context(authority, files=None, version=None):
    context = ssl.create_default_context(cafile=authority.certificate)
    if files:
        context.load_cert_chain(*files)
    if version:
        context.maximum_version = version
    return context


def get(port, context, scheme="https", **more):
    url = f"{scheme}://localhost:{port}/metrics"
    return httpx.get(url, verify=context, trust_env=False, **more)


@pytest.mark.slow
def test_a_page_by_tls(tmp_path, authority, server_files):
    headers = "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=60\n"
    path = write_config(tmp_path, tls_section(server_files) + headers)
    with running(Protection(str(path))) as port:
        answer = get(port, client_context(authority))
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=60"
        assert answer.headers["x-content-type-options"] == "nosniff"
        for scheme, context in [("http", True), ("https", ssl.create_default_context())]:
            with pytest.raises(httpx.TransportError):
                get(port, context, scheme)


@pytest.mark.slow
def test_the_lowest_version_of_tls(tmp_path, authority, server_files):
    path = write_config(tmp_path, tls_section(server_files, "  min_version: TLS13\n"))
    with running(Protection(str(path))) as port:
        with pytest.raises(httpx.TransportError):
            get(port, client_context(authority, version=ssl.TLSVersion.TLSv1_2))
        assert get(port, client_context(authority)).status_code == 200


@pytest.mark.slow
def test_certificates_of_clients(tmp_path, authority, server_files):
    section = tls_section(
        server_files,
        f"  client_ca_file: {authority.certificate}\n"
        "  client_auth_type: RequireAndVerifyClientCert\n"
        "  client_allowed_sans: [prometheus.lan]\n",
    )
    protection = Protection(str(write_config(tmp_path, section)))
    assert protection.missing == ()
    known = authority.sign("known", "DNS:prometheus.lan")
    other = authority.sign("other", "DNS:other.lan")
    foreign = Authority(tmp_path / "foreign").sign("known", "DNS:prometheus.lan")
    with running(protection) as port:
        assert get(port, client_context(authority, known)).status_code == 200
        for files in (None, other, foreign):
            with pytest.raises(httpx.TransportError):
                get(port, client_context(authority, files))


@pytest.mark.slow
def test_a_reload_changes_new_connections(tmp_path, authority, server_files):
    path = write_config(tmp_path, "")
    protection = Protection(str(path))
    assert protection.missing == ("TLS", "authentication")
    with running(protection) as port:
        assert get(port, True, "http").status_code == 200
        write_config(tmp_path, f"{tls_section(server_files)}basic_auth_users: {{ada: {HASH}}}\n")
        protection.load(str(path))
        assert get(port, client_context(authority)).status_code == 401
        assert get(port, client_context(authority), auth=("ada", PASSWORD)).status_code == 200
        write_config(tmp_path, "tls_server_config: {}\n")
        with pytest.raises(SettingsError):
            protection.load(str(path))
        assert get(port, client_context(authority)).status_code == 401


@pytest.mark.parametrize("text", ["", "# nothing\n", "basic_auth_users: {}\n"])
def test_a_reload_of_a_truncated_file_keeps_the_protection(tmp_path, text):
    path = write_config(tmp_path, f"basic_auth_users:\n  ada: {HASH}\n")
    protection = Protection(str(path))
    write_config(tmp_path, text)
    with pytest.raises(SettingsError, match="no TLS and no users any more"):
        protection.load(str(path))
    assert protection.users == {"ada": HASH}


def ask(app, path="/metrics", **headers):
    return serving.ask(app, path, **headers)


@pytest.fixture
def guarded(tmp_path):
    path = write_config(tmp_path, f"basic_auth_users:\n  ada: {HASH}\n")
    pages = render_pages(Publication(()), make_snapshot(), own=OwnProcess())
    return serving.make_app(pages, protection=Protection(str(path)))


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/api/v1/snapshot", "/metrics", "/-/ready", "/nothing"])
@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("ada", "wrong"),
        ("ada", ""),
        ("ada", PASSWORD + "x" * 70),
        ("ada", PASSWORD + "\0"),
        ("bob", PASSWORD),
        ("", ""),
    ],
)
def test_a_wrong_password_gets_nothing(guarded, path, user, password):
    refused = ask(guarded, path, authorization=httpx.BasicAuth(user, password)._auth_header)  # noqa: SLF001 - its header
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic ")
    assert "x-content-type-options" in refused.headers
    assert refused.text == "Unauthorized.\n"


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Bearer x", "Basic YWRh", "Basic /w=="]
)
def test_a_malformed_header_gets_nothing(guarded, header):
    assert ask(guarded, authorization=header).status_code == 401


@pytest.mark.slow
def test_a_password_is_checked_once(monkeypatch):
    """Bcrypt is slow by design; a scrape each second must not pay for it."""
    checks = []
    real = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda *given: checks.append(1) or real(*given))
    users = {"ada": HASH}
    app = serving.make_app(render_pages(Publication(()), make_snapshot(), own=OwnProcess()))

    async def requests():
        auth = BasicAuth(app, lambda: users)
        transport = httpx.ASGITransport(auth)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [
                (await client.get("/metrics", auth=("ada", given))).status_code
                for given in (PASSWORD, PASSWORD, "wrong", "wrong")
            ]

    assert asyncio.run(requests()) == [200, 200, 401, 401]
    assert len(checks) == 3
    users["ada"] = bcrypt.hashpw(b"another", bcrypt.gensalt(4)).decode()
    assert asyncio.run(requests())[0] == 401


@pytest.mark.long
def test_idle_connections_do_not_keep_a_scraper_out():
    with capture_logs() as logs, running(Protection(), connections_max=3) as port:
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(9)]
        assert get(port, True, "http").status_code == 200
        closed = [one for one in idle if is_closed(one)]
        assert len(closed) >= 7
        for one in idle:
            one.close()
    assert [entry["event"] for entry in logs] == ["idle connection closed"]


@pytest.mark.slow
def test_a_slow_request_is_ended(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    with running(Protection()) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.settimeout(30)
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: loc")
        assert slow.recv(1) == b""


@pytest.mark.slow
def test_a_client_that_does_not_shake_hands_is_ended(
    tmp_path, authority, server_files, monkeypatch
):
    monkeypatch.setattr(connections, "HANDSHAKE_SECONDS", 0.2)
    protection = Protection(str(write_config(tmp_path, tls_section(server_files))))
    with running(protection) as port, socket.create_connection(("127.0.0.1", port)) as silent:
        silent.settimeout(30)
        assert silent.recv(1) == b""
        assert get(port, client_context(authority)).status_code == 200


@pytest.mark.slow
def test_headers_without_an_end_are_refused():
    with running(Protection()) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        line = b"x: " + b"y" * 1000 + b"\r\n"
        with pytest.raises(ConnectionError):
            client.sendall(line * 100_000)


@pytest.mark.slow
def test_both_families_by_one_address():
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    pages = render_pages(Publication(()), make_snapshot(), own=OwnProcess())
    listeners = listen([("::", 0), ("127.0.0.1", 0)])
    both, other = (one.getsockname()[1] for one in listeners)
    with serve(serving.make_app(pages), listeners, protection=Protection(), connections_max=9):
        for host, port in (("127.0.0.1", both), ("[::1]", both), ("127.0.0.1", other)):
            assert httpx.get(f"http://{host}:{port}/-/ready", trust_env=False).status_code == 200


def is_closed(connection):
    connection.setblocking(False)  # noqa: FBT003 - its only argument
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        try:
            return connection.recv(1) == b""
        except BlockingIOError:
            continue
        except ConnectionError:
            return True
    return False
