"""Every page shows the process, the state and the resource usage of a live session."""

import json
import re
import signal
import sys
import time
from datetime import UTC, datetime

import pytest
from processes.builders import U1, U2
from processes.proc_tree import TICK
from processes.running import IDLE, disk_bytes, stat_fields
from programs import find_program
from running import daemon, once, run, total
from transcripts import write

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
HOLD = """import sys; files = [open(x, "a") for x in sys.argv[1:]]; print(1, flush=True)
sys.stdin.read()"""
WORK = f"""
import os, sys
with open("written", "wb") as file:
    file.write(b"x" * 300_000); file.flush(); os.fsync(file.fileno())
while sum(os.times()[:2]) < 0.1: pass
{IDLE}"""

HOST = f"import sys; files = [open(x, 'a') for x in sys.argv[2:]]\n{WORK}"


def stamp(ago=0.0):
    moment = datetime.fromtimestamp(time.time() - ago, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def claude_session(home, session_id, cwd, *, ago=0.0):
    """Write a session that waits for the result of a tool."""
    shared = {"sessionId": session_id, "cwd": str(cwd), "timestamp": stamp(ago)}
    tool = {"type": "tool_use", "id": "toolu_1", "name": "Write", "input": {}}
    usage = {"input_tokens": 10, "output_tokens": 5}
    answer = {"id": f"msg-{session_id}", "role": "assistant", "model": "claude-sonnet-4-5"}
    answer |= {"content": [tool], "stop_reason": "tool_use", "usage": usage}
    return write(
        home / ".claude/projects/-p" / f"{session_id}.jsonl",
        {**shared, "type": "user", "uuid": "1", "message": {"role": "user", "content": "Go on"}},
        {**shared, "type": "assistant", "uuid": "2", "requestId": "r", "message": answer},
    )


def register(home, process, session_id, **said):
    """Write the registry entry of a live process, as Claude Code does."""
    folder = home / ".claude/sessions"
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"pid": process.pid, "sessionId": session_id, "kind": "interactive"}
    entry |= {"procStart": stat_fields(process.pid)[19], "status": "idle", **said}
    (folder / f"{process.pid}.json").write_text(json.dumps(entry))


def codex_session(home, thread):
    """Write a rollout whose last turn has started."""
    path = home / f".codex/sessions/2026/01/02/rollout-2026-01-02T03-04-05-{thread}.jsonl"
    meta = {"id": thread, "timestamp": stamp(), "cwd": "/elsewhere", "cli_version": "0.169.0"}
    begun = {"type": "task_started", "turn_id": "t"}
    return write(
        path,
        {"timestamp": stamp(), "type": "session_meta", "payload": meta},
        {"timestamp": stamp(), "type": "event_msg", "payload": begun},
    )


def shown(document, session_id=U1):
    """Return the keys about the process of a session in JSON."""
    session = next(s for s in document["sessions"] if s["session_id"] == session_id)
    names = ("pid", "liveness", "match_confidence", "match_evidence", "process_role")
    return tuple(session[name] for name in names)


def has(name, value=None, **labels):
    """Return a condition: samples with these labels exist, and their sum has a value."""
    wanted = set(labels.items())

    def holds(samples):
        found = [v for (n, pairs), v in samples.items() if n == name and wanted <= set(pairs)]
        return bool(found) and (value is None or sum(found) == value)

    return holds


def lacks(name, **labels):
    return lambda samples: not has(name, **labels)(samples)


@pytest.mark.long
def test_a_prompt_for_permission_is_seen_answered_and_timed(running, tmp_path):
    claude = running.start(running.program("claude"), code=WORK)
    claude_session(tmp_path, U1, "/elsewhere")
    register(tmp_path, claude, U1, status="waiting", waitingFor="permission prompt")
    with daemon(tmp_path, "--no-state", "--procfs", running.proc) as watched:
        watched.until(has("agtop_session_state", 1, session_id=U1, state="waiting"))
        document = once(tmp_path, "--procfs", running.proc)
        assert shown(document) == (claude.pid, "live", "high", ["registry"], "session")
        (session,) = document["sessions"]
        assert session["state"]["kind"] == "waiting"
        assert session["state"]["reason"] == "permission"
        # nothing was used in the short time between the two samples of one command
        assert session["process"]["cpu_percent"] is None
        assert session["process"]["disk_written_bytes_per_second"] is None

        register(tmp_path, claude, U1, status="busy")
        samples = watched.until(has("agtop_waiting_seconds_count", 1, agent="claude"))
        assert 0 < total(samples, "agtop_waiting_seconds_sum") < 60
        assert total(samples, "agtop_waiting_seconds_bucket", le="+Inf") == 1
        assert total(samples, "agtop_session_state", session_id=U1, state="running") == 1
        assert total(samples, "agtop_sessions", agent="claude", state="running") == 1

        running.end(claude)
        samples = watched.until(has("agtop_session_state", 1, session_id=U1, state="closed"))
        samples = watched.until(lacks("agtop_session_match_confidence"))
        assert lacks("agtop_session_processes")(samples)
        assert total(samples, "agtop_session_cpu_seconds_total", session_id=U1) >= 0.1
        assert has("agtop_processes", 0, agent="claude")(samples)
        assert has("agtop_agent_memory_rss_bytes", 0, agent="claude")(samples)
        assert total(samples, "agtop_agent_cpu_seconds_total", agent="claude") >= 0.1
        assert total(samples, "agtop_waiting_seconds_count") == 1


