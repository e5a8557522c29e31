"""The newest rate limits of each account are stored, in any order and state of the files."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from agtop_exporter import limit_files
from agtop_exporter.limit_files import LimitFiles, store
from agtop_exporter.model import RateLimit, StatusLine

NOW = 1_790_000_000.0
RESET = NOW + 7200


def line(used, *, resets_at=RESET, now=NOW, account="", window="5h"):
    limit = RateLimit("codex", window, used, now, resets_at, 18_000.0, "statusline", "", account)
    return StatusLine("codex", account, (limit,))


def stored(folder):
    """Return {(account, window): (used ratio, observed at)} of all files."""
    return {
        (limit.account, limit.window): (limit.used_ratio, limit.observed_at)
        for file in LimitFiles([folder]).changed()
        for limit in file.limits
    }


@pytest.mark.parametrize(
    ("used", "resets_at", "kept"),
    [
        (0.6, RESET, 0.6),  # more of the same window
        (0.5, RESET, 0.5),
        (0.4, RESET, 0.5),  # an idle session repeats what it saw before
        (0.4, RESET + 1, 0.5),  # the time is not exact
        (0.01, RESET + 18_000, 0.01),  # the next window
        (0.9, RESET - 18_000 + 60, 0.5),  # an idle session in a window before
        (0.3, None, 0.3),
    ],
)
def test_a_session_that_repeats_old_limits(tmp_path, used, resets_at, kept):
    store(tmp_path, line(0.5), NOW)
    store(tmp_path, line(used, resets_at=resets_at, now=NOW + 60), NOW + 60)
    ((share, observed_at),) = stored(tmp_path).values()
    assert share == kept
    assert observed_at == (NOW if used != kept else NOW + 60)


def test_accounts_and_windows_have_their_own_place(tmp_path):
    for account in ("", "codex-work", "other"):
        for window, used in (("5h", 0.1), ("weekly", 0.2)):
            store(tmp_path, line(used, account=account, window=window), NOW)
    assert len(stored(tmp_path)) == 6
    names = ["codex.codex-work.json", "codex.json", "codex.other.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_an_account_with_a_dot_in_its_name(tmp_path):
    store(tmp_path, line(0.1, account="codex.old"), NOW)
    assert list(stored(tmp_path)) == [("codex.old", "5h")]


def test_files_are_private(tmp_path):
    folder = tmp_path / "state" / "limits"
    store(folder, line(0.5), NOW)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {0o600}
    assert {stat.S_IMODE(one.stat().st_mode) for one in (folder, folder.parent)} == {0o700}


def test_an_ended_window_is_removed(tmp_path):
    store(tmp_path, line(0.5, window="weekly", resets_at=NOW + 10), NOW)
    store(tmp_path, line(0.1), NOW + 20)
    assert list(stored(tmp_path)) == [("", "5h")]


def test_a_status_line_without_limits_writes_nothing(tmp_path):
    store(tmp_path / "limits", StatusLine("codex", ""), NOW)
    assert not (tmp_path / "limits").exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", limit_files.INVALID),
        (b"{", limit_files.INVALID),
        (b"[]", limit_files.INVALID),
        (b"\xff\xfe", limit_files.INVALID),
        (b"[" * 60_000, limit_files.INVALID),
        (b'{"version":1,"limits":[{"window":5}]}', limit_files.INVALID),
        (b'{"version":2,"limits":{"another":"shape"}}', limit_files.NEWER),
    ],
)
def test_a_file_that_cannot_be_used_is_reported_and_replaced(tmp_path, content, problem):
    (tmp_path / "codex.json").write_bytes(content)
    (file,) = LimitFiles([tmp_path]).changed()
    assert (file.limits, file.problem) == ((), problem)
    store(tmp_path, line(0.5), NOW)
    assert stored(tmp_path) == {("", "5h"): (0.5, NOW)}


def test_a_clock_that_was_ahead_hides_nothing(tmp_path):
    store(tmp_path, line(0.9, now=NOW + 1e6, resets_at=NOW + 1e6), NOW + 1e6)
    store(tmp_path, line(0.1), NOW)
    assert stored(tmp_path) == {("", "5h"): (0.1, NOW)}


@pytest.mark.parametrize("change", [{"used_ratio": -1}, {"observed_at": 1e300}])
def test_impossible_numbers_are_left_out(tmp_path, change):
    store(tmp_path, line(0.5), NOW)
    path = tmp_path / "codex.json"
    document = json.loads(path.read_bytes())
    document["limits"][0] |= change
    path.write_text(json.dumps(document))
    assert stored(tmp_path) == {}


def test_only_changed_files_are_read_again(tmp_path):
    files = LimitFiles([tmp_path, tmp_path / "missing"])
    assert files.changed() == []
    store(tmp_path, line(0.5), NOW)
    assert len(files.changed()) == 1
    assert files.changed() == []
    store(tmp_path, line(0.6), NOW + 1)
    assert [file.limits[0].used_ratio for file in files.changed()] == [0.6]
    (tmp_path / "codex.json").unlink()
    assert files.changed() == []


@pytest.mark.slow
def test_concurrent_commands_leave_a_complete_file(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(store, tmp_path, line(n / 100), NOW) for n in range(100)]
        while not all(writer.done() for writer in writers):
            assert {file.problem for file in LimitFiles([tmp_path]).changed()} <= {""}
    assert [writer.exception() for writer in writers if writer.exception()] == []
    assert [path.name for path in tmp_path.iterdir()] == ["codex.json"]
    assert 0 < stored(tmp_path)["", "5h"][0] < 1


def test_drafts_of_killed_commands_are_removed(tmp_path):
    old, young = tmp_path / "codex.json.1.draft", tmp_path / "codex.json.2.draft"
    for draft, age in ((old, 3600), (young, 0)):
        draft.write_text("")
        os.utime(draft, (NOW - age, NOW - age))
    store(tmp_path, line(0.5), NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codex.json", young.name]


def test_a_failed_write_keeps_the_file_and_no_draft(tmp_path, monkeypatch):
    store(tmp_path, line(0.5), NOW)
    monkeypatch.setattr(limit_files.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28)))
    with pytest.raises(OSError, match="28"):
        store(tmp_path, line(0.6), NOW + 1)
    assert stored(tmp_path) == {("", "5h"): (0.5, NOW)}
    assert [path.name for path in tmp_path.iterdir()] == ["codex.json"]
