"""node_exporter finds a complete, readable and valid page at any time."""

import os
import re
import stat
import subprocess

import pytest
from logged import logged_to
from programs import find_program
from running import daemon, run, samples_of, total
from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns
from snapshots import NOW, make_snapshot

from agtop_exporter import textfile
from agtop_exporter.model import AgtopError
from agtop_exporter.textfile import TextfileWriter

pytestmark = pytest.mark.integration


def snapshot(seconds, tokens):
    totals = {("tokens", "claude", model, "input"): count for model, count in tokens.items()}
    return make_snapshot(generated_at=NOW + seconds, totals=totals)


def tokens_in(path):
    return {
        dict(labels)["model"]: value
        for (name, labels), value in samples_of(path.read_text()).items()
        if name == "agtop_tokens_total"
    }


@pytest.mark.slow
def test_once_writes_a_file_that_others_may_read(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, range(3)))
    path = tmp_path / "agtop.prom"
    arguments = ("agtop-exporter", "--once", "--no-state", "--no-pricing-refresh")
    done = run(*arguments, "--textfile", path, home=tmp_path)
    assert done.stdout == ""
    assert total(samples_of(path.read_text()), "agtop_tokens_total") == 3 * TOKENS_OF_A_TURN
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert sorted(tmp_path.glob(".agtop*")) == []
    assert path.read_text() == path.read_text().strip() + "\n"


@pytest.mark.slow
def test_there_is_nothing_that_node_exporter_refuses(tmp_path):
    path = tmp_path / "agtop.prom"
    claude_file(tmp_path).write_text(claude_turns(1, range(3)))
    with daemon(tmp_path, "--no-state", "--textfile", path) as running:
        running.until(lambda samples: total(samples, "agtop_tokens_total") > 0 and path.exists())
    page = path.read_text()
    assert not re.search(r"^(# \w+ )?process_", page, re.MULTILINE)
    for line in page.splitlines():
        assert line.startswith("#") or re.fullmatch(r"agtop_\w+(\{.*\})? \S+", line), line


@pytest.mark.slow
def test_promtool_accepts_it(tmp_path):
    path = tmp_path / "agtop.prom"
    TextfileWriter(path, interval_seconds=60).publish(make_snapshot())
    with path.open("rb") as page:
        command = [find_program("promtool"), "check", "metrics"]
        done = subprocess.run(command, stdin=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_a_file_is_replaced_and_never_cut(tmp_path):
    path = tmp_path / "agtop.prom"
    textfile.write(path, b"old\n" * 1000)
    with path.open("rb") as reader:
        textfile.write(path, b"new\n")
        assert reader.read() == b"old\n" * 1000
    assert path.read_bytes() == b"new\n"


def test_a_failed_write_leaves_the_old_page_and_no_draft(tmp_path, monkeypatch):
    path = tmp_path / "agtop.prom"
    textfile.write(path, b"old\n")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(AgtopError, match="No space left"):
        textfile.write(path, b"new\n")
    assert [each.name for each in tmp_path.iterdir()] == ["agtop.prom"]
    assert path.read_bytes() == b"old\n"


@pytest.mark.slow
def test_an_invalid_textfile_is_reported(tmp_path):
    done = run(
        *("agtop-exporter", "--once", "--textfile", tmp_path / "agtop.txt"),
        home=tmp_path,
        check=False,
    )
    assert (done.returncode, ".prom" in done.stderr) == (2, True)
    missing = tmp_path / "nowhere" / "agtop.prom"
    done = run(
        *("agtop-exporter", "--once", "--no-state", "--no-pricing-refresh"),
        *("--textfile", missing),
        home=tmp_path,
        check=False,
    )
    assert done.returncode == 1
    assert f"cannot write {missing}: No such file or directory" in done.stderr


@pytest.mark.slow
def test_a_page_stays_readable_and_new_series_start_at_zero(tmp_path):
    path = tmp_path / "agtop.prom"
    writer = TextfileWriter(path, interval_seconds=60)
    seen = []
    for seconds, tokens in [
        (0, {"a": 5}),
        (30, {"a": 6, "b": 70}),
        (60, {"a": 7, "b": 80}),
        (119, {"a": 8, "b": 90}),
        (120, {"a": 8, "b": 90}),
        (-4_000, {"a": 9, "b": 90}),  # the clock was set
    ]:
        writer.publish(snapshot(seconds, tokens))
        seen.append(tokens_in(path))
    assert seen == [
        {"a": 5},
        {"a": 5},
        {"a": 7, "b": 0},
        {"a": 7, "b": 0},
        {"a": 8, "b": 90},
        {"a": 9, "b": 90},
    ]


def test_a_daemon_that_cannot_write_continues_and_logs_it_once(tmp_path):
    told = []
    directory = tmp_path / "later"
    writer = TextfileWriter(directory / "agtop.prom", interval_seconds=60)
    with logged_to(told):
        for seconds in range(5):
            writer.publish(snapshot(seconds, {"a": 1}))
        directory.mkdir()
        writer.publish(snapshot(6, {"a": 2}))
    assert tokens_in(directory / "agtop.prom") == {"a": 2}
    assert [level for level, _, _ in told] == ["error", "info"]


@pytest.mark.slow
def test_files_of_two_users_have_no_series_in_common(tmp_path):
    """node_exporter rejects a series that two files have."""
    series = []
    for user in ("ada", 'b"ob'):
        path = tmp_path / f"{len(user)}.prom"
        flags = ("--once", "--no-state", "--no-pricing-refresh", "--textfile", path)
        run("agtop-exporter", *flags, "--textfile-label", f"user={user}", home=tmp_path)
        found = samples_of(path.read_text())
        assert {dict(labels)["user"] for _, labels in found} == {user}
        series.append(set(found))
    assert not series[0] & series[1]