@pytest.mark.long
def test_seconds_and_bytes_are_the_kernels(running, tmp_path):
    claude = running.start(running.program("claude"), code=WORK)
    claude_session(tmp_path, U1, "/elsewhere")
    register(tmp_path, claude, U1)
    fields, (read, written) = stat_fields(claude.pid), disk_bytes(claude.pid)
    expected = {
        "cpu_seconds_total": (int(fields[11]) + int(fields[12])) / TICK,
        "disk_read_bytes_total": read,
        "disk_written_bytes_total": written,
        "virtual_memory_bytes": int(fields[20]),
        "processes": 1,
    }
    assert written >= 300_000
    with daemon(tmp_path, "--no-state", "--procfs", running.proc) as watched:
        samples = watched.until(has("agtop_session_cpu_seconds_total"))
    found = {name: total(samples, f"agtop_session_{name}", session_id=U1) for name in expected}
    assert found == pytest.approx(expected, rel=1e-12)
    for name, value in expected.items():
        of_agent = "agtop_processes" if name == "processes" else f"agtop_agent_{name}"
        assert total(samples, of_agent, agent="claude") == pytest.approx(value, rel=1e-12)
    assert stat_fields(claude.pid)[11:13] == fields[11:13], "the process was not idle"


@pytest.mark.slow
def test_the_table_has_the_process(running, tmp_path):
    claude = running.start(running.program("claude"), code=WORK)
    claude_session(tmp_path, U1, "/elsewhere")
    register(tmp_path, claude, U1)
    flags = ("--no-state", "--no-pricing-refresh", "--procfs", running.proc)
    table = run("agtop", *flags, home=tmp_path).stdout
    header, _, row, *_ = table.splitlines()
    cells = dict(zip(header.split(), re.split(r"  +", row.strip()), strict=True))
    assert cells["PID"] == str(claude.pid)
    assert cells["MEM"].endswith("M")
    # an idle process: its rates are not known after so short a time, so they have no column
    assert not cells.keys() & {"CPU", "R/s", "W/s"}


@pytest.mark.slow
def test_the_table_names_processes_without_a_session(running, tmp_path):
    claude = running.start(running.program("claude"), code=IDLE)
    table = run("agtop", "--no-state", "--procfs", running.proc, home=tmp_path).stdout
    assert f"processes without a session: claude (pid {claude.pid})\n" in table


@pytest.mark.long
def test_two_in_one_folder(running, tmp_path):
    claude_session(tmp_path, U1, tmp_path)
    one = running.start(running.program("claude"), code=IDLE)
    claude_session(tmp_path, U1, tmp_path)
    with daemon(tmp_path, "--no-state", "--procfs", running.proc) as watched:
        watched.until(has("agtop_session_match_confidence", 1, session_id=U1, confidence="medium"))
        two = running.start(running.program("claude"), code=IDLE)
        claude_session(tmp_path, U2, tmp_path)
        samples = watched.until(has("agtop_session_processes", 2))
        assert total(samples, "agtop_orphan_processes", agent="claude") == 0
    document = once(tmp_path, "--procfs", running.proc)
    assert {shown(document, U1)[0], shown(document, U2)[0]} == {one.pid, two.pid}


@pytest.mark.slow
def test_a_reused_pid_matches_no_session(running, tmp_path):
    claude = running.start(running.program("claude"), code=IDLE, cwd="/")
    claude_session(tmp_path, U1, "/elsewhere", ago=60)
    register(tmp_path, claude, U1, procStart="1")
    document = once(tmp_path, "--procfs", running.proc)
    assert shown(document) == (None, None, None, None, None)
    (agent,) = (a for a in document["agents"] if a["agent"] == "claude")
    assert (agent["processes"], agent["orphan_pids"]) == (1, [claude.pid])
    assert agent["orphan_processes"] == 1


@pytest.mark.long
def test_two_processes_on_one_session(running, tmp_path):
    claude_session(tmp_path, U1, "/elsewhere")
    for _ in range(2):
        register(tmp_path, running.start(running.program("claude"), code=IDLE), U1)
    with daemon(tmp_path, "--no-state", "--procfs", running.proc) as watched:
        samples = watched.until(has("agtop_duplicate_processes", 1, agent="claude"))
    assert total(samples, "agtop_session_processes", session_id=U1) == 2
    assert total(samples, "agtop_orphan_processes", agent="claude") == 0


