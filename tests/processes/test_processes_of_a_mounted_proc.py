"""With AGTOP_PROCFS, a container reads its host's processes from another path than /proc."""

import os
import shutil
import sys

import psutil
import pytest
from processes.builders import SIGNATURES, U1, U2, U3
from processes.proc_tree import IO, PAGE, TICK, add_process, make_proc, open_file

from agtop_exporter import platforms
from agtop_exporter.processes.facts import ProcessId
from agtop_exporter.processes.reader import ProcessReader
from agtop_exporter.processes.source import system_processes, users_of

BOOTED = 1_800_000_000
NOW = BOOTED + 5000.0
OWN = frozenset({platforms.user_id()})

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="such files are those of Linux")


@pytest.fixture
def proc(tmp_path):
    return make_proc(tmp_path / "host", BOOTED)


def sample(proc, uids=OWN):
    source = system_processes(str(proc), signatures=SIGNATURES, uids=uids)
    return source.sample(NOW)


def read(proc):
    return sample(proc).processes.values()


@pytest.mark.slow
def test_a_hosts_agents_are_read(proc):
    folder = add_process(proc, 42, "claude", argv=("claude", "-r", U1), io=IO)
    open_file(folder, 0, "/dev/null")
    open_file(folder, 1, "socket:[123]")
    open_file(folder, 2, f"/home/u/{U1}.jsonl", flags=os.O_WRONLY | os.O_APPEND)
    open_file(folder, 3, f"/home/u/{U2}.jsonl", flags=os.O_RDONLY)
    (folder / "fd/4").symlink_to(f"/home/u/{U3}.jsonl")  # closed meanwhile
    add_process(proc, 43, "weird) S (name", parent=42, start=101, io=IO)
    table = sample(proc)
    claude, tool = ProcessId(42, 100 * TICK), ProcessId(43, 101 * TICK)
    assert table.boot_id == "0d1e"
    assert dict(table.roots) == {claude: claude, tool: claude}
    assert table.agents[claude].session_id == U1
    assert table.open_files[claude] == (f"/home/u/{U1}.jsonl",)
    process, used = table.processes[claude], table.samples[claude]
    assert (process.started_at, process.cwd) == (BOOTED + 100, "/home/user/proj")
    assert used.cpu_seconds == 175 / TICK
    assert used.reaped_user_microseconds == 30 * 1_000_000 // TICK
    assert (used.vms_bytes, used.rss_bytes) == (1 << 30, 256 * PAGE)
    assert (used.read_bytes, used.written_bytes) == (8192, 4096)
    assert table.processes[tool].comm == "weird) S (name"
    assert table.skipped == {}


@pytest.mark.slow
def test_agents_in_containers_are_marked(proc, tmp_path):
    container = {"pid_ns": "4026532999", "inner_pid": 7}
    add_process(proc, 42, "claude", argv=("claude",), io=IO, **container)
    elsewhere = tmp_path / "overlay"
    elsewhere.mkdir()
    add_process(proc, 43, "codex", argv=("codex",), io=IO, fs=elsewhere)
    add_process(proc, 44, "codex", argv=("codex",), io=IO)
    found = {item.id.pid: (item.container, item.inner_pid) for item in read(proc)}
    assert found == {
        42: ("other_pid_namespace", 7),
        43: ("other_mount_namespace", 0),
        44: ("", 0),
    }


def test_a_sandboxed_service_with_the_same_root_is_no_container(proc):
    folder = add_process(proc, 42, "claude", argv=("claude",), io=IO)
    (folder / "ns/mnt").unlink()
    (folder / "ns/mnt").symlink_to("mnt:[4026533000]")
    assert [item.pid for item in sample(proc).roots] == [42]


def test_another_user_is_left_out_and_counted(proc):
    add_process(proc, 42, "claude", argv=("claude",), io=IO, uid=os.getuid() + 1)
    assert sample(proc).skipped == {"other_user": 1}
    assert [item.pid for item in sample(proc, uids=None).roots] == [42]


@pytest.mark.parametrize(("cancelled", "written"), [("1024", 3072), ("9999", 0)])
def test_writes_that_never_reached_the_disk_do_not_count(proc, cancelled, written):
    io = IO.replace("cancelled_write_bytes: 0", f"cancelled_write_bytes: {cancelled}")
    add_process(proc, 42, "claude", argv=("claude",), io=io)
    (used,) = sample(proc).samples.values()
    assert (used.written_bytes, used.written_characters) == (written, 2)


