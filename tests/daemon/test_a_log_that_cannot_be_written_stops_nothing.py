"""A full disk, a closed pipe or a closed file behind stderr costs only log messages."""

import errno
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from prometheus_server import free_port
from running import PATIENCE_SECONDS, SCRIPTS, environment, samples_of, total
from small_homes import claude_file, claude_turns

from agtop_exporter.logs import _StructlogHandler
from agtop_exporter.stderr import SafeStream, protect_stderr

pytestmark = pytest.mark.integration


class Page:
    """The page of a daemon whose log is not read."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}/metrics"

    def until_tokens(self, number, process):
        """Scrape until the page has a number of tokens."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert process.poll() is None, f"it has ended with {process.returncode}"
            try:
                with urllib.request.urlopen(self.address, timeout=PATIENCE_SECONDS) as response:  # noqa: S310
                    samples = samples_of(response.read().decode())
            except urllib.error.URLError:
                continue
            if total(samples, "agtop_tokens_total") == number:
                return
        raise AssertionError(f"it never had {number} tokens")


@contextmanager
def broken_pipe():
    """Open a pipe whose reader has ended."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def full_disk():
    """Open a file on a disk that is full."""
    if not FULL.exists():
        pytest.skip("no /dev/full here")
    with FULL.open("wb") as file:
        yield file.fileno()


FULL = Path("/dev/full")
WAYS = {"full": full_disk, "pipe": broken_pipe, "closed": lambda: nullcontext(None)}


def command(way, *words):
    """Return a shell command that closes standard error in one of several ways."""
    closed = " 2>&-" if way == "closed" else ""
    return ["bash", "-c", f'exec "$0" "$@"{closed}', SCRIPTS / words[0], *words[1:]]


@pytest.mark.long
@pytest.mark.parametrize("form", ["logfmt", "json"])
@pytest.mark.parametrize("way", WAYS)
def test_the_daemon_goes_on(way, form, tmp_path):
    port = free_port()
    flags = ["--no-state", "--no-pricing-refresh", "--interval", "0.05", "--log-level", "debug"]
    flags += ["--log-format", form, "--listen-address", f"127.0.0.1:{port}"]
    claude_file(tmp_path).write_text(claude_turns(1, range(5)))
    with (
        WAYS[way]() as stderr,
        subprocess.Popen(
            command(way, "agtop-exporter", *flags), env=environment(tmp_path), stderr=stderr
        ) as process,
    ):
        try:
            page = Page(port)
            page.until_tokens(1000, process)
            claude_file(tmp_path, 2).write_text("{broken\n" * 3 + claude_turns(2, range(5)))
            page.until_tokens(2000, process)
            process.send_signal(signal.SIGHUP)  # whose success is logged
            claude_file(tmp_path, 3).write_text(claude_turns(3, range(5)))
            page.until_tokens(3000, process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("agtop", "json"), 0),
        (("agtop-exporter", "--once", "--json"), 0),
        (("agtop-exporter", "doctor"), 1),  # of the broken line
        (("agtop-exporter", "--plan", "gold"), 2),
        (("agtop-exporter", "--fly"), 2),
        (("agtop-exporter", "check-config", "--config", "/nowhere.toml"), 2),
    ],
)
def test_a_command_has_the_exit_status_that_it_has_otherwise(words, code, way, tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, [1]) + '{"half":\n')  # causes a log message
    flags = ("--no-state", "--no-pricing-refresh")
    with WAYS[way]() as stderr:
        done = subprocess.run(
            command(way, *words, *flags),
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=stderr,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert done.returncode == code
    if "json" in words[-1]:
        assert len(json.loads(done.stdout)["sessions"]) == 1


class Disk(io.RawIOBase):
    """A file on a disk with room for some bytes."""

    def __init__(self):
        self.room, self.content = 1_000_000, b""

    def writable(self):
        """Return True."""
        return True

    def write(self, data):
        """Write the bytes for which there is room."""
        taken = bytes(data)[: self.room]
        if not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.content += taken
        self.room -= len(taken)
        return len(taken)


@pytest.mark.slow
def test_whole_lines_are_written_again_when_there_is_room_again():
    disk = Disk()
    stream = SafeStream(io.TextIOWrapper(io.BufferedWriter(disk, 8192), line_buffering=True))
    stream.write("before\n")
    disk.room = 3  # half a line
    for number in range(5000):
        print("line", number, file=stream, flush=True)
    disk.room = 1_000_000
    stream.writelines(["after\n", "long after\n"])
    first, *kept, after, last = disk.content.decode().splitlines()
    assert (first, after, last) == ("before", "after", "long after")
    assert kept == [f"line {number}" for number in range(len(kept))]
    assert len(kept) < 5000  # what is kept is bounded


def test_a_stream_that_is_closed_takes_what_is_written():
    file = io.StringIO()
    stream = SafeStream(file)
    file.close()
    print("lost", file=stream, flush=True)
    assert stream.closed


def test_an_invalid_log_record_of_a_library_causes_no_error(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    _StructlogHandler().handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))


def test_standard_error_is_protected_once(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    protect_stderr()
    protected = sys.stderr
    protect_stderr()
    assert sys.stderr is protected
    sys.stderr.write("lost")
    protected.close()
