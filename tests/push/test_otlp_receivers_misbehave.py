"""For every behaviour of a receiver, a push is correctly counted as delivered or not."""

import logging
import socket

import grpc
import pytest
import structlog
from opentelemetry.sdk.resources import Resource
from otlp_receiver import GrpcReceiver, metrics, points, receiver, resource_of, value_of
from snapshots import NOW, make_snapshot

from agtop_exporter.metrics import collect
from agtop_exporter.push.library_log import LibraryLog, redact
from agtop_exporter.push.options import push_options, secrets
from agtop_exporter.push.sender import OtlpSender

pytestmark = pytest.mark.integration

SECRET = "aaaSECRETaaa"  # noqa: S105 - invented


def send(environment, *, genai=False):
    sender = OtlpSender(
        push_options(environment),
        Resource({"service.name": "x"}),
        genai=genai,
        secrets=secrets(environment),
    )
    try:
        return sender.send(
            collect(make_snapshot()), time=NOW, start_of=lambda _metric, _labels: NOW, delta=False
        )
    finally:
        sender.close()


def variables_for(running, set_variables, **more):
    return set_variables(OTEL_EXPORTER_OTLP_ENDPOINT=running.endpoint, **more)


def test_a_push_is_compressed_and_whole(set_variables):
    with receiver() as running:
        outcome = send(variables_for(running, set_variables))
        assert (outcome.failure, outcome.rejected_points) == ("", 0)
        (request,), (headers,) = running.accepted, running.headers
        assert headers["content-encoding"] == "gzip"
        assert headers["content-type"] == "application/x-protobuf"
        assert resource_of(request) == {"service.name": "x"}
        assert value_of(request, "agtop.requests", agent="claude-code") == 7


def test_compression_and_headers_are_the_variables(set_variables):
    with receiver() as running:
        variables = variables_for(
            running,
            set_variables,
            OTEL_EXPORTER_OTLP_COMPRESSION="none",
            OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer%20{SECRET}",
        )
        assert send(variables).failure == ""
        (headers,) = running.headers
        assert "content-encoding" not in headers
        assert headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.slow
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_of_a_busy_receiver_is_obeyed(status, set_variables):
    with receiver() as running:
        running.answers.append((status, {"Retry-After": "0"}))
        assert send(variables_for(running, set_variables)).failure == ""
        assert len(running.requests) == 2
        assert len(running.accepted) == 1


