"""A mistake in the arguments of a backfill is one line, and nothing is written."""

from contextlib import closing

import pytest
from driving import price, project
from events import NOON, batch, response
from running import run, run_unprivileged

from agtop_exporter.cli.arguments import UsageError, parse
from agtop_exporter.cli.commands import EXPORTER
from agtop_exporter.ledger import Ledger
from agtop_exporter.logs import on_one_line

LABELS = ("--label", "job=agtop", "--label", "instance=here")


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """Write a ledger with one response; return the arguments that name it."""
    monkeypatch.chdir(tmp_path)
    with closing(Ledger(tmp_path / "state")) as ledger:
        ledger.record(batch(response("k1", time=NOON)), price=price, project=project)
        ledger.commit()
    return ("backfill", "--state-dir", str(tmp_path / "state"), *LABELS)


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--step", "7", "expected a number of seconds from 15 that divides an hour"),
        ("--step", "1", "such as 60, got '1'"),
        ("--step", "٣٠٠", "got '٣٠٠'"),
        ("--label", "job", "expected NAME=VALUE such as job=agtop, got 'job'"),
        ("--label", "job=", "got 'job='"),
        ("--label", "__name__=a", "got '__name__=a'"),
        ("--label", "a-b=c", "got 'a-b=c'"),
        ("--since", "yesterday", "expected a day such as 2026-03-01"),
    ],
)
def test_a_value_that_cannot_be_used(option, value, words):
    with pytest.raises(UsageError) as error:
        parse(EXPORTER, ["backfill", "--output", "x", option, value])
    assert words in str(error.value)
    assert on_one_line(error.value) == str(error.value)


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "backfill needs --output DIR or --victoriametrics URL"),
        (("--output", "new", "--label", "agent=a"), 2, "--label agent: the series have this label"),
        (("--output", "new", "--label", "job=b"), 2, "--label job: the series have this label"),
        (("--output", "new", "--until", "2026-03-01"), 1, "nothing to write: the earliest usage"),
        (("--output", "new", "--since", "2100-01-01"), 1, "--since is after the end"),
        (("--output", "new", "--state-dir", "none"), 1, "the ledger has no usage"),
        (("--output", "state"), 1, "state is not empty: name a new directory with --output"),
        (("--output", "state/ledger.db"), 1, "cannot use"),
        (("--victoriametrics", "localhost:8428"), 1, "--victoriametrics needs a URL such as"),
        (("--victoriametrics", "http://[::1"), 1, "--victoriametrics needs a URL such as"),
    ],
)
def test_a_mistake_is_one_line(counted, tmp_path, arguments, code, words):
    before = files_in(tmp_path)
    done = run("agtop-exporter", *counted, *arguments, home=tmp_path, check=False)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert files_in(tmp_path) == before


@pytest.mark.long
@pytest.mark.integration
def test_a_directory_that_cannot_be_written_is_named(counted, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    words = (*counted, "--output", str(closed / "new"))
    done = run_unprivileged("agtop-exporter", *words, home=tmp_path)
    assert done.returncode == 1
    assert f"cannot use {closed / 'new'}: Permission denied" in done.stderr


@pytest.mark.slow
@pytest.mark.integration
def test_missing_labels_are_a_warning(counted, tmp_path):
    words = [word for word in counted if word not in LABELS]
    done = run("agtop-exporter", *words, "--output", tmp_path / "new", home=tmp_path)
    assert "labels=instance,job" in done.stderr
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
    assert modes == {0o600}
