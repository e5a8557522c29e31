"""The server stops within its time limit, and reports why it cannot start."""

import socket
import threading
import time
from contextlib import contextmanager

import httpx
import msgspec
import pytest
import serving
from running import PATIENCE_SECONDS
from snapshots import make_snapshot

from agtop_exporter.metrics import Publication
from agtop_exporter.model import AgtopError
from agtop_exporter.server import OwnProcess, render_pages
from agtop_exporter.server import serve as serve_listeners
from agtop_exporter.server.listen import listen
from agtop_exporter.server.web import Protection

HOST = "127.0.0.1"


def make_app(**over):
    pages = render_pages(Publication(()), make_snapshot(), own=OwnProcess())
    latest = msgspec.structs.replace(pages.latest, **over)
    return serving.make_app(msgspec.structs.replace(pages, latest=latest))


@contextmanager
def serve(app, host, *, port):
    """Serve an application at one address; yield the port."""
    listeners = listen([(host, port)])
    with serve_listeners(app, listeners, protection=Protection(), connections_max=9):
        yield listeners[0].getsockname()[1]


def assert_server_ends():
    """Wait until no thread of a server is left."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    for thread in [each for each in threading.enumerate() if each.name == "http"]:
        thread.join(max(0, deadline - time.monotonic()))
        assert not thread.is_alive()


@pytest.mark.slow
def test_port_0_yields_the_port_that_was_bound():
    with serve(make_app(), HOST, port=0) as port:
        answer = httpx.get(f"http://{HOST}:{port}/metrics")
        assert answer.status_code == 200
        assert "process_cpu_seconds_total" in answer.text
        assert answer.headers["content-encoding"] == "gzip"
        assert "server" not in answer.headers
    assert_server_ends()


def test_page_does_not_wait_for_the_acknowledgement_of_its_headers():
    (listener,) = listen([(HOST, 0)])
    with listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.slow
def test_head_has_the_length_and_no_body():
    with serve(make_app(), HOST, port=0) as port, socket.create_connection((HOST, port)) as client:
        client.sendall(b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert int(head.lower().partition(b"content-length: ")[2].split()[0]) > 100
    assert body == b""


@pytest.mark.slow
def test_ipv6_is_served_too():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with serve(make_app(), "::1", port=0) as port:
        assert httpx.get(f"http://[::1]:{port}/-/ready").status_code == 200


@pytest.mark.slow
def test_idle_and_half_sent_requests_do_not_hold_up_the_end():
    with serve(make_app(), HOST, port=0) as port:
        silent = socket.create_connection((HOST, port))
        half = socket.create_connection((HOST, port))
        half.sendall(b"GET /metrics HTTP/1.1\r\nHo")
        kept = httpx.Client()
        assert kept.get(f"http://{HOST}:{port}/-/healthy").status_code == 200
    assert_server_ends()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port))
    for connection in (silent, half, kept):
        connection.close()


@pytest.mark.long
def test_scraper_that_does_not_read_does_not_hold_up_the_end():
    with serve(make_app(text=b"#" * 50_000_000), HOST, port=0) as port:
        stuck = socket.create_connection((HOST, port))
        stuck.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stuck.recv(12) == b"HTTP/1.1 200"
    assert_server_ends()
    stuck.close()


@pytest.mark.slow
def test_server_can_end_before_it_began():
    with serve(make_app(), HOST, port=0):
        pass
    assert_server_ends()


def test_address_in_use_is_reported_in_one_line():
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            AgtopError, match=rf"^127\.0\.0\.1:{port} is in use; .*--listen-address"
        ):
            serve(make_app(), HOST, port=port).__enter__()
    assert_server_ends()


def test_address_of_another_machine_is_reported_in_one_line():
    with pytest.raises(AgtopError, match=r"^cannot listen on 192\.0\.2\.1:10041: \w"):
        serve(make_app(), "192.0.2.1", port=10041).__enter__()  # RFC 5737: for documentation
