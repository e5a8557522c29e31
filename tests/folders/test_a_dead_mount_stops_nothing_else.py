"""A file system call that does not return changes nothing else in a refresh."""

import threading
import time

import msgspec
import pytest
from looking import EVENING, Look
from processes.builders import NOW, SIGNATURES, process
from processes.static import StaticReader
from transcripts import Claude, Codex, usage

from agtop_exporter.agents import claude, codex
from agtop_exporter.pipeline.guard import Guard
from agtop_exporter.processes.source import ProcessTracker

NAME = "11111111-1111-4111-8111-1111111111{:02}"
PATIENCE_SECONDS = 20  # a bound for failures, not a wait


class Gate:
    """Lets calls pass, or blocks them."""

    def __init__(self):
        self._open = threading.Event()
        self._open.set()
        self._threads = []
        self.calls = 0  # that were blocked

    def shut(self):
        """Block all calls."""
        self._open.clear()

    def open(self):
        """Let all calls pass, and wait until their threads have ended."""
        self._open.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def blocking(self, function):
        """Return a function that waits for the gate, and then calls another function."""

        def blocked(*arguments):
            if not self._open.is_set():
                self.calls += 1
                self._threads.append(threading.current_thread())
                self._open.wait()
            return function(*arguments)

        return blocked


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.open()


@pytest.fixture
def guard():
    return Guard(limit_seconds=1)


def claude_session(home, number, cwd="/home/ada/engine", **more):
    chat = Claude(home / ".claude/projects/-p", NAME.format(number), **more)
    chat.assistant(f"m-{number}", usage={"input_tokens": 100, "output_tokens": 0}, cwd=str(cwd))
    return chat.write()


def codex_chat(home, tokens=50):
    chat = Codex(home / ".codex/sessions/2026/03/02")
    return chat.turn().count(usage(tokens), usage(tokens))


def total(samples, name, *labels):
    return sum(value for key, value in samples.items() if key[: 1 + len(labels)] == (name, *labels))


def warnings(look):
    return [(event, fields) for _, event, fields in look.told]


@pytest.mark.long
@pytest.mark.parametrize("call", ["roots", "plan", "files", "read"])
def test_an_agent_whose_call_does_not_return_is_skipped(tmp_path, gate, guard, call):
    claude_session(tmp_path, 1)
    path = codex_chat(tmp_path).write()
    blocked = {call: gate.blocking(getattr(codex.AGENT, call))}
    if call == "roots":  # which reads settings
        blocked["bases"] = lambda home, _environment: (home,)
    agents = [claude.AGENT, msgspec.structs.replace(codex.AGENT, **blocked)]
    look = Look(tmp_path, agents=agents, guard=guard)
    gate.shut()
    for _ in range(3):
        samples = look.samples()
        assert samples["agtop_agent_up", "claude"] == 1
        assert samples["agtop_sessions_started_total", "claude"] == 1
        assert samples["agtop_agent_up", "codex"] == 0
        assert gate.calls == 1  # it is not called again
    [(event, fields)] = {(event, tuple(fields.items())) for event, fields in warnings(look)}
    assert event == "cannot read file"
    name = {"files": "a folder", "read": path.name}.get(call)
    where = {"file": name} if name else {}
    assert dict(fields) == {"agent": "codex", **where, "reason": "does not respond"}
    gate.open()
    for _ in range(2):
        samples = look.samples()
        assert samples["agtop_agent_up", "codex"] == 1
        assert samples["agtop_sessions_started_total", "codex"] == 1
        assert samples["agtop_scan_errors_total", "codex"] == 3
        assert total(samples, "agtop_tokens_total", "codex") == 50
        assert total(samples, "agtop_tokens_total", "claude") == 100


@pytest.mark.long
def test_the_results_of_a_slow_read_are_counted_once(tmp_path, gate, guard):
    """Otherwise a file that is always slow would never be counted."""
    first, second = (
        codex_chat(tmp_path),
        Codex(tmp_path / ".codex/sessions/2026/03/02", thread=NAME),
    )
    paths = [first.write(), second.turn().count(usage(7), usage(7)).write()]
    reads = []

    def read(path, cursor):
        reads.append(path)
        return codex.AGENT.read(path, cursor)

    agent = msgspec.structs.replace(codex.AGENT, read=gate.blocking(read))
    look = Look(tmp_path, agents=[agent], guard=guard)
    gate.shut()
    assert total(look.samples(), "agtop_tokens_total") == 0
    gate.open()
    for _ in range(2):
        samples = look.samples()
        assert total(samples, "agtop_tokens_total", "codex") == 57
    assert sorted(reads) == sorted(map(str, paths))
    assert samples["agtop_scan_bytes_total", "codex"] == sum(path.stat().st_size for path in paths)


