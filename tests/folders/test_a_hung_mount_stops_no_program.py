"""With a FUSE file system that never responds, the daemon and the commands work and end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from places import SUPPORT
from processes.running import Running
from programs import find_program
from running import daemon, run, total
from small_homes import claude_file, claude_turns, session_id
from transcripts import Codex, usage

pytestmark = pytest.mark.integration

SERVER = SUPPORT / "hung_mount.py"
STOP_SECONDS = 10


class HungMount:
    """A folder in which calls never return, for programs that run in its namespace."""

    def __init__(self, folder, mode):
        unshare, nsenter = find_program("unshare"), find_program("nsenter")
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        self.folder = folder
        self._server = subprocess.Popen(
            [
                *(unshare, *as_root, "--mount", "--propagation", "private"),
                *(sys.executable, SERVER, folder, mode),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._said = self._server.stdout.readline().strip()
        if self._said != "mounted":
            self.end()
            pytest.skip(f"this machine mounts no FUSE file system of ours: {self._said}")
        as_them = ["--user", "--preserve-credentials"] if as_root else []
        self.within = [nsenter, "--target", str(self._server.pid), *as_them, "--mount"]

    def end(self):
        """Kill the server. The kernel then ends every call, and unmounts with the last program."""
        self._server.send_signal(signal.SIGKILL)
        self._server.communicate(timeout=20)


@pytest.fixture(params=["read", "ignore"])
def hung(request, tmp_path):
    """Return the mount in both modes; with `read`, callers cannot be killed."""
    if not Path("/dev/fuse").exists():
        pytest.skip("this machine has no /dev/fuse")
    folder = tmp_path / "mnt"
    folder.mkdir()
    mount = HungMount(folder, request.param)
    yield mount
    mount.end()


@pytest.fixture
def home(tmp_path, hung):
    """Return a home with five Claude Code sessions, four of them in the mount, and one of Codex."""
    home = tmp_path / "home"
    for number in range(1, 6):
        cwd = tmp_path / "alive" if number == 1 else hung.folder / f"project{number}"
        turns = claude_turns(number, range(2)).replace("/tmp/alpha", str(cwd))
        claude_file(home, number, f"p{number}").write_text(turns)
    chat = Codex(home / ".codex/sessions/2026/03/02")
    chat.turn().count(usage(50), usage(50)).write()
    return home


@pytest.fixture
def flags(tmp_path):
    """Return the flags of every command: no processes of this machine, and no stored state."""
    with Running(tmp_path) as machine:
        yield ("--procfs", machine.proc, "--no-pricing-refresh", "--no-state")


def the_warning(log):
    """Return the only warning of a log."""
    lines = [line for line in log if "warning" in line]
    assert len(lines) == 1, log
    return lines[0]


@pytest.mark.long
def test_the_daemon_serves_the_others_and_stops(hung, home, flags):
    with daemon(home, *flags, within=hung.within, interval=0.2) as running:
        running.until_ready()
        samples = running.samples()
        code, seconds = running.end()
    assert total(samples, "agtop_sessions_started_total", agent="claude") == 5
    assert total(samples, "agtop_sessions_started_total", agent="codex") == 1
    assert total(samples, "agtop_project_tokens_total", project="alive") == 400
    for number in range(2, 6):
        assert total(samples, "agtop_project_tokens_total", project=f"project{number}") == 400
    assert total(samples, "agtop_agent_up") == 2
    assert total(samples, "agtop_scan_errors_total", agent="claude") == 1
    assert code == 0
    assert seconds < STOP_SECONDS
    line = the_warning(running.log)
    assert str(hung.folder) in line
    assert "does not respond" in line


@pytest.mark.long
def test_the_daemon_stops_in_its_first_look(hung, home, flags):
    with daemon(home, *flags, within=hung.within) as running:
        code, seconds = running.end()
    assert code == 0
    assert seconds < STOP_SECONDS


@pytest.mark.long
def test_the_commands_end(hung, home, flags):
    done = run("agtop", "json", *flags, home=home, within=hung.within)
    sessions = {one["session_id"]: one for one in json.loads(done.stdout)["sessions"]}
    assert len(sessions) == 6
    assert sessions[session_id(1)]["project"] == "alive"
    assert sessions[session_id(2)]["project"] == "project2"
    [line] = done.stderr.splitlines()
    assert line == (
        f"agtop-exporter: warning: cannot read folder: path={hung.folder} reason=does not respond"
    )
    done = run("agtop-exporter", "doctor", *flags, home=home, within=hung.within, check=False)
    assert done.returncode == 1
    assert f"  ! cannot read {hung.folder}: does not respond\n" in done.stdout


@pytest.mark.long
def test_an_agents_folders_and_a_home_there_are_skipped(hung, home, flags):
    (home / ".pi").symlink_to(hung.folder / "pi")
    (home / ".qwen").symlink_to(hung.folder / "qwen")
    homes = ("--home", home, "--home", hung.folder / "home")
    done = run("agtop", "json", *flags, *homes, home=home, within=hung.within)
    assert len(json.loads(done.stdout)["sessions"]) == 6
    with daemon(home, *flags[:-1], *homes, within=hung.within) as running:
        running.until_ready()
        samples = running.samples()
        code, seconds = running.end()
    assert total(samples, "agtop_sessions_started_total") == 6
    assert total(samples, "agtop_agent_up") == 0
    assert code == 0
    assert seconds < STOP_SECONDS
    line = the_warning(running.log)
    assert str(hung.folder) in line


LEFT_OVER = """
import multiprocessing, sys, time
from agtop_exporter.cli import output

process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
process.start()
print(process.pid, flush=True)
with output.not_kept_by_children():
    sys.exit(3)
"""


@pytest.mark.slow
def test_a_program_does_not_wait_for_a_child_at_its_end():
    done = subprocess.Popen([sys.executable, "-c", LEFT_OVER], stdout=subprocess.PIPE, text=True)
    pid = int(done.stdout.readline())
    try:
        assert done.wait(20) == 3
    finally:
        os.kill(pid, signal.SIGKILL)
        done.stdout.close()
