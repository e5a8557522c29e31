"""Real processes, with the names and the structure of real agents, are found and matched."""

import json
import os
import sys

import pytest
from processes.builders import SIGNATURES, U1, U2, U3
from processes.running import IDLE, clock, stat_fields
from programs import find_program

from agtop_exporter.agents.claude.processes import read_registry
from agtop_exporter.model import SessionKey, SessionState, SessionUpdate
from agtop_exporter.processes.evidence import gather
from agtop_exporter.processes.facts import Matches
from agtop_exporter.processes.match import match
from agtop_exporter.processes.source import system_processes, users_of
from agtop_exporter.processes.usage import TreeUsage, advance, process_match

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
HOLD = """import sys; files = [open(x, "a") for x in sys.argv[1:]]; print(1, flush=True)
sys.stdin.read()"""
FORK = """import os, sys; child = os.fork()
if child: print(child, flush=True)
sys.stdin.read()"""


class Watch:
    """Matches real processes, as the daemon does."""

    def __init__(self, running, *sessions):
        self.source = system_processes(str(running.proc), signatures=SIGNATURES, uids=users_of(()))
        self.sessions = {item.key: item for item in sessions}
        self.matches, self.usage = Matches(), TreeUsage()
        self.registry = ()

    def refresh(self):
        """Return the published process of each session, by session id."""
        table = self.source.sample(clock())
        evidence = gather(table, self.sessions, signatures=SIGNATURES, registry=self.registry)
        self.matches = match(table, self.sessions, evidence, previous=self.matches)
        turn = advance(self.usage, table, matches=self.matches)
        self.usage, self.table = turn.state, table
        found = {
            key.session_id: process_match(self.matches, turn.sessions, key) for key in self.sessions
        }
        return {name: shown for name, shown in found.items() if shown}


def session(agent, session_id, folder, *, start=0.0):
    facts = SessionUpdate(
        session_id,
        cwd=os.path.realpath(folder),
        started_at=clock() + start,
        last_active=clock() + 60,
    )
    return SessionState(0, agent, session_id, facts)


def summary(found):
    return {name: (shown.pid, shown.confidence, *shown.evidence) for name, shown in found.items()}


@pytest.mark.slow
def test_a_native_claude_with_its_registry(running, tmp_path):
    claude = running.start(running.program("claude"), code=IDLE)
    registry = tmp_path / "dot" / "sessions"
    registry.mkdir(parents=True)
    said = {"pid": claude.pid, "sessionId": U1, "procStart": stat_fields(claude.pid)[19]}
    said |= {"status": "waiting", "waitingFor": "permission prompt"}
    (registry / f"{claude.pid}.json").write_text(json.dumps(said))
    watch = Watch(running, session("claude", U1, "/"), session("claude", U2, tmp_path))
    watch.registry = read_registry(registry.parent, agent="claude").entries
    found = watch.refresh()
    assert summary(found) == {U1: (claude.pid, "high", "registry")}
    assert found[U1].usage.rss_bytes > 1_000_000
    assert watch.matches.bindings[SessionKey("claude", U1)].waiting_for == "permission prompt"
    running.end(claude)
    gone = watch.refresh()[U1]
    assert (gone.pid, gone.liveness, gone.usage) == (claude.pid, "stopped", None)
    assert watch.refresh() == {}


@pytest.mark.slow
def test_a_zombie_counts_as_ended(running):
    claude = running.start(running.program("claude"), "-c", IDLE, "--resume", U1)
    watch = Watch(running, session("claude", U1, "/elsewhere"))
    assert watch.refresh()[U1].liveness == "live"
    claude.kill()
    os.waitid(os.P_PID, claude.pid, os.WEXITED | os.WNOWAIT)
    assert stat_fields(claude.pid)[0] == "Z"
    assert watch.refresh()[U1].liveness == "stopped"
    assert watch.refresh() == {}
    assert claude.pid not in {process.pid for process in watch.table.roots}


@pytest.mark.slow
def test_a_fork_is_no_second_agent(running, tmp_path):
    """Agents in Python have workers that have the name and the arguments of the agent."""
    claude = running.start(running.program("claude"), code=FORK)
    watch = Watch(running, session("claude", U1, tmp_path))
    found = watch.refresh()
    assert summary(found) == {U1: (claude.pid, "medium", "cwd", "start_time", "recency")}
    assert found[U1].usage.processes == 2
    roots = {member.pid: root.pid for member, root in watch.table.roots.items()}
    assert roots == {claude.pid: claude.pid, int(claude.word): claude.pid}


@pytest.mark.slow
def test_a_folder_whose_name_is_not_utf_8(running, tmp_path):
    """Agents write U+FFFD for bytes that are not UTF-8."""
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102 - a Path is text
    claude = running.start(running.program("claude"), code=IDLE, cwd=folder)
    watch = Watch(running, session("claude", U1, folder.decode(errors="replace")))
    assert watch.refresh()[U1].pid == claude.pid


