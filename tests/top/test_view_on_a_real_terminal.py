"""On a pseudo-terminal, `agtop top` starts, draws, ends as asked, and restores the terminal."""

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest
from running import SCRIPTS, environment, run
from small_homes import claude_answer, claude_file, claude_prompt, line, session_id

from agtop_exporter.pipeline.scan import PARALLEL_BYTES

fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PATIENCE_SECONDS = 30
ALTERNATE, NORMAL = b"\x1b[?1049h", b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"
MOUSE_ON, MOUSE_OFF = b"\x1b[?1000h", b"\x1b[?1000l"
CANARY = "CANARY"


@pytest.fixture
def home(tmp_path):
    """Return a home with a session whose prompts, answers and tools contain a canary."""
    secret = {"type": "text", "text": f"{CANARY} answer"}
    tool = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": f"echo {CANARY}"}}
    answer = json.loads(claude_answer(1, 1, stop="tool_use"))
    answer["message"]["content"] = [secret, tool]
    second = json.loads(claude_prompt(1, 2))
    second["message"]["content"] = f"{CANARY} prompt"
    title = {"type": "ai-title", "aiTitle": "A title", "sessionId": session_id(1)}
    records = (line(title), claude_prompt(1, 0), line(answer), line(second), claude_answer(1, 2))
    claude_file(tmp_path).write_text("".join(records))
    return tmp_path


class Terminal:
    """A program on a pseudo-terminal, and everything that it has written."""

    def __init__(self, *command, size=(24, 80), **variables):
        self.master, slave = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(slave)
        self.output = b""
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**variables, "TERM": variables.get("TERM", "xterm-256color")},
            start_new_session=True,
        )
        self.slave = slave

    def resize(self, lines, columns):
        """Change the size of the terminal."""
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def read(self):
        """Read what the program has written since, and wait for a moment if it is nothing."""
        if select.select([self.master], [], [], 0.1)[0]:
            self.output += os.read(self.master, 65_536)

    def until(self, text, since=0):
        """Wait until the program has written a text."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.output[since:]:
            assert time.monotonic() < deadline, self.output[-3000:]
            assert self.process.poll() is None, self.output[-3000:]
            self.read()

    def type(self, keys):
        """Type keys."""
        os.write(self.master, keys)

    def end(self):
        """Wait for the end of the program, and return its exit status."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.output[-3000:]
            self.read()
        self.read()
        return self.process.returncode

    def assert_restored(self):
        """Check the modes of the terminal, and the escape sequences that reset it."""
        assert termios.tcgetattr(self.slave) == self.before
        assert self.output.count(ALTERNATE) == self.output.count(NORMAL)
        assert self.output.rindex(NORMAL) > self.output.rindex(ALTERNATE)
        assert self.output.rindex(SHOW_CURSOR) > self.output.rindex(ALTERNATE)
        if MOUSE_ON in self.output:
            assert self.output.rindex(MOUSE_OFF) > self.output.rindex(MOUSE_ON)


@contextmanager
def terminal(home, *arguments, program="agtop", size=(24, 80), **variables):
    command = [str(SCRIPTS / program), *arguments]
    opened = Terminal(*command, size=size, **environment(home, **variables))
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.process.kill()
        opened.process.wait()
        os.close(opened.master)
        os.close(opened.slave)


TOP = ("top", "--no-pricing-refresh")


@pytest.mark.long
@pytest.mark.parametrize(
    "keys", [b"q", b"\x03", b"\x11", b"\x1b[21~"], ids=["q", "^C", "^Q", "F10"]
)
def test_keys_end_it(home, keys):
    with terminal(home, *TOP) as opened:
        opened.until(b"press v")
        opened.type(keys)
        assert opened.end() == 0
        opened.assert_restored()


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_end_it(home, number):
    with terminal(home, *TOP) as opened:
        opened.until(b"press v")
        opened.process.send_signal(number)
        assert opened.end() == 128 + number
        opened.assert_restored()