@pytest.mark.slow
@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_for_long_is_left_alone(status, set_variables):
    with receiver() as running:
        running.answers.append((status, {"Retry-After": "3600"}))
        outcome = send(variables_for(running, set_variables))
        assert (outcome.failure, outcome.retry_after_seconds) == (f"HTTP {status}", 3600)
        assert len(running.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
def test_a_refusal_is_not_repeated(status, set_variables):
    with receiver() as running:
        running.answers.append((status, {}))
        assert send(variables_for(running, set_variables)).failure == f"HTTP {status}"
        assert len(running.requests) == 1


def test_a_redirect_is_no_success(set_variables):
    with receiver() as running:
        running.answers.append((302, {"Location": f"{running.endpoint}/login"}))
        outcome = send(variables_for(running, set_variables))
        assert outcome.failure == "HTTP 302, a redirect"
        assert running.accepted == []


def test_points_that_were_refused_are_known(set_variables):
    with receiver() as running:
        running.rejected_points = 3
        outcome = send(variables_for(running, set_variables))
        assert (outcome.failure, outcome.rejected_points) == ("", 3)


@pytest.mark.slow
def test_a_slow_receiver_costs_the_timeout(set_variables):
    with receiver() as running:
        running.answers.append((None, {}))
        variables = variables_for(running, set_variables, OTEL_EXPORTER_OTLP_TIMEOUT="200")
        assert send(variables).failure == "ReadTimeout"


def test_a_receiver_that_is_not_running(set_variables):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    variables = set_variables(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_TIMEOUT="200"
    )
    assert send(variables).failure == "ConnectionError"


@pytest.mark.slow
def test_no_secret_is_logged(set_variables, capfd, caplog):
    """The library logs URLs with their credentials."""
    with receiver() as running, caplog.at_level(logging.DEBUG):
        running.answers.extend([(401, {}), (400, {})])
        for header in (f"authorization=Bearer {SECRET}", f"x={SECRET}"):
            address = running.endpoint.replace("//", f"//user:{SECRET}@")
            variables = set_variables(
                OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_EXPORTER_OTLP_HEADERS=header
            )
            assert SECRET not in repr(send(variables))
            assert SECRET not in push_options(variables).endpoint
        for protocol in ("grpc", "http/protobuf"):
            variables = set_variables(
                OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                OTEL_EXPORTER_OTLP_ENDPOINT=f"http://user:{SECRET}@127.0.0.1:1/?token={SECRET}",
                OTEL_EXPORTER_OTLP_TIMEOUT="200",
            )
            assert SECRET not in repr(send(variables))
    out, err = capfd.readouterr()
    assert "otlp library" in out
    assert SECRET not in out + err + caplog.text


@pytest.mark.parametrize(
    "message",
    [
        f"Failed to export to user:{SECRET}@host:4317",
        f"HTTPConnectionPool(host='h', port=1): Max retries: /v1/metrics?token={SECRET} (caused)",
        f"connecting to https://{SECRET}@host/path",
        f"header {SECRET}",
    ],
)
def test_a_message_of_the_library_is_redacted(message):
    redacted = redact(message, [SECRET])
    assert SECRET not in redacted
    assert redacted[:6] == message[:6]


def test_a_message_of_the_library_is_logged_once_until_a_delivery():
    library_log = LibraryLog()
    logger = logging.getLogger("opentelemetry.exporter.x")
    with structlog.testing.capture_logs() as logged:
        for address in (1, 2):
            logger.error("no route from <object at 0x7f%d>", address)
        library_log.delivered()
        logger.error("no route from <object at 0x7f3>")
        logger.warning("retrying")
    assert [entry["message"] for entry in logged] == ["no route from <object>"] * 2


def test_grpc_delivers_the_same(set_variables):
    with GrpcReceiver() as running, receiver() as http:
        send(variables_for(http, set_variables))
        variables = set_variables(
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{running.port}",
            OTEL_EXPORTER_OTLP_HEADERS=f"authorization={SECRET}",
        )
        assert send(variables).failure == ""
        assert running.accepted == http.accepted
        assert running.metadata["authorization"] == SECRET


@pytest.mark.slow
def test_grpc_failures_are_logged_with_their_code(set_variables, monkeypatch):
    logger = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
    monkeypatch.setattr(logger, "filters", [])  # it drops a message like the last for 20 s
    with GrpcReceiver() as running:
        variables = set_variables(
            OTEL_EXPORTER_OTLP_METRICS_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"127.0.0.1:{running.port}",
            OTEL_EXPORTER_OTLP_INSECURE="true",
        )
        running.status = grpc.StatusCode.UNAUTHENTICATED
        with structlog.testing.capture_logs() as logged:
            for _ in range(3):
                assert send(variables).failure == "not delivered"
        assert "UNAUTHENTICATED" in logged[0]["message"]


@pytest.mark.slow
def test_many_points_go_in_several_requests(set_variables, monkeypatch):
    monkeypatch.setattr("agtop_exporter.push.sender.POINTS_PER_REQUEST", 10)
    with receiver() as running:
        assert send(variables_for(running, set_variables)).failure == ""
        sizes = [sum(len(points(m)) for m in metrics(r).values()) for r in running.accepted]
        assert len(sizes) > 3
        assert max(sizes) == 10
        whole = sum(len(family.samples) for family in collect(make_snapshot()))
        assert sum(sizes) == whole