def test_unreadable_disk_figures_are_unknown(proc):
    add_process(proc, 42, "claude", argv=("claude",))
    table = sample(proc)
    (used,) = table.samples.values()
    assert (used.read_bytes, used.written_bytes) == (None, None)
    assert table.skipped == {"access_denied": 1}


def test_a_process_that_ends_while_it_is_read_refuses_nothing(proc, monkeypatch):
    add_process(proc, 42, "claude", argv=("claude",))
    assert ProcessReader(str(proc)).sample(42, full=True).denied

    def end(process):
        stat = proc / str(process.pid) / "stat"
        stat.write_text(stat.read_text().replace(" S ", " Z "))
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "io_counters", end)
    assert not ProcessReader(str(proc)).sample(42, full=True).denied


def test_a_program_that_had_no_arguments_yet_is_looked_at_again(proc):
    folder = add_process(proc, 42, "node")
    source = system_processes(str(proc), signatures=SIGNATURES, uids=OWN)
    assert source.sample(NOW).roots == {}
    (folder / "cmdline").write_bytes(b"node\0/usr/bin/gemini\0")
    assert [found.agent for found in source.sample(NOW + 5).agents.values()] == ["gemini"]


@pytest.mark.parametrize(
    "content", ["", "42 (claude", "42 (claude) S 1 2", "42 (claude) " + "x " * 40]
)
def test_a_half_read_process_is_passed_over(proc, content):
    folder = add_process(proc, 42, "claude", argv=("claude",))
    (folder / "stat").write_text(content)
    assert sample(proc).roots == {}


def test_a_program_that_was_replaced_while_it_runs_keeps_its_name(proc):
    folder = add_process(proc, 42, "2.1.197", argv=("/x/launch",), io=IO)
    (folder / "exe").unlink()
    (folder / "exe").symlink_to("/home/u/.local/share/claude/versions/2.1.197 (deleted)")
    assert [found.agent for found in sample(proc).agents.values()] == ["claude"]


def test_a_missing_proc_is_incomplete_and_no_error(tmp_path):
    table = sample(tmp_path / "nowhere")
    assert not table.complete
    assert table.skipped == {"unreadable": 1}


def test_the_boot_id_falls_back_to_the_boot_time(proc):
    (proc / "sys/kernel/random/boot_id").unlink()
    assert ProcessReader(str(proc)).boot_id() == str(float(BOOTED))


def test_a_container_that_sees_only_itself_is_reported(tmp_path):
    inside = make_proc(tmp_path / "inside", BOOTED, pid_ns="4026532999")
    assert sample(inside).partial
    assert not sample(make_proc(tmp_path / "host", BOOTED)).partial


@pytest.mark.parametrize(("owner", "shown"), [(os.getuid() + 1, False), (os.getuid(), True)])
def test_with_hidepid_only_the_own_processes_are_all_visible(proc, owner, shown):
    """A session of another user was closed, because its process is hidden."""
    (proc / "1/stat").unlink()
    source = system_processes(str(proc), signatures=SIGNATURES, uids=frozenset({owner}))
    assert source.sample(NOW).shows_all_of("claude") is shown


def test_an_agent_in_a_container_of_root_is_hidden_until_it_ends(proc):
    """Its namespace cannot be read, but its pids can."""
    container = {"pid_ns": "4026532999", "inner_pid": 7, "uid": os.getuid() + 1}
    folder = add_process(proc, 42, "claude", argv=("claude",), **container)
    (folder / "ns/pid").unlink()
    source = system_processes(str(proc), signatures=SIGNATURES, uids=OWN)
    assert source.sample(NOW).hidden == {"claude"}
    assert not source.sample(NOW).shows_all_of("claude")
    shutil.rmtree(folder)
    assert source.sample(NOW).shows_all_of("claude")


def test_the_users_are_those_whose_homes_are_read(tmp_path):
    assert users_of([tmp_path, tmp_path / "nowhere"]) == {tmp_path.stat().st_uid}
    assert users_of([tmp_path / "nowhere"]) == OWN