@pytest.mark.long
def test_unreadable_files_do_not_count_as_deleted(tmp_path, gate, guard):
    agent = msgspec.structs.replace(codex.AGENT, files=gate.blocking(codex.AGENT.files))
    chat = codex_chat(tmp_path)
    path = chat.write()
    look = Look(tmp_path, agents=[agent], guard=guard)
    look.at()
    gate.shut()
    look.at()
    path.rename(tmp_path / "away")
    (tmp_path / "away").rename(path)
    chat.count(usage(5), usage(55)).write()
    gate.open()
    for _ in range(2):
        samples = look.samples()
    assert total(samples, "agtop_source_resets_total") == 0
    assert total(samples, "agtop_tokens_total", "codex") == 55
    assert samples["agtop_scan_bytes_total", "codex"] == path.stat().st_size


@pytest.mark.long
def test_a_program_that_is_to_stop_counts_no_error(tmp_path, gate):
    agent = msgspec.structs.replace(codex.AGENT, files=gate.blocking(codex.AGENT.files))
    codex_chat(tmp_path).write()
    look = Look(tmp_path, agents=[agent], guard=Guard(limit_seconds=3600))
    gate.shut()
    look.pipeline.refresh(EVENING, stopping=lambda: True)
    assert not look.told
    assert ("scan_errors", "codex") not in look.pipeline.ledger.totals


# --- what another process finds out -----------------------------------------------------------


@pytest.mark.long
def test_sessions_in_a_folder_on_a_dead_mount_are_counted(tmp_path, dead):
    claude_session(tmp_path, 0, tmp_path / "alive")
    for number in range(1, 30):
        claude_session(tmp_path, number, dead.path / f"project{number}")
    look = Look(tmp_path, agents=[claude.AGENT, codex.AGENT], folders=dead.folders())
    codex_chat(tmp_path).write()
    for _ in range(2):
        samples = look.samples()
        assert samples["agtop_project_tokens_total", "claude", "alive"] == 100
        for number in range(1, 30):
            assert samples["agtop_project_tokens_total", "claude", f"project{number}"] == 100
        assert samples["agtop_sessions_started_total", "codex"] == 1
        assert samples["agtop_agent_up", "claude"] == 1  # all its files were read
        assert samples["agtop_scan_errors_total", "claude"] == 1
        assert samples["agtop_scan_errors_total", "codex"] == 0
    trouble = {"path": str(dead.path), "reason": "does not respond"}
    assert warnings(look) == [("cannot read folder", trouble)]
    assert look.pipeline.findings.unreadable["claude"] == {str(dead.path): "does not respond"}
    look.pipeline.close()


@pytest.mark.long
def test_a_project_has_one_name_though_its_folder_responds_later(tmp_path, dead):
    """If the project changed, its usage would move from one series to another."""
    (dead.path / "copy/.git").mkdir(parents=True)
    (dead.path / "copy/.git/config").write_text('[remote "origin"]\n\turl = x:ada/engine.git\n')
    claude_session(tmp_path, 1, dead.path / "copy")
    look = Look(tmp_path, agents=[claude.AGENT], folders=dead.folders())
    assert look.samples()["agtop_project_tokens_total", "claude", "copy"] == 100
    dead.revive()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while look.pipeline.folders.find(str(dead.path / "copy")).trouble:
        assert time.monotonic() < deadline
    claude_session(tmp_path, 2, dead.path / "copy")
    samples = look.samples()
    assert samples["agtop_project_tokens_total", "claude", "copy"] == 100
    assert samples["agtop_project_tokens_total", "claude", "engine"] == 100


@pytest.mark.long
@pytest.mark.parametrize("folder", [".codex", ".codex/sessions", "home"])
def test_an_agents_folder_on_a_dead_mount_is_skipped(tmp_path, dead, folder):
    """The same holds for a home. Other homes are read, and no file counts as deleted."""
    home, other = tmp_path / "home", dead.path / "home"
    claude_session(home, 1)
    (home / ".codex").mkdir()
    codex_chat(other if folder == "home" else dead.path.parent / "away").write()
    if folder == ".codex":
        (home / ".codex").rmdir()
        (home / ".codex").symlink_to(dead.path / "codex")
    elif folder == ".codex/sessions":
        (home / ".codex/sessions").symlink_to(dead.path / "sessions")
    homes = [home, other] if folder == "home" else [home]
    look = Look(*homes, agents=[claude.AGENT, codex.AGENT], folders=dead.folders())
    for _ in range(2):
        samples = look.samples()
        assert samples["agtop_sessions_started_total", "claude"] == 1
        assert samples["agtop_agent_up", "codex"] == 0
    trouble = {"path": str(dead.path), "reason": "does not respond"}
    assert warnings(look) == [("cannot read folder", trouble)]
    assert look.pipeline.findings.unreadable["codex"] == {str(dead.path): "does not respond"}
    look.pipeline.close()


