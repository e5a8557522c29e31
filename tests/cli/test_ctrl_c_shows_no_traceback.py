"""Ctrl-C ends a program without a traceback, also while it imports its modules."""

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from running import environment

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
STARTED = "import signal, agtop_exporter.__main__\nprint(signal.getsignal(signal.SIGINT).name)"
IMPORTED = "import signal, agtop_exporter.cli\nprint(signal.getsignal(signal.SIGINT).__name__)"
RUN = """
import signal
from agtop_exporter.cli import catalogue
catalogue.run = lambda _options: print(signal.getsignal(signal.SIGINT).__name__)
from agtop_exporter.__main__ import exporter
exporter(["catalogue"])
"""


def output(code, before=signal.default_int_handler):
    """Run Python code in a process in which SIGINT has the usual or another handler."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment("/nonexistent"),
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, before),
    ).stdout.strip()


def test_the_system_ends_the_process_during_imports():
    assert output(STARTED) == "SIG_DFL"


def test_an_ignored_signal_stays_ignored():
    assert output(STARTED, signal.SIG_IGN) == "SIG_IGN"


def test_python_handles_it_when_the_command_runs():
    assert output(RUN) == "default_int_handler"


def test_another_program_that_imports_the_package_keeps_its_handler():
    assert output(IMPORTED) == "default_int_handler"


def test_the_programs_start_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {
        "agtop-exporter": "agtop_exporter.__main__:exporter",
        "agtop": "agtop_exporter.__main__:agtop",
    }
