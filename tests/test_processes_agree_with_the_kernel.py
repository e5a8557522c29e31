"""Seconds and bytes are the kernel's, to the tick and to the byte."""

import os
import sys

import psutil
import pytest
from processes.builders import SIGNATURES
from processes.running import Running, clock, disk_bytes, stat_fields

from agtop_exporter.model import SessionKey
from agtop_exporter.processes.facts import Binding, Matches, ProcessId
from agtop_exporter.processes.portable import PsutilReader
from agtop_exporter.processes.procfs import ProcfsReader
from agtop_exporter.processes.source import system_processes, users_of
from agtop_exporter.processes.usage import TreeUsage, advance

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
TICK = os.sysconf("SC_CLK_TCK")

# Works, writes, waits for a child that does the same, then keeps a second child.
TREE = """
import os, subprocess, sys
work = '''
import os, sys
with open(sys.argv[1], "wb") as file:
    file.write(b"x" * 300_000); file.flush(); os.fsync(file.fileno())
while sum(os.times()[:2]) < 0.08: pass
print("ready", flush=True)
if len(sys.argv) > 2: sys.stdin.read()
'''
subprocess.run([PYTHON, "-c", work, "one"], stdout=subprocess.PIPE, check=True)
kept = subprocess.Popen([PYTHON, "-c", work, "two", "stay"],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
kept.stdout.readline()
while sum(os.times()[:2]) < 0.05: pass
print(kept.pid, flush=True)
sys.stdin.readline()
kept.terminate(); kept.wait()
print("waited", flush=True)
sys.stdin.read()
""".replace("PYTHON", repr(sys.executable))  # not sys.executable there: that is named claude


@pytest.fixture
def running(tmp_path):
    with Running(tmp_path) as started:
        yield started


def matches_for(pid):
    item = ProcessId(pid, int(stat_fields(pid)[19]))
    key = SessionKey("claude", "s")
    return key, Matches(bindings={key: Binding(key, item, 0.0, "high", ())}, leaves={item: item})


def ticks(pid):
    fields = stat_fields(pid)
    return sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))


def test_a_trees_seconds_and_bytes(running):
    claude = running.start(running.program("claude"), code=TREE)
    child = int(claude.word)
    source = system_processes(signatures=SIGNATURES, uids=users_of(()))
    key, matches = matches_for(claude.pid)
    turn = advance(TreeUsage(), source.sample(clock()), matches=matches)
    usage = turn.sessions[key]
    own, waited = ticks(claude.pid)
    expected = own + waited + sum(ticks(child))
    assert usage.cpu_seconds == expected / TICK
    assert expected >= 0.2 * TICK  # all three have worked
    disk = [disk_bytes(pid) for pid in (claude.pid, child)]
    assert (usage.disk_read_bytes, usage.disk_written_bytes) == tuple(
        map(sum, zip(*disk, strict=True))
    )
    assert usage.disk_written_bytes >= 600_000  # the child that has ended wrote half of it
    assert usage.processes == 2

    claude.stdin.write("go\n")
    claude.stdin.flush()
    assert claude.stdout.readline() == "waited\n"
    turn = advance(turn.state, source.sample(clock()), matches=matches)
    usage = turn.sessions[key]
    own, waited = ticks(claude.pid)
    assert usage.cpu_seconds == (own + waited) / TICK
    assert (usage.disk_read_bytes, usage.disk_written_bytes) == disk_bytes(claude.pid)
    assert usage.processes == 1


def test_p8_open_files_are_listed_and_unknown_pids_have_none(tmp_path):
    with (tmp_path / "held.jsonl").open("w"):
        assert str(tmp_path / "held.jsonl") in ProcfsReader().open_files(os.getpid())
        assert str(tmp_path / "held.jsonl") in PsutilReader().open_files(os.getpid())
    assert ProcfsReader().open_files(2**22 + 1) == ()
    assert ProcfsReader().sample(2**22 + 1) is None
    assert ProcfsReader().look(2**22 + 1) is None
    assert PsutilReader().look(2**22 + 1) is None


def test_both_readers_say_the_same(running):
    idle = running.start(running.program("claude"), code="print(1, flush=True); input()")
    linux, portable = ProcfsReader(), PsutilReader()
    one, two = linux.look(idle.pid), portable.look(idle.pid)
    assert (one.comm, one.exe, one.argv, one.uid, one.parent_pid) == (
        two.comm,
        two.exe,
        two.argv,
        two.uid,
        two.parent_pid,
    )
    assert abs(one.started_at - two.started_at) <= 1
    assert linux.cwd(idle.pid) == portable.cwd(idle.pid) == str(running.folder)
    first, second = linux.sample(idle.pid, full=True), portable.sample(idle.pid, full=True)
    for figure in ("cpu_seconds", "rss_bytes", "vms_bytes", "read_bytes", "written_bytes"):
        assert getattr(first, figure) == getattr(second, figure)
    assert {idle.pid, os.getpid()} <= set(linux.pids()) <= {*portable.pids(), *linux.pids()}


def test_a_process_that_ends_while_psutil_is_asked_is_no_error(monkeypatch):
    def ended(process):
        raise psutil.NoSuchProcess(process.pid)

    monkeypatch.setattr(psutil.Process, "create_time", ended)
    assert PsutilReader().look(os.getpid()) is None
    assert PsutilReader().sample(os.getpid()) is None


def test_the_portable_source_finds_agents_too(running):
    idle = running.start(running.program("claude"), code="print(1, flush=True); input()")
    table = system_processes(signatures=SIGNATURES, uids=users_of(()), platform="darwin").sample(
        clock()
    )
    assert idle.pid in {item.pid for item in table.roots}