@pytest.mark.long
@pytest.mark.parametrize("linked", ["folder", "file"])
def test_a_link_to_a_dead_mount_hides_only_what_is_behind_it(tmp_path, dead, linked):
    """The target is read when it responds. When it hangs again, no file counts as deleted."""
    home = tmp_path / "home"
    claude_session(home, 1)
    claude_session(dead.path / "disk", 2)
    (away,) = (dead.path / "disk").rglob("*.jsonl")
    projects = home / ".claude" / "projects"
    target = away if linked == "file" else away.parent
    (projects / "-shop").mkdir()
    (projects / "-shop" / target.name).symlink_to(target)
    look = Look(home, agents=[claude.AGENT], folders=dead.folders())
    for _ in range(2):
        samples = look.samples()
        assert samples["agtop_sessions_started_total", "claude"] == 1
        assert samples["agtop_agent_up", "claude"] == 0
    dead.revive()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while look.samples()["agtop_sessions_started_total", "claude"] == 1:
        assert time.monotonic() < deadline
    assert look.samples()["agtop_agent_up", "claude"] == 1
    dead.shut()
    samples = look.samples()
    assert samples["agtop_agent_up", "claude"] == 0
    assert samples["agtop_sessions_started_total", "claude"] == 2
    assert total(samples, "agtop_source_resets_total") == 0
    look.pipeline.close()


@pytest.mark.long
def test_a_home_that_stops_responding_for_a_while_loses_nothing(tmp_path, dead):
    home, other = tmp_path / "home", dead.path / "home"
    claude_session(home, 1)
    dead.gate.unlink()  # it responds
    chat = codex_chat(other)
    path = chat.write()
    look = Look(home, other, agents=[claude.AGENT, codex.AGENT], folders=dead.folders())
    assert total(look.samples(), "agtop_tokens_total", "codex") == 50
    dead.shut()
    samples = look.samples()
    assert samples["agtop_agent_up", "codex"] == 0
    assert total(samples, "agtop_tokens_total", "codex") == 50
    chat.count(usage(5), usage(55)).write()
    dead.revive()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (samples := look.samples())["agtop_agent_up", "codex"] == 0:
        assert time.monotonic() < deadline
    assert total(samples, "agtop_tokens_total", "codex") == 55
    assert total(samples, "agtop_source_resets_total") == 0
    assert samples["agtop_scan_bytes_total", "codex"] == path.stat().st_size
    look.pipeline.close()


# --- processes --------------------------------------------------------------------------------

AFTERNOON = NOW + 3 * 3600  # after the sessions of that day, which began after the processes


def running(*cwds):
    """Return a machine with a process of Claude Code in each folder, in the order of pids."""
    reader = StaticReader()
    for pid, cwd in enumerate(cwds, start=10):
        reader.put(process(pid, "claude", cwd=str(cwd)))
    return ProcessTracker(reader, signatures=SIGNATURES, uids=frozenset({1000}))


def pids(look):
    return {
        session.session_id[-1]: session.process.pid
        for session in look.at(AFTERNOON).sessions
        if session.process
    }


@pytest.mark.long
def test_a_session_has_its_process_whatever_its_folder(tmp_path, dead):
    """If the real path is unknown, the path is compared unchanged."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for number, cwd in enumerate([tmp_path / "link", dead.path / "engine", dead.path / "loom"]):
        claude_session(tmp_path, number, cwd, day="2027-01-15")
    claude_session(tmp_path, 9, dead.path / "engine", day="2020-01-15")
    machine = running(dead.path / "engine", tmp_path / "real")
    look = Look(tmp_path, agents=[claude.AGENT], processes=machine, folders=dead.folders())
    for _ in range(2):
        assert pids(look) == {"0": 11, "1": 10}
    look.pipeline.close()


def test_the_directory_of_an_older_session_is_resolved_for_an_older_process(tmp_path):
    for number, day in enumerate(["2027-01-15", "2026-12-15"]):
        (tmp_path / f"real{number}").mkdir()
        (tmp_path / f"link{number}").symlink_to(tmp_path / f"real{number}")
        claude_session(tmp_path, number, tmp_path / f"link{number}", day=day)
    reader = StaticReader()
    reader.put(process(10, "claude", cwd=str(tmp_path / "real0")))
    machine = ProcessTracker(reader, signatures=SIGNATURES, uids=frozenset({1000}))
    look = Look(tmp_path, agents=[claude.AGENT], processes=machine)
    assert pids(look) == {"0": 10}
    reader.put(process(11, "claude", start=-60 * 86_400, cwd=str(tmp_path / "real1")))
    assert pids(look) == {"0": 10, "1": 11}


@pytest.mark.long
def test_a_registry_that_does_not_respond_stops_no_refresh(tmp_path, gate, guard):
    claude_session(tmp_path, 1, tmp_path, day="2027-01-15")
    read = gate.blocking(claude.AGENT.live_registry)
    agent = msgspec.structs.replace(claude.AGENT, live_registry=read)
    look = Look(tmp_path, agents=[agent], processes=running(tmp_path), guard=guard)
    gate.shut()
    assert pids(look) == {"1": 10}
    samples = look.samples(AFTERNOON)
    assert samples["agtop_agent_up", "claude"] == 0
    gate.open()
    assert look.samples(AFTERNOON)["agtop_agent_up", "claude"] == 1
