"""A push sends only the configured credentials, and only to the configured endpoint."""

import base64
import itertools
import threading
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from opentelemetry.sdk.resources import Resource
from otlp_receiver import GrpcReceiver, receiver
from snapshots import NOW, make_snapshot

from agtop_exporter.loopback import is_loopback
from agtop_exporter.metrics import collect
from agtop_exporter.push.options import push_options
from agtop_exporter.push.sender import OtlpSender
from agtop_exporter.push.transport import OtlpSession, retry_after_seconds

pytestmark = pytest.mark.integration

ENTRIES = {
    "machine": "machine {host} login ada password aaaNETRCaaa\n",
    "default": "default login ada password aaaNETRCaaa\n",
}
HOSTS = ("127.0.0.1", "localhost")
PLACES = (".netrc", "_netrc", "NETRC")


@pytest.fixture
def environment(monkeypatch, tmp_path, set_variables):
    """Return a function that sets variables in a separate home, and returns the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return set_variables


def push(variables):
    """Push once, and return the outcome."""
    sender = OtlpSender(push_options(variables), Resource({"service.name": "x"}))
    try:
        return sender.send(
            collect(make_snapshot()), time=NOW, start_of=lambda _metric, _labels: NOW, delta=False
        )
    finally:
        sender.close()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(params=itertools.product(ENTRIES, PLACES), ids="-".join)
def netrc(request, environment, tmp_path):
    """Write a password for every host; return a function that sets variables."""
    entry, place = request.param
    path = tmp_path / ("passwords" if place == "NETRC" else place)
    path.write_text("".join(ENTRIES[entry].format(host=host) for host in HOSTS))
    path.chmod(0o600)
    if place == "NETRC":
        environment(NETRC=str(path))
    endpoint = "http://127.0.0.1"
    assert requests.utils.get_netrc_auth(endpoint) == ("ada", "aaaNETRCaaa")  # it is found
    return environment


@pytest.mark.slow
@pytest.mark.parametrize("host", HOSTS)
def test_a_password_of_netrc_does_not_replace_the_token(host, netrc):
    with receiver() as running:
        variables = netrc(
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{host}:{running.port}",
            OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20x",
        )
        assert push(variables).failure == ""
        assert [headers["authorization"] for headers in running.headers] == ["Bearer x"]


@pytest.mark.slow
def test_a_password_of_netrc_is_not_sent_where_nothing_is_configured(netrc):
    with receiver() as running:
        running.answers.extend([(503, {"Retry-After": "0"}), (401, {})])
        variables = netrc(OTEL_EXPORTER_OTLP_ENDPOINT=running.endpoint)
        assert push(variables).failure == "HTTP 401"
        assert len(running.headers) == 2
        assert not any("authorization" in headers for headers in running.headers)


def test_a_password_in_the_endpoint_is_sent(netrc):
    with receiver() as running:
        address = running.endpoint.replace("//", "//grace:s%20p%40ss@")
        assert push(netrc(OTEL_EXPORTER_OTLP_ENDPOINT=address)).failure == ""
        assert running.headers[0]["authorization"] == basic("grace", "s p@ss")


@pytest.mark.slow
def test_grpc_has_no_such_password(netrc):
    """The gRPC library does not read netrc files; a later version might."""
    with GrpcReceiver() as running:
        variables = netrc(
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{running.port}",
        )
        assert push(variables).failure == ""
        assert "authorization" not in running.metadata
        netrc(OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20x")
        assert push(variables).failure == ""
        assert running.metadata["authorization"] == "Bearer x"


# --- proxies ----------------------------------------------------------------------------------


@contextmanager
def proxy():
    """Run a proxy that rejects everything; return its address and its received requests."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def refuse(self):
            seen.append(self.requestline)
            self.send_error(502)

        do_POST = do_CONNECT = refuse  # noqa: N815 - as the base class wants it

        def log_message(self, *arguments):
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()


