"""With `hidepid`, processes of other users are hidden: their sessions count, without a process."""

import json
import os
import shutil
import subprocess

import pytest
from running import run
from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns

pytestmark = pytest.mark.integration

OWNER = 65_534  # another user than the one that runs the tests
SCRIPT = """
mount -t proc -o hidepid=%s,gid=%d proc /proc || exit
setpriv --reuid=%d --clear-groups sh -c "sleep 60 >/dev/null 2>&1 &"
setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace -- "$@"
"""  # without this capability and the group of the mount, root is subject to hidepid;
# a shell of the other user starts `sleep`, so that it has its owner before the test looks


def within(hidepid):
    """Return a command prefix: a /proc that hides the processes of other users."""
    script = SCRIPT % (hidepid, OWNER, OWNER)
    return ("unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "sh")


def owners(prefix):
    """Return the owners of the processes that a command sees."""
    command = [*prefix, "sh", "-c", "stat -c %u /proc/[0-9]*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


@pytest.mark.long
@pytest.mark.parametrize("hidepid", [1, 2])
def test_sessions_are_counted_and_have_no_process(tmp_path, hidepid):
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can mount /proc and give a home to another user")
    prefix = within(hidepid)
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let root mount /proc")
    assert (str(OWNER) in owners(prefix)) is (hidepid == 1)
    claude_file(tmp_path).write_text(claude_turns(1, range(2)))
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, OWNER, OWNER)
    flags = ("--no-state", "--no-pricing-refresh")
    done = run("agtop", "json", *flags, home=tmp_path, within=prefix, AGTOP_PROCFS="/proc")
    (session,) = json.loads(done.stdout)["sessions"]
    assert session["tokens"]["total"] == 2 * TOKENS_OF_A_TURN
    assert session["process"] is None
    assert done.stderr == ""
