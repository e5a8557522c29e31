"""No change of a transcript removes counted usage or counts it twice."""

import os
import shutil
from pathlib import Path

import msgspec
import pytest
from driving import DATABASES, is_changed, refresh, sessions, totals, transcripts, used

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger

AGENTS = load_agents()
every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def delete(path):
    path.unlink()


def rename(path):
    path.rename(path.with_name(path.name + "-moved" + path.suffix))


def archive(path):
    path.rename(path.with_name("another-name" + path.suffix))


def replace_with_a_copy(path):
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    copy.replace(path)


def replace_with_a_part(path):
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 3])


def write_backwards(path):
    """Overwrite a file with its lines in reverse order."""
    lines = path.read_bytes().splitlines(keepends=True)
    if lines and lines[-1].endswith(b"\n"):
        path.write_bytes(b"".join(reversed(lines)))


def drop_the_first_lines(path):
    """Overwrite a file with its later half, as a compaction does."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[len(lines) // 2 :]))


ACCIDENTS = (truncate, empty, delete, rename, archive, replace_with_a_copy, replace_with_a_part)
REWRITINGS = (write_backwards, drop_the_first_lines)
by_name = {"ids": lambda accident: accident.__name__}


def writable(home, agent):
    return [Path(path) for _, path in transcripts(home, [agent])]


def touch_on(paths):
    """Give every file a later modification time, so that a rewritten file is noticed."""
    for path in paths:
        if path.exists():
            status = path.stat()
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))


@pytest.mark.long
@every_agent
@pytest.mark.parametrize("accident", ACCIDENTS, **by_name)
def test_accidents(agent, home, accident):
    ledger = Ledger()
    refresh(ledger, home, [agent])
    before = used(ledger)
    assert before
    paths = writable(home, agent)
    for path in paths:
        if accident not in (truncate, replace_with_a_part) or path.suffix not in DATABASES:
            accident(path)
    touch_on(paths)
    refresh(ledger, home, [agent])
    assert used(ledger) == before


@pytest.mark.slow
@every_agent
@pytest.mark.parametrize("rewriting", REWRITINGS, **by_name)
def test_rewritings(agent, home, rewriting):
    """A response that lost its context may count twice. The total is never smaller."""
    ledger = Ledger()
    refresh(ledger, home, [agent])
    before = dict(ledger.totals)
    paths = [path for path in writable(home, agent) if path.suffix == ".jsonl"]
    for path in paths:
        rewriting(path)
    touch_on(paths)
    refresh(ledger, home, [agent])
    fallen = {series for series, value in before.items() if ledger.totals[series] < value}
    assert not fallen


@pytest.mark.slow
@every_agent
def test_truncated_and_grown_again(agent, home):
    """A file that is truncated and then written again to its old length adds nothing."""
    ledger = Ledger()
    refresh(ledger, home, [agent])
    before = used(ledger)
    for path in writable(home, agent):
        if path.suffix in DATABASES:
            continue
        data = path.read_bytes()
        for part in (data[: len(data) // 2], data[: len(data) // 3], data):
            path.write_bytes(part)
            touch_on([path])
            refresh(ledger, home, [agent])
    assert used(ledger) == before


@pytest.mark.slow
@every_agent
def test_nothing_new(agent, home):
    """Reading known records again changes nothing, even if every file looks changed."""
    ledger = Ledger()
    refresh(ledger, home, [agent])
    before, sessions_before = totals(ledger), sessions(ledger)
    for _ in range(2):
        refresh(ledger, home, [agent])
    assert (totals(ledger), sessions(ledger)) == (before, sessions_before)
    for path in list(ledger.cursors[agent.name]):
        ledger.forget_cursor(agent.name, path)
    refresh(ledger, home, [agent])
    assert used(ledger) == {series: before[series] for series in used(ledger)}
    assert sessions(ledger) == sessions_before


@pytest.mark.slow
@every_agent
def test_a_read_file_is_unchanged(agent, home):
    """The helper of these tests reads only changed files; here no file has changed."""
    ledger = Ledger()
    refresh(ledger, home, [agent])
    for root in agent.roots(home, {}):
        for entry in agent.files(root):
            assert not is_changed(entry, ledger.cursor(agent.name, entry.path))


GARBAGE = {
    "broken JSON": b'{"type":"assistant","message":{"usage":{"input_tokens":',
    "NULs": b"\0" * 100,
    "not UTF-8": b"\xff\xfe\xfa",
    "no object": b'["assistant",{"input_tokens":1}]',
    "a word": b"true",
    "deep nesting": b'{"message":' + b"[" * 50_000,
    "deep and closed": b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "a huge number": b'{"x":' + b"9" * 6_000 + b',"type":}',
}


@pytest.mark.long
@every_agent
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_costs_only_itself(agent, home, garbage):
    once = Ledger()
    refresh(once, home, [agent])
    inserted = 0
    for path in writable(home, agent):
        if path.suffix != ".jsonl":
            continue
        lines = path.read_bytes().splitlines(keepends=True)
        for place in sorted({0, len(lines) // 2, max(0, len(lines) - 1)}, reverse=True):
            lines.insert(place, garbage + b"\n")
            inserted += 1
        path.write_bytes(b"".join(lines))
    ledger = Ledger()
    refresh(ledger, home, [agent])
    assert used(ledger) == used(once)
    assert sessions(ledger) == sessions(once)
    counted = errors(ledger) - errors(once)
    assert counted == inserted or (counted == 0 and is_record(garbage))


def is_record(line):
    """Return whether the line is a JSON object. Python 3.14 accepts deeper nesting than 3.11."""
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def errors(ledger):
    return sum(value for series, value in ledger.totals.items() if series[0] == "parse_errors")