@pytest.mark.long
def test_it_ends_when_its_terminal_disappears(home):
    """The terminal sends SIGHUP only to the programs that it controls, which this one is not."""
    with terminal(home, *TOP) as opened:
        opened.until(b"press v")
        os.close(opened.master)
        assert opened.process.wait(PATIENCE_SECONDS) == 128 + signal.SIGHUP
        opened.master = os.open(os.devnull, os.O_RDONLY)


@pytest.mark.long
def test_a_crash_is_one_line_and_a_log(home, tmp_path):
    """The traceback is in the log file only."""
    log = tmp_path / "top.log"
    code = (
        "import sys\n"
        "from agtop_exporter.top.view import View\n"
        f"View.act = lambda *a: 1 / 0\n"
        "from agtop_exporter.cli import agtop\n"
        f"agtop({[*TOP, '--log-file', str(log)]!r})\n"
    )
    variables = environment(home)
    opened = Terminal(sys.executable, "-c", code, **variables)
    try:
        opened.until(b"press v")
        opened.type(b"j")
        assert opened.end() == 1
        opened.assert_restored()
        shown = opened.output[opened.output.rindex(NORMAL) :]
        message = f"agtop: the view ended with an unexpected ZeroDivisionError: see {log}"
        assert message.encode() in shown.replace(b"\r\n", b"")
        assert b"Traceback" not in opened.output
        assert "ZeroDivisionError: division by zero" in log.read_text()
        assert log.stat().st_mode & 0o077 == 0
    finally:
        opened.process.kill()
        opened.process.wait()


@pytest.mark.long
def test_it_is_suspended_and_continued(home):
    with terminal(home, *TOP) as opened:
        opened.until(b"press v")
        opened.type(b"\x1a")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not os.waitid(os.P_PID, opened.process.pid, os.WSTOPPED | os.WNOHANG):
            assert time.monotonic() < deadline
            opened.read()
        opened.assert_restored()
        since = len(opened.output)
        opened.process.send_signal(signal.SIGCONT)
        opened.until(ALTERNATE, since)
        opened.type(b"q")
        assert opened.end() == 0
        opened.assert_restored()


@pytest.mark.long
def test_it_follows_the_size(home):
    with terminal(home, *TOP) as opened:
        opened.until(b"press v")
        for size, text in (((8, 40), b"agtop needs 60x12"), ((40, 140), b"TITLE")):
            since = len(opened.output)
            opened.resize(*size)
            opened.process.send_signal(signal.SIGWINCH)
            opened.until(text, since)
        opened.type(b"q")
        assert opened.end() == 0


@pytest.mark.long
def test_plain_agtop_opens_it(home):
    with terminal(home, "--no-pricing-refresh") as opened:
        opened.until(ALTERNATE)
        opened.until(b"press v")
        opened.type(b"q")
        assert opened.end() == 0


@pytest.mark.long
def test_the_exporter_opens_it(home):
    with terminal(home, *TOP, program="agtop-exporter") as opened:
        opened.until(b"press v")
        opened.type(b"q")
        assert opened.end() == 0


@pytest.mark.long
def test_plain_agtop_prints_the_table_on_a_dumb_terminal(home):
    with terminal(home, "--no-pricing-refresh", TERM="dumb") as opened:
        assert opened.end() == 0
        assert b"1 session" in opened.output
        assert b"\x1b" not in opened.output


