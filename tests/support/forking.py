"""Runs console scripts in forks of a process that has imported the program.

A fork is a real process with its own environment, directory and output. It saves the second of CPU
time that the imports take.
"""

import multiprocessing
import os
import re
import signal
import sys
import time
from multiprocessing.reduction import DupFd
from pathlib import Path

import agtop_exporter

NOT_PRELOADED = ("agtop_exporter.__main__", "agtop_exporter.top")
NEEDS_A_START = re.compile("PYTHON|LANG|LC_").match  # variables that act when Python starts


def _start_method():
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return None
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload([*_modules(), "genai_prices.data"])
    return forks


def _modules():
    """Return the names of all modules of the program, except those of the interactive view."""
    package = Path(agtop_exporter.__file__).parent
    paths = (path.relative_to(package.parent) for path in sorted(package.rglob("*.py")))
    names = (".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths)
    return [name for name in names if not name.startswith(NOT_PRELOADED)]


FORKS = _start_method()


def can_fork(variables):
    """Return whether a script with these additional variables may run in a fork."""
    return FORKS is not None and not any(map(NEEDS_A_START, variables))


class Fork:
    """A console script in a fork, with those members of `subprocess.Popen` that tests use.

    `stdout` and `stderr` are open files, or None for those of this process.
    """

    def __init__(self, words, variables, *, stdout=None, stderr=None, stderr_pipe=False):
        self.stderr = None
        if stderr_pipe:
            reading, writing = os.pipe()
            self.stderr = open(reading, encoding="utf-8")  # noqa: PTH123, SIM115 - a descriptor
            stderr = open(writing, "wb")  # noqa: PTH123, SIM115 - as above
        outputs = {
            number: _Inherited(file.fileno())
            for number, file in ((1, stdout), (2, stderr))
            if file is not None
        }
        self._process = FORKS.Process(
            target=_be_script, args=(words, variables, Path.cwd(), outputs), daemon=True
        )
        self._process.start()
        if stderr_pipe:
            stderr.close()
        self.pid = self._process.pid

    @property
    def returncode(self):
        """The exit status, or None while the script runs."""
        return self._process.exitcode

    def poll(self):
        """Return the exit status, or None while the script runs."""
        return self._process.exitcode

    def wait(self, timeout=None):
        """Wait for the end, at most `timeout` seconds. Return the exit status."""
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutError(f"the process still runs after {timeout} seconds")
        return self.returncode

    def send_signal(self, number):
        """Send a signal if the script still runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self):
        """Kill the script if it still runs."""
        self.send_signal(signal.SIGKILL)


class _Inherited:
    """The number of an open file. The fork gets a duplicate, and its number."""

    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        return _detach, (DupFd(self.number),)


def _detach(duplicate):
    return duplicate.detach()


def _be_script(words, variables, directory, outputs):
    for number, output in outputs.items():
        os.dup2(output, number)
        os.close(output)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update({name: str(value) for name, value in variables.items()})
    time.tzset()
    sys.argv = words
    from agtop_exporter import cli  # noqa: PLC0415 - only the fork runs it

    {"agtop": cli.agtop, "agtop-exporter": cli.exporter}[Path(words[0]).name]()
