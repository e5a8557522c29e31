"""Runs a console script in a pseudo terminal, as a shell does. POSIX systems only."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from programs import find_program
from running import PATIENCE_SECONDS, SCRIPTS, environment

FRAME = re.compile(r"\x1b\[H(.+?)\x1b\[J", re.DOTALL)
CLEAR_LINE = "\x1b[K"


class PseudoTerminal:
    """A terminal with a program in it. Use it as a context manager."""

    def __init__(self, program, *arguments, home, columns=80, lines=24, **variables):
        self._master, self._slave = pty.openpty()
        self.resize(columns, lines)
        self.modes_before = self.modes()
        self.output = ""
        self.process = subprocess.Popen(
            [find_program("setsid"), "--ctty", SCRIPTS / program, *map(str, arguments)],
            env=environment(home, **{"TERM": "xterm-256color", **variables}),
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    def modes(self):
        """Return the modes of the terminal."""
        return termios.tcgetattr(self._slave)

    def resize(self, columns, lines):
        """Set the size of the terminal in characters."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys):
        """Send keys to the program, or a signal if the key is that of one."""
        os.write(self._master, keys.encode())

    def until(self, condition):
        """Read until a condition of the output holds, and return what it returned."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := condition(self.output)):
            assert time.monotonic() < deadline, self.output
            self._read(0.1)
        return found

    def frame(self, holds=lambda _lines: True):
        """Return the lines of the first complete frame, from now on, that fulfils a condition."""
        self.output = ""

        def complete(output):
            pages = (text.replace(CLEAR_LINE, "").split("\r\n") for text in FRAME.findall(output))
            return next(filter(holds, pages), None)

        return self.until(complete)

    def end(self):
        """Return the exit status of the program, with all output read."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.output
            self._read(0.1)
        while self._read(0):
            pass
        return self.process.returncode

    def stop(self):
        """Wait until the program is suspended."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def send(self, number):
        """Send a signal to the program only."""
        self.process.send_signal(signal.Signals(number))

    def _read(self, seconds):
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        self.output += os.read(self._master, 100_000).decode(errors="replace")
        return True