@pytest.mark.long
def test_top_needs_a_terminal(home):
    with terminal(home, *TOP, TERM="dumb") as opened:
        assert opened.end() == 2
        expected = b"agtop: the view needs a terminal: type `agtop list`\r\n"
        assert opened.output == expected
    done = run("agtop", *TOP, home=home, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "agtop: the view needs a terminal: type `agtop list`\n"


def test_plain_agtop_prints_the_table_in_a_pipe(home):
    done = run("agtop", "--no-pricing-refresh", home=home)
    assert "1 session" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.long
def test_hidden_columns_are_kept(home):
    for is_hidden in (False, True):
        with terminal(home, *TOP) as opened:
            opened.until(b"press v")
            assert (b"MODEL" in opened.output) != is_hidden
            opened.type(b"Cjjj ")
            opened.until(b"always shown" if is_hidden else b"[ ]")
            opened.type(b"q")
            assert opened.end() == 0
    (home / ".config/agtop-exporter/top-hidden-columns.json").write_text("{")
    with terminal(home, *TOP) as opened:
        opened.until(b"MODEL")
        opened.type(b"q")
        assert opened.end() == 0


@pytest.mark.long
def test_no_mouse(home):
    with terminal(home, *TOP, "--no-mouse") as opened:
        opened.until(b"press v")
        opened.type(b"q")
        assert opened.end() == 0
        assert MOUSE_ON not in opened.output


COLORS = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|4[0-7]|38|48|9[0-7]|10[0-7])(?:;\d+)*m")


@pytest.mark.long
def test_no_color(home):
    with terminal(home, *TOP, NO_COLOR="1") as opened:
        opened.until(b"press v")
        opened.type(b"v\r5")
        opened.until(b"1 call,")
        opened.type(b"q")
        assert opened.end() == 0
        assert not COLORS.findall(opened.output)


@pytest.mark.long
def test_16_colors(home):
    with terminal(home, *TOP, TERM="xterm-16color") as opened:
        opened.until(b"press v")
        opened.type(b"v\r5")
        opened.until(b"1 call,")
        opened.type(b"q")
        assert opened.end() == 0
        assert COLORS.findall(opened.output)
        assert b"38;2;" not in opened.output
        assert b"38;5;" not in opened.output


@pytest.mark.long
def test_ascii(home):
    with terminal(home, *TOP, LANG="C", LC_ALL="C") as opened:
        opened.until(b"press v")
        opened.type(b"v")
        opened.until(b". closed")
        opened.type(b"q")
        assert opened.end() == 0
        assert opened.output.isascii()


@pytest.mark.long
def test_no_prompt_is_on_any_screen(home):
    with terminal(home, *TOP, size=(40, 140)) as opened:
        opened.until(b"press v")
        opened.type(b"v")
        opened.until(b"A title")
        for key in b"123456all??!" + b"\x1b":
            opened.type(bytes([key]))
            for _ in range(3):
                opened.read()
        opened.type(b"\x03")
        assert opened.end() == 0
        assert CANARY.encode() not in opened.output


@pytest.mark.long
def test_a_long_scan_is_read_by_children_and_can_be_left(home):
    """The children of the scan start, although Textual replaces stderr. `q` ends them too."""
    big = "x" * 100_000
    for number in range(2, 8):
        prompt = json.loads(claude_prompt(number, 0))
        prompt["message"]["content"] = big
        records = [
            line({**prompt, "uuid": f"p{count}"}) for count in range(PARALLEL_BYTES // 500_000)
        ]
        claude_file(home, number).write_text("".join([*records, claude_answer(number, 1)]))
    with terminal(home, *TOP, "--no-state") as opened:
        opened.until(b"7; press v")
        opened.type(b"!")
        opened.until(b"No notices")
        opened.type(b"q")
        assert opened.end() == 0
    for flags in ((), ("--no-state",)):
        with terminal(home, *TOP, *flags) as opened:
            opened.until(ALTERNATE)
            parent = psutil.Process(opened.process.pid)
            family = [parent]
            while len(family) < 3:  # the tracker of multiprocessing, and a child that reads
                opened.read()
                family = [parent, *parent.children(recursive=True)]
            opened.type(b"q")
            assert opened.end() == 0
            gone, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
            assert not alive
            assert len(gone) == len(family)