def proxies(address):
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return dict.fromkeys(names, address)


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_a_receiver_on_this_machine_is_reached_directly(host, environment):
    with receiver() as running, proxy() as (address, seen):
        endpoint = f"http://{host}:{running.port}"
        variables = environment(**proxies(address), OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        assert push(variables).failure == ""
        assert seen == []


@pytest.mark.slow
@pytest.mark.parametrize("host", ["[::1]", "127.1.2.3", "otel.localhost"])
def test_no_proxy_is_used_for_this_machine(host, environment):
    """No server listens on the port."""
    with proxy() as (address, seen):
        variables = environment(
            **proxies(address),
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{host}:9",
            OTEL_EXPORTER_OTLP_TIMEOUT="200",
        )
        assert push(variables).failure == "ConnectionError"
        assert seen == []


def test_a_receiver_elsewhere_is_reached_through_the_proxy(environment):
    with proxy() as (address, seen):
        variables = environment(
            **proxies(address),
            OTEL_EXPORTER_OTLP_ENDPOINT="http://collector.invalid:4318",
            OTEL_EXPORTER_OTLP_TIMEOUT="200",
        )
        push(variables)
        assert seen[0].startswith("POST http://collector.invalid:4318/v1/metrics ")


def test_no_proxy_is_obeyed(environment):
    with proxy() as (address, seen):
        variables = environment(
            **proxies(address),
            NO_PROXY="collector.invalid",
            OTEL_EXPORTER_OTLP_ENDPOINT="http://collector.invalid:4318",
            OTEL_EXPORTER_OTLP_TIMEOUT="200",
        )
        assert push(variables).failure == "ConnectionError"
        assert seen == []


@pytest.mark.slow
def test_grpc_reaches_a_receiver_on_this_machine_directly(environment):
    with GrpcReceiver() as running, proxy() as (address, seen):
        variables = environment(
            **proxies(address),
            grpc_proxy=address,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{running.port}",
            OTEL_EXPORTER_OTLP_TIMEOUT="2000",
        )
        assert push(variables).failure == ""
        assert seen == []


def test_certificates_of_the_environment_are_used(environment, tmp_path):
    environment(REQUESTS_CA_BUNDLE=str(tmp_path / "ours.pem"))
    with OtlpSession() as session:
        for url in ("https://collector.example", "https://localhost"):
            settings = session.merge_environment_settings(url, {}, None, True, None)  # noqa: FBT003
            assert settings["verify"] == str(tmp_path / "ours.pem")


def test_the_certificate_of_the_receiver_takes_precedence(environment, tmp_path):
    environment(REQUESTS_CA_BUNDLE=str(tmp_path / "ours.pem"))
    with OtlpSession() as session:
        session.verify = str(tmp_path / "receiver.pem")  # as OpenTelemetry's exporter sets it
        settings = session.merge_environment_settings("https://localhost", {}, None, None, None)
        assert settings["verify"] == str(tmp_path / "receiver.pem")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("LocalHost.", True),
        ("otel.localhost", True),
        ("ip6-localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("", False),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - no socket listens
        ("localhost.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_what_is_on_this_machine(host, local):
    assert is_loopback(host) == local


# --- when to come again -----------------------------------------------------------------------


def response(**headers):
    answer = requests.Response()
    answer.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return answer


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Retry_After": "120"}, 120),
        ({"Retry_After": "-5"}, 0),
        ({"Retry_After": formatdate(NOW + 600, usegmt=True)}, 600),
        ({"Retry_After": formatdate(NOW - 600, usegmt=True)}, 0),
        (  # a receiver whose clock is wrong
            {
                "Retry_After": formatdate(NOW + 5000 + 90, usegmt=True),
                "Date": formatdate(NOW + 5000, usegmt=True),
            },
            90,
        ),
        ({"Retry_After": "soon"}, 0),
        ({"Retry_After": "Sun, 99 Nov 99999 00:00:00 GMT"}, 0),
    ],
)
def test_a_receiver_may_ask_for_a_pause_by_seconds_or_date(headers, seconds):
    assert retry_after_seconds(response(**headers), NOW) == pytest.approx(seconds, abs=1)


def test_a_date_far_away_leaves_the_receiver_alone(environment):
    with receiver() as running:
        running.answers.append((429, {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}))
        outcome = push(environment(OTEL_EXPORTER_OTLP_ENDPOINT=running.endpoint))
        assert outcome.failure == "HTTP 429"
        assert outcome.retry_after_seconds > 10_000
        assert len(running.requests) == 1
