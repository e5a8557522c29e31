"""A receiver that is unreachable for a day costs no memory, threads or sockets."""

import gc
import os
import socket
import threading
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import pytest
from logged import logged_to
from opentelemetry.sdk.resources import Resource
from otlp_receiver import Receiver
from prometheus_server import free_port
from snapshots import NOW, make_snapshot, make_totals

from agtop_exporter.push.delivery import Delivery
from agtop_exporter.push.options import push_options
from agtop_exporter.push.sender import OtlpSender
from agtop_exporter.telemetry import Telemetry

pytestmark = pytest.mark.integration

WARM, PUSHES = 8, 24
GROWTH_BYTES = 64 * 1024
"""Less than two snapshots: were the pushes kept, there would be two dozen."""


class Forgetful(Receiver):
    """A receiver with constant answers that stores nothing."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def take(self, _path, _headers, _body):
        """Return the answer."""
        return self.answer


@contextmanager
def answering(answer):
    running = Forgetful(answer)
    try:
        yield running.endpoint
    finally:
        running.close()


@contextmanager
def hanging():
    """Accept connections and requests without answering."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def refusing():
    yield f"http://127.0.0.1:{free_port()}"


CASES = {
    "503": (lambda: answering((503, {})), "http/protobuf"),
    "429": (lambda: answering((429, {"Retry-After": "3600"})), "http/protobuf"),
    "400": (lambda: answering((400, {})), "http/protobuf"),
    "slow": (hanging, "http/protobuf"),
    "refused": (refusing, "http/protobuf"),
    "refused by gRPC": (refusing, "grpc"),
}


def in_use():
    """Return (bytes, threads, descriptors) of this process."""
    gc.collect()
    descriptors = len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))
    return tracemalloc.get_traced_memory()[0], threading.active_count(), descriptors


def push_many(delivery, begin, count):
    for number in range(begin, begin + count):
        totals = make_totals() | {("tokens", "claude-code", f"model-{number % 7}", "input"): number}
        delivery.push(make_snapshot(generated_at=NOW + number, totals=totals))


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted by /proc")
@pytest.mark.parametrize("case", CASES)
def test_failed_pushes_leave_nothing(case, monkeypatch):
    receiver, protocol = CASES[case]
    with receiver() as endpoint:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "100",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        options = push_options(variables)
        sender = OtlpSender(options, Resource({"service.name": "x"}))
        told = []
        delivery = Delivery(sender, options, metadata={}, telemetry=Telemetry())
        tracemalloc.start()
        try:
            with logged_to(told):
                push_many(delivery, 0, WARM)
                before = in_use()
                push_many(delivery, WARM, PUSHES)
                after = in_use()
        finally:
            tracemalloc.stop()
            delivery.close()
    # All have failed: a success would be logged. gRPC may give two reasons in turn, because its
    # attempts to connect may or may not end within the timeout.
    events = [event for _, event, _ in told]
    assert "otlp push" in events
    assert "otlp push works again" not in events
    assert events.count("otlp library") <= 1
    assert after[0] - before[0] < GROWTH_BYTES
    assert after[1] <= before[1]
    assert after[2] <= before[2]
