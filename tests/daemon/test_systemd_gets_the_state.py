"""The daemon reports its start, pings, reloads and stop to the service manager."""

import contextlib
import os
import signal
import socket
import sys
import time

import pytest
from running import daemon
from small_homes import claude_file, claude_turns

from agtop_exporter.notify import Notifier, notifier

pytestmark = pytest.mark.integration

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")


class Manager:
    """The receiving socket of a service manager."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(20)
        self.address = address

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.socket.close()

    def hear(self):
        """Return the next message as {name: value}."""
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))

    def hear_until(self, name):
        """Return all messages up to the first one with a given name."""
        heard = [self.hear()]
        while name not in heard[-1]:
            heard.append(self.hear())
        return heard

    def silent(self):
        """Return whether there is no message."""
        self.socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            return not self.socket.recv(4096)
        return True


@pytest.fixture(params=["path", pytest.param("abstract", marks=LINUX_ONLY)])
def manager(request, tmp_path):
    name = f"@agtop-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "n")
    with Manager(name) as one:
        yield one


def test_each_message(manager):
    sender = Notifier(manager.address, monotonic_ns=lambda: 5_000_000_000)
    sender.ready("listening")
    assert manager.hear() == {"READY": "1", "STATUS": "listening"}
    sender.reloading()
    assert manager.hear() == {"RELOADING": "1", "MONOTONIC_USEC": "5000000"}
    sender.stopping()
    assert manager.hear() == {"STOPPING": "1"}


def test_the_watchdog_is_pinged_at_most_once_per_second(manager):
    tenths = iter(range(30))
    sender = Notifier(manager.address, monotonic_ns=lambda: next(tenths) * 100_000_000)
    for _ in range(30):
        sender.ping("fine")
    assert [manager.hear() for _ in range(3)] == [{"WATCHDOG": "1", "STATUS": "fine"}] * 3
    assert manager.silent()


def test_without_a_manager_nothing_is_sent():
    sender = notifier({}, pid=1)
    sender.ready("listening")
    sender.ping("fine")
    assert sender.ping_interval_seconds == float("inf")


def test_a_service_manager_that_has_ended_causes_no_error(tmp_path):
    with Manager(str(tmp_path / "n")) as manager:
        sender = Notifier(manager.address)
    sender.ready("listening")


@pytest.mark.slow
def test_a_service_manager_that_does_not_read_does_not_block(tmp_path):
    with Manager(str(tmp_path / "n")) as manager:
        sender = Notifier(manager.address)
        for number in range(10_000):
            sender.ready(f"listening {number}")
        assert manager.hear()["STATUS"] == "listening 0"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"WATCHDOG_USEC": "120000000"}, 40),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "7"}, 40),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "8"}, float("inf")),
        ({"WATCHDOG_USEC": "soon"}, float("inf")),
    ],
)
def test_the_watchdog_is_for_one_process(given, seconds):
    assert notifier(given, pid=7).ping_interval_seconds == seconds


@pytest.mark.long
def test_a_daemon_from_start_to_end(manager, tmp_path):
    claude_file(tmp_path, 1).write_text(claude_turns(1, range(10)))
    given = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "120000000"}
    with daemon(tmp_path, "--no-state", **given) as running:
        first = manager.hear()
        assert first["READY"] == "1"
        assert first["STATUS"].startswith("listening on http://127.0.0.1:")
        assert "WATCHDOG" in manager.hear()
        before = time.monotonic_ns() // 1000
        running.process.send_signal(signal.SIGHUP)
        heard = manager.hear_until("READY")
        reloading = heard[-2]
        assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        running.end()
        assert manager.hear_until("STOPPING")[-1] == {"STOPPING": "1"}
        assert manager.silent()


@pytest.mark.long
def test_the_watchdog_is_pinged_between_refreshes(tmp_path):
    """The refresh interval is longer than the time limit of the watchdog."""
    with Manager(str(tmp_path / "n")) as manager:
        given = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "3300000"}
        with daemon(tmp_path, "--no-state", interval=600, **given):
            assert [set(manager.hear()) for _ in range(4)] == [
                {"READY", "STATUS"},
                *[{"WATCHDOG", "STATUS"}] * 3,
            ]