@pytest.mark.slow
def test_a_holder_of_an_open_rollout(running, tmp_path):
    folder = tmp_path / "sessions/2026/01/02"
    folder.mkdir(parents=True)
    rollout = folder / f"rollout-2026-01-02T03-04-05-{U1}.jsonl"
    rollout.touch()
    codex = running.start(running.program("codex"), "-c", HOLD, rollout)
    found = Watch(running, session("codex", U1, "/")).refresh()
    assert summary(found) == {U1: (codex.pid, "high", "open_file")}


@pytest.mark.slow
def test_a_newcomer_that_only_reads_the_transcripts_has_none_of_them(running, tmp_path):
    """Gemini CLI reads every transcript of the project while it starts."""
    transcript = tmp_path / f"{U1}.jsonl"
    transcript.touch()
    writer = running.start(running.program("gemini"), "-c", HOLD, transcript)
    read = HOLD.replace('"a"', '"r"')
    newcomer = running.start(running.program("gemini"), "-c", read, transcript)
    watch = Watch(running, session("gemini", U1, "/"))
    assert summary(watch.refresh()) == {U1: (writer.pid, "high", "open_file")}
    newcomer.kill()
    newcomer.wait()
    assert watch.refresh()[U1].liveness == "live"


@pytest.mark.slow
def test_two_in_one_folder(running, tmp_path):
    one = running.start(running.program("opencode"), code=IDLE)
    watch = Watch(running, session("opencode", "ses_1", tmp_path))
    assert summary(watch.refresh())["ses_1"][:2] == (one.pid, "medium")
    two = running.start(running.program("opencode"), code=IDLE)
    second = session("opencode", "ses_2", tmp_path, start=1)
    watch.sessions[second.key] = second
    found = summary(watch.refresh())
    assert {name: pid for name, (pid, *_) in found.items()} == {"ses_1": one.pid, "ses_2": two.pid}


@pytest.mark.slow
def test_gemini_cli_as_it_installs_itself(running, tmp_path):
    """The outer node starts the inner one; `bin/gemini` is a link into the package."""
    node = find_program("node")
    package = tmp_path / "lib/node_modules/@google/gemini-cli/bundle"
    package.mkdir(parents=True)
    (package / "gemini.js").write_text(
        """const { spawn } = require("child_process");
        if (!process.env.GEMINI_CLI_NO_RELAUNCH) {
          spawn(process.execPath, ["--max-old-space-size=1205", ...process.argv.slice(1)],
            { stdio: "inherit", env: { ...process.env, GEMINI_CLI_NO_RELAUNCH: "true" } })
            .on("exit", (code) => process.exit(code));
        } else {
          console.log(process.pid);
          process.stdin.on("end", () => process.exit(0)).resume();
        }"""
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gemini").symlink_to(package / "gemini.js")
    outer = running.start(node, tmp_path / "bin/gemini", "--prompt", "restart the daemon codex")
    watch = Watch(running, session("gemini", U1, tmp_path))
    found = watch.refresh()
    assert found[U1].pid == int(outer.word) != outer.pid
    assert found[U1].usage.processes == 2
    assert watch.matches.orphans == ()


@pytest.mark.slow
def test_a_chain_of_wrappers(running, tmp_path):
    """`npx @openai/codex`: npx, sh, a node script of the package, the native program."""
    outer = running.start_with_npx(find_program("node"), U1)
    watch = Watch(running, session("codex", U1, "/"), session("codex", U2, tmp_path))
    found = watch.refresh()
    assert summary(found) == {U1: (int(outer.word), "high", "argv")}
    assert found[U1].usage.processes == 4
    assert watch.matches.orphans == ()


@pytest.mark.slow
def test_an_sdk_session_and_a_tool_server(running):
    sdk = ("--output-format", "stream-json", "--input-format", "stream-json", "--resume", U3)
    claude = running.start(running.program("claude"), "-c", IDLE, *sdk)
    helper = running.start(running.program("codex"), "-c", IDLE, "mcp-server")
    watch = Watch(running, session("claude", U3, "/"))
    assert summary(watch.refresh()) == {U3: (claude.pid, "high", "argv")}
    assert helper.pid not in {item.pid for item in watch.table.roots}


@pytest.mark.slow
def test_a_tool_belongs_to_the_session_that_started_it(running, tmp_path):
    tool = f"""import subprocess, sys
child = subprocess.Popen([{sys.executable!r}, "-c", {IDLE!r}], stdin=0, stdout=subprocess.PIPE)
child.stdout.readline(); print(child.pid, flush=True); sys.stdin.read(); child.wait()"""
    claude = running.start(running.program("claude"), "-c", tool, "--resume", U1)
    watch = Watch(running, session("claude", U1, tmp_path))
    assert watch.refresh()[U1].usage.processes == 2
    assert {item.pid for item in watch.table.roots} >= {claude.pid, int(claude.word)}