@pytest.mark.long
def test_a_subagent_names_its_parent_and_does_not_repeat_its_process(running, tmp_path):
    claude = running.start(running.program("claude"), code=WORK)
    folder = claude_session(tmp_path, U1, "/elsewhere").with_suffix("") / "subagents"
    record = {"sessionId": U1, "agentId": "a1", "isSidechain": True, "timestamp": stamp()}
    prompt = {"role": "user", "content": "Look"}
    write(folder / "agent-a1.jsonl", {**record, "type": "user", "uuid": "9", "message": prompt})
    register(tmp_path, claude, U1)
    document = once(tmp_path, "--procfs", running.proc)
    child = next(s for s in document["sessions"] if s["session_id"] != U1)
    assert child["parent_session_id"] == U1
    assert shown(document, child["session_id"]) == (None, None, None, None, None)
    assert child["process"] is None
    assert shown(document, U1)[0] == claude.pid
    subagents = {session["session_id"]: session["subagents"] for session in document["sessions"]}
    assert subagents == {U1: 1, child["session_id"]: 0}
    with daemon(tmp_path, "--no-state", "--procfs", running.proc) as watched:
        samples = watched.until(has("agtop_session_processes"))
    assert total(samples, "agtop_session_processes") == total(samples, "agtop_processes") == 1


@pytest.mark.slow
def test_the_holder_of_a_rollout(running, tmp_path):
    rollout = codex_session(tmp_path, U1)
    codex = running.start(running.program("codex"), "-c", HOLD, rollout)
    document = once(tmp_path, "--procfs", running.proc)
    assert shown(document) == (codex.pid, "live", "high", ["open_file"], "session")
    assert document["sessions"][0]["state"]["kind"] == "running"


@pytest.mark.long
def test_the_usage_of_a_host_belongs_to_no_session(running, tmp_path):
    rollouts = [codex_session(tmp_path, thread) for thread in (U1, U2)]
    host = running.start(running.program("codex"), "-c", HOST, "app-server", *rollouts)
    with daemon(tmp_path, "--no-state", "--procfs", running.proc) as watched:
        samples = watched.until(has("agtop_session_match_confidence", 2, confidence="high"))
    assert total(samples, "agtop_agent_cpu_seconds_total", agent="codex") >= 0.1
    assert total(samples, "agtop_processes", agent="codex") == 1
    assert total(samples, "agtop_orphan_processes", agent="codex") == 0
    assert lacks("agtop_session_cpu_seconds_total")(samples)
    assert lacks("agtop_session_memory_rss_bytes")(samples)
    document = once(tmp_path, "--procfs", running.proc)
    for thread in (U1, U2):
        assert shown(document, thread) == (host.pid, "live", "high", ["open_file"], "host")
    assert [session["process"] for session in document["sessions"]] == [None, None]


@pytest.mark.long
def test_a_chain_of_wrappers_is_one_process_of_its_session(running, tmp_path):
    codex_session(tmp_path, U1)
    outer = running.start_with_npx(find_program("node"), U1)
    document = once(tmp_path, "--procfs", running.proc)
    assert shown(document) == (int(outer.word), "live", "high", ["argv"], "session")
    assert document["sessions"][0]["process"]["processes"] == 4


@pytest.mark.long
def test_gemini_cli_as_it_installs_itself(running, tmp_path):
    node = find_program("node")
    package = tmp_path / "lib/node_modules/@google/gemini-cli/bundle/gemini.js"
    package.parent.mkdir(parents=True)
    package.write_text("console.log('ready'); process.stdin.on('end', process.exit).resume()")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gemini").symlink_to(package)
    gemini = running.start(node, tmp_path / "bin/gemini", "-p", "restart the daemon of codex")
    project = tmp_path / ".gemini/tmp/p"
    write(
        project / "chats/session-2026-03-02T10-00-11111111.jsonl",
        {"sessionId": U1, "projectHash": "0", "startTime": stamp(), "lastUpdated": stamp()},
        {"id": "1", "timestamp": stamp(), "type": "user", "content": "Go on"},
    )
    (project / ".project_root").write_text(str(tmp_path))
    document = once(tmp_path, "--procfs", running.proc)
    assert shown(document)[:3] == (gemini.pid, "live", "medium")
    assert document["sessions"][0]["process"]["processes"] == 1


@pytest.mark.long
def test_totals_survive_a_kill(running, tmp_path):
    claude_session(tmp_path, U1, "/elsewhere")
    state = ("--state-dir", tmp_path / "state", "--procfs", running.proc)
    claude = running.start(running.program("claude"), code=WORK)
    register(tmp_path, claude, U1)
    names = ("agent_cpu_seconds_total", "agent_disk_written_bytes_total")
    with daemon(tmp_path, *state) as watched:
        samples = watched.until(has("agtop_session_cpu_seconds_total"))
        before = {name: total(samples, f"agtop_{name}") for name in names}
        watched.end(signal.SIGKILL)
    running.end(claude)
    with daemon(tmp_path, *state) as watched:
        watched.until_ready()
        samples = watched.samples()
        assert {name: total(samples, f"agtop_{name}") for name in names} == before
        assert total(samples, "agtop_session_cpu_seconds_total") == before[names[0]]
        again = running.start(running.program("claude"), code=WORK)
        register(tmp_path, again, U1)
        samples = watched.until(has("agtop_session_processes"))
        assert total(samples, "agtop_session_cpu_seconds_total") > before[names[0]]
