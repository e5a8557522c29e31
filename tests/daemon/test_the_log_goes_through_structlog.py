"""All messages go through structlog to stderr, one line each. No message goes to stdout."""

import json
import logging
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from running import daemon, run
from small_homes import claude_file, claude_turns

import agtop_exporter
from agtop_exporter.logs import log_as_daemon, log_for_people, log_nothing
from agtop_exporter.settings import Settings

pytestmark = pytest.mark.integration

PACKAGE = Path(agtop_exporter.__file__).parent
HALF = '{"half":\n'  # a line that is not JSON


@pytest.fixture(autouse=True)
def unconfigured():
    """Restore the configuration of structlog after a test."""
    yield
    structlog.reset_defaults()


@contextmanager
def no_handlers():
    """Remove the log handlers that pytest has installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.root, "handlers", [])
        yield


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        (
            {},
            [
                "info: begun",
                "warning: cannot read: path=/a b reason='a\\nb\\x1b[2J'",
                "error: late",
            ],
        ),
        ({"log_level": "error"}, ["error: late"]),
    ],
)
def test_a_person_reads_plain_lines(settings, lines, capsys):
    log_for_people(Settings(**settings))
    log = structlog.get_logger()
    log.debug("detail")
    log.info("begun")
    log.warning("cannot read", path="/a b", reason="a\nb\x1b[2J")
    log.error("late")
    assert capsys.readouterr() == ("", "".join(f"agtop-exporter: {line}\n" for line in lines))


def test_a_report_replaces_log_messages(capsys):
    with no_handlers():
        log_nothing()
        structlog.get_logger().error("late")
        logging.getLogger("library").error("late")
    assert capsys.readouterr() == ("", "")


def test_a_library_logs_in_our_form(capsys):
    with no_handlers():
        log_as_daemon(Settings(log_format="json"), timestamps=True)
        logging.getLogger("library").warning("odd %s", "thing")
    entry = json.loads(capsys.readouterr().err)
    assert (entry["level"], entry["msg"]) == ("warning", "odd thing")
    assert "timestamp" in entry


@pytest.mark.parametrize("timestamps", [True, False])
def test_only_one_clock_writes_timestamps(timestamps, capsys):
    log_as_daemon(Settings(), timestamps=timestamps)
    structlog.get_logger().info("begun", path="/a b")
    line = capsys.readouterr().err
    assert line.startswith("timestamp=") is timestamps
    assert line.endswith('level=info msg=begun path="/a b"\n')


@pytest.mark.slow
def test_the_journal_has_its_own_clock(tmp_path):
    with daemon(tmp_path, "--no-state", JOURNAL_STREAM="8:9") as running:
        running.end()
    assert not [line for line in running.log if "timestamp=" in line]


@pytest.mark.long
@pytest.mark.parametrize("arguments", [("--once",), ("--once", "--json")])
def test_a_damaged_file_is_reported_beside_the_output(arguments, tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, [1]) + HALF)
    flags = ("--no-state", "--no-pricing-refresh")
    done = run("agtop-exporter", *arguments, *flags, home=tmp_path)
    assert re.fullmatch(
        r"agtop-exporter: warning: skipped records: agent=claude file=\S+ reason=json\n",
        done.stderr,
    )
    assert "skipped records" not in done.stdout
    report = run("agtop-exporter", "doctor", *flags, home=tmp_path, check=False)
    assert (report.returncode, report.stderr) == (1, "")
    assert run("agtop", "list", *flags, home=tmp_path, AGTOP_LOG_LEVEL="error").stderr == ""


@pytest.mark.slow
def test_only_the_command_line_and_the_log_write_to_the_standard_streams():
    writers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bprint\(|sys\.std(out|err)\b", path.read_text())
    }
    writers.discard("folders/child.py")  # its streams are a socket to the exporter
    assert {name.split("/")[0] for name in writers} <= {"cli", "logs.py", "stderr.py"}


@pytest.mark.parametrize("log_format", ["logfmt", "json"])
def test_a_file_name_cannot_control_the_terminal(log_format, capsys):
    log_as_daemon(Settings(log_format=log_format), timestamps=False)
    structlog.get_logger().warning("x", file="a\x1b[2J\x9b\r\n\u202e\u2028z", count=1)
    (line,) = capsys.readouterr().err.split("\n")[:-1]
    assert line.isprintable()
    assert "x1b[2J" in line
    assert "\\n" in line
