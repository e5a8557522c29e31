"""systemd can open the sockets, so that the exporter starts with the first scrape."""

import socket
import subprocess

import httpx
import pytest
from programs import find_program
from prometheus_server import free_port
from running import PATIENCE_SECONDS, SCRIPTS, environment

from agtop_exporter.model import AgtopError
from agtop_exporter.server.listen import inherited

pytestmark = pytest.mark.integration


@pytest.mark.long
def test_a_request_starts_the_exporter(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    command = [SCRIPTS / "agtop-exporter", "--no-state", "--no-pricing-refresh"]
    with subprocess.Popen(
        [
            find_program("systemd-socket-activate"),
            "-l",
            address,
            *environment_flags(tmp_path),
            *command,
        ],
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            process.stderr.readline()  # it listens
            answer = httpx.get(
                f"http://{address}/-/healthy", timeout=PATIENCE_SECONDS, trust_env=False
            )
            assert answer.status_code == 200
        finally:
            process.terminate()
            log = process.stderr.read()
    assert f"url=http://{address}/" in log
    assert process.returncode == 0


def environment_flags(home):
    return [f"--setenv={name}={value}" for name, value in environment(home).items()]


def test_other_processes_have_no_sockets():
    assert inherited({}, pid=7) == []
    assert inherited({"LISTEN_FDS": "1", "LISTEN_PID": "8"}, pid=7) == []
    assert inherited({"LISTEN_FDS": "x", "LISTEN_PID": "7"}, pid=7) == []


def test_a_socket_that_does_not_listen_is_reported(monkeypatch):
    descriptor = socket.socket().detach()
    monkeypatch.setattr("agtop_exporter.server.listen.FIRST_DESCRIPTOR", descriptor)
    for problem in ("is not a listening stream socket", "Bad file descriptor"):
        with pytest.raises(AgtopError, match=problem):
            inherited({"LISTEN_FDS": "1", "LISTEN_PID": "7"}, pid=7)
