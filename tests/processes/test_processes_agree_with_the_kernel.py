"""CPU seconds and bytes equal the kernel's figures exactly."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from processes.builders import SIGNATURES
from processes.proc_tree import TICK, add_process, make_proc
from processes.running import clock, disk_bytes, stat_fields

from agtop_exporter.model import SessionKey
from agtop_exporter.processes.facts import Binding, Matches, ProcessId
from agtop_exporter.processes.procfs import Procfs
from agtop_exporter.processes.reader import ProcessReader
from agtop_exporter.processes.source import ProcessTracker, system_processes, users_of
from agtop_exporter.processes.usage import TreeUsage, advance

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

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


def matches_for(pid):
    item = ProcessId(pid, int(stat_fields(pid)[19]))
    key = SessionKey("claude", "s")
    return key, Matches(bindings={key: Binding(key, item, 0.0, "high", ())}, leaves={item: item})


def ticks(pid):
    fields = stat_fields(pid)
    return sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))


@pytest.mark.slow
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


@pytest.mark.parametrize("linux", [True, False])
def test_p8_files_open_for_writing_are_listed_and_unknown_pids_have_none(tmp_path, linux):
    reader = ProcessReader(linux=linux)
    read, written, appended = (tmp_path / name for name in ("r.jsonl", "w.jsonl", "a.jsonl"))
    read.touch()
    with read.open(), written.open("w"), appended.open("a+"):
        found = reader.written_files(os.getpid())
    assert {str(written), str(appended)} <= set(found)
    assert str(read) not in found
    unknown = 2**22 + 1
    assert reader.written_files(unknown) == ()
    assert reader.sample(unknown) is None
    assert reader.look(unknown) is None
    assert reader.cwd(unknown) == ""


@pytest.mark.slow
def test_psutil_alone_shows_the_same(running):
    idle = running.start(running.program("claude"), code="print(1, flush=True); input()")
    linux, portable = ProcessReader(), ProcessReader(linux=False)
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


@pytest.mark.parametrize("linux", [True, False])
@pytest.mark.parametrize("question", ["name", "status", "cpu_times", "memory_info", "io_counters"])
def test_a_process_that_ends_while_psutil_reads_it_causes_no_error(monkeypatch, question, linux):
    def ended(process):
        raise psutil.NoSuchProcess(process.pid)

    ended.cache_activate = ended.cache_deactivate = lambda _process: None  # as psutil's have
    reader = ProcessReader(linux=linux)
    assert reader.look(os.getpid()).zombie is False
    monkeypatch.setattr(psutil.Process, question, ended)
    assert reader.sample(os.getpid(), full=True) is None


@pytest.mark.parametrize("linux", [True, False])
def test_a_zombie_is_shown_until_its_parent_has_waited(linux):
    reader = ProcessReader(linux=linux)
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    child.stdout.read()  # ends when the child has closed it
    while not reader.look(child.pid).zombie:
        pass
    sample = reader.sample(child.pid, full=True)
    assert (sample.zombie, sample.denied) == (True, False)
    assert sample.parent_pid == os.getpid()
    child.stdout.close()
    child.wait()
    assert reader.sample(child.pid) is None
    assert reader.look(child.pid) is None


@pytest.mark.parametrize("linux", [True, False])
def test_the_clock_changes_no_identity(tmp_path, linux):
    proc = make_proc(tmp_path, 1_800_000_000)
    add_process(proc, 42, "claude", start=100, argv=("claude",))
    reader = ProcessReader(str(proc), linux=linux)
    before = reader.look(42)
    stat = proc / "stat"
    stat.write_text(stat.read_text().replace("1800000000", "1800003600"))  # the clock was set
    assert reader.sample(42).id == before.id
    assert ProcessReader(str(proc)).sample(42).id == ProcessId(42, 100 * TICK)


def test_start_times_follow_the_clock(tmp_path):
    """The clock is adjusted after the start of the exporter."""
    proc = make_proc(tmp_path, 1_800_000_000)
    add_process(proc, 42, "claude", start=100, argv=("claude",))
    source = system_processes(str(proc), signatures=SIGNATURES, uids=users_of(()))
    first = source.sample(1_800_000_500.0)
    stat = proc / "stat"
    stat.write_text(stat.read_text().replace("btime 1800000000", "btime 1800003600"))
    add_process(proc, 43, "codex", start=200, argv=("codex",))
    second = source.sample(1_800_004_100.0)
    assert [item.started_at for item in first.processes.values()] == [1_800_000_100]
    starts = {item.id.pid: item.started_at for item in second.processes.values()}
    assert starts == {42: 1_800_003_700, 43: 1_800_003_800}
    assert second.boot_id == first.boot_id


def test_the_uptime_of_a_container_changes_no_start(monkeypatch):
    """With lxcfs, /proc/uptime shows the age of the container, and starts were in the future."""
    whole = Procfs("/proc")
    boot = whole.boot_time()
    monkeypatch.setattr(whole, "_read", lambda _path, **_limit: b"60.00 60.00\n")
    assert whole.boot_time() == pytest.approx(boot, abs=1)
    booted = next(line for line in Path("/proc/stat").read_text().split("\n") if "btime" in line)
    assert boot == pytest.approx(int(booted.split()[1]), abs=1.5)


@pytest.mark.slow
def test_a_start_is_exact_where_the_uptime_is_known(running):
    before = clock()
    idle = running.start(running.program("claude"), code="print(1, flush=True); input()")
    source = system_processes(str(running.proc), signatures=SIGNATURES, uids=users_of(()))
    found = {item.id.pid: item.started_at for item in source.sample(clock()).processes.values()}
    assert before - 0.1 <= found[idle.pid] <= clock() + 0.1


@pytest.mark.slow
def test_bytes_deleted_before_they_reached_the_disk_are_not_written(running):
    """An earlier version showed five times the bytes that were written to the disk."""
    code = """import os, sys
for n in range(20):
    with open("short", "wb") as file:
        file.write(b"x" * 100_000)
    os.remove("short")
print(1, flush=True); sys.stdin.read()"""
    claude = running.start(running.program("claude"), code=code)
    source = system_processes(signatures=SIGNATURES, uids=users_of(()))
    (sample,) = (s for s in source.sample(clock()).samples.values() if s.id.pid == claude.pid)
    assert sample.written_bytes == max(0, disk_bytes(claude.pid)[1])
    assert sample.written_bytes < 1_000_000
    assert sample.written_characters >= 2_000_000


def test_a_pid_that_was_reused_is_another_process(tmp_path):
    proc = make_proc(tmp_path, 1_800_000_000)
    add_process(proc, 42, "claude", start=100, argv=("claude",))
    reader = ProcessReader(str(proc))
    first = reader.look(42)
    shutil.rmtree(proc / "42")
    add_process(proc, 42, "claude", start=200, argv=("claude",))
    assert reader.sample(42) is None
    assert reader.look(42).id != first.id
    assert reader.sample(42).id == ProcessId(42, 200 * TICK)


@pytest.mark.slow
def test_psutil_alone_finds_agents_too(running):
    idle = running.start(running.program("claude"), code="print(1, flush=True); input()")
    source = ProcessTracker(ProcessReader(linux=False), signatures=SIGNATURES, uids=users_of(()))
    assert idle.pid in {item.pid for item in source.sample(clock()).roots}
