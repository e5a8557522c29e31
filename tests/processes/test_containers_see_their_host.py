"""A container with a mounted /proc of its host reads the host's processes, and no others."""

import json
import os
import sys
import time

import pytest
from processes.builders import U1
from processes.proc_tree import IO, PAGE, TICK, add_process, make_proc
from running import daemon, once, run, total
from transcripts import write

BOOTED_AGO = 10_000
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="such files are those of Linux"),
]


@pytest.fixture
def proc(tmp_path):
    return make_proc(tmp_path / "host", int(time.time()) - BOOTED_AGO)


@pytest.fixture
def home(tmp_path):
    """Return a home whose session has no recent record, so that it has no writer."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 20))
    record = {"sessionId": U1, "cwd": "/elsewhere", "timestamp": stamp, "uuid": "1"}
    message = {"role": "user", "content": "Go on"}
    write(
        tmp_path / ".claude/projects/-p" / f"{U1}.jsonl",
        {**record, "type": "user", "message": message},
    )
    return tmp_path


def processes(samples):
    return {
        name.removeprefix("agtop_"): value
        for (name, labels), value in samples.items()
        if "process" in name and ("agent", "claude") in labels and "errors" not in name
    }


@pytest.mark.long
@pytest.mark.parametrize("way", ["variable", "flag"])
def test_a_session_on_the_host_is_paired(way, proc, home):
    add_process(proc, 42, "claude", argv=("claude", "-r", U1), start=9_000, io=IO)
    add_process(proc, 43, "bash", parent=42, start=9_001, io=IO)
    flags, variables = {
        "variable": ((), {"AGTOP_PROCFS": str(proc)}),
        "flag": (("--procfs", proc), {}),
    }[way]
    with daemon(home, "--no-state", *flags, **variables) as running:
        running.until_ready()
        samples = running.samples()
    assert processes(samples) == {
        "processes": 2,
        "orphan_processes": 0,
        "duplicate_processes": 0,
        "session_processes": 2,
    }
    expected = {
        "cpu_seconds_total": 2 * (150 + 25 + 30 + 5) / TICK,
        "memory_rss_bytes": 2 * 256 * PAGE,
        "virtual_memory_bytes": 2 << 30,
        "disk_read_bytes_total": 2 * 8192,
        "disk_written_bytes_total": 2 * 4096,
    }
    for name, value in expected.items():
        assert total(samples, f"agtop_session_{name}", session_id=U1) == pytest.approx(value), name
        assert total(samples, f"agtop_agent_{name}", agent="claude") == pytest.approx(value), name


@pytest.mark.long
def test_an_agent_without_processes_has_none(proc, home):
    with daemon(home, "--no-state", "--procfs", proc) as running:
        running.until_ready()
        samples = running.samples()
    assert set(processes(samples).values()) == {0}
    assert total(samples, "agtop_agent_memory_rss_bytes", agent="claude") == 0
    assert ("agtop_agent_memory_rss_bytes", (("agent", "claude"),)) in samples
    assert total(samples, "agtop_sessions", agent="claude", state="closed") == 1
    assert not [key for key in samples if ("agent", "codex") in key[1] and "process" in key[0]]


@pytest.mark.long
def test_a_container_without_its_host_claims_nothing(tmp_path, home):
    inside = make_proc(tmp_path / "inside", int(time.time()) - 9, pid_ns="4026532999")
    with daemon(home, "--no-state", "--procfs", inside) as running:
        running.until_ready()
        samples = running.samples()
    assert processes(samples) == {}
    assert total(samples, "agtop_sessions", agent="claude", state="running") == 1


@pytest.mark.long
def test_a_proc_that_is_not_there_claims_nothing(tmp_path, home):
    document = once(home, "--procfs", tmp_path / "nowhere")
    (agent,) = (a for a in document["agents"] if a["agent"] == "claude")
    assert (agent["processes"], agent["orphan_processes"]) == (None, None)
    with daemon(home, "--no-state", "--procfs", tmp_path / "nowhere") as running:
        running.until_ready()
        samples = running.samples()
    assert processes(samples) == {}
    assert total(samples, "agtop_process_scan_errors_total", reason="unreadable") == 1


CONTAINER = {"pid_ns": "4026532999", "inner_pid": 7}
TICKS_AT_START = 9_000


def register(home, status, *, pid=7, ticks=TICKS_AT_START * TICK):
    """Write the registry entry of Claude Code in a container to the shared home."""
    entry = {"pid": pid, "sessionId": U1, "procStart": str(ticks), "status": status}
    folder = home / ".claude/sessions"
    folder.mkdir(exist_ok=True)
    (folder / f"{pid}.json").write_text(json.dumps(entry))


@pytest.mark.long
def test_processes_of_another_container_are_counted_as_skipped(proc, home):
    """It may use another home, so a directory with the same path is no evidence."""
    folder = add_process(proc, 42, "claude", argv=("claude",), start=9_000, **CONTAINER)
    (folder / "cwd").unlink()
    (folder / "cwd").symlink_to("/elsewhere")
    with daemon(home, "--no-state", "--procfs", proc) as running:
        running.until_ready()
        samples = running.samples()
    assert processes(samples) == {}
    found = total(samples, "agtop_process_scan_errors_total", reason="other_pid_namespace")
    assert found == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other_user", "expected"),
    [
        (False, "  - in containers, with unknown sessions: 1 process (see --home)"),
        (
            True,
            "  - another user runs it in a container: its processes are not read",
        ),
    ],
)
def test_doctor_names_agents_in_containers(proc, home, other_user, expected):
    uid = os.getuid() + 1 if other_user else None
    add_process(proc, 42, "claude", argv=("claude",), start=9_000, uid=uid, **CONTAINER)
    flags = ("--no-state", "--no-pricing-refresh", "--procfs", proc)
    report = run("agtop-exporter", "doctor", *flags, home=home, check=False).stdout
    assert expected in report.splitlines()


@pytest.mark.slow
def test_a_session_in_a_container_is_found_by_its_pid_in_there(proc, home):
    """A dev container shares ~/.claude with its host."""
    add_process(proc, 7, "claude", argv=("claude",), start=8_000, io=IO)  # of the host
    add_process(proc, 42, "claude", argv=("claude",), start=TICKS_AT_START, io=IO, **CONTAINER)
    register(home, "busy")
    document = once(home, "--procfs", proc)
    (session,) = document["sessions"]
    assert (session["pid"], session["match_evidence"]) == (42, ["registry"])
    assert session["state"]["kind"] == "running"
    (agent,) = (a for a in document["agents"] if a["agent"] == "claude")
    assert (agent["processes"], agent["orphan_processes"]) == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "ago", "state"),
    [("busy", 600, "running"), ("idle", 600, "idle"), ("busy", 4000, "closed")],
)
def test_a_registry_counts_where_its_process_cannot_be_seen(proc, home, status, ago, state):
    """The container belongs to root, whose processes are not read."""
    other = os.getuid() + 1
    add_process(proc, 42, "claude", argv=("claude",), start=TICKS_AT_START, uid=other, **CONTAINER)
    transcript = home / ".claude/projects/-p" / f"{U1}.jsonl"
    record = json.loads(transcript.read_text())
    record["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))
    write(transcript, record)
    register(home, status)
    (session,) = once(home, "--procfs", proc)["sessions"]
    assert (session["pid"], session["state"]["kind"]) == (None, state)


@pytest.mark.slow
def test_the_registry_of_a_process_that_is_gone_counts_for_nothing(proc, home):
    """All processes are visible, so the process was killed."""
    register(home, "busy", pid=42)
    (session,) = once(home, "--procfs", proc)["sessions"]
    assert (session["pid"], session["state"]["kind"]) == (None, "closed")
