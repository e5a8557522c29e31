"""Starts a stream of short-lived agent processes on this machine.

Run as a program, this file is an agent that starts and ends children until its input closes. Some
children never execute a program, some are zombies for a while, and some lose their parent. It needs
the standard library only, because a copy of the interpreter runs it.
"""
# ruff: noqa: S606  (a child executes programs of ours)

import ctypes
import os
import random
import select
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

WAYS = ("stay", "orphan", "tool", "agent", "chain")
SCRIPTS = (":", "sleep 0.03", "(sleep 0.03; :) & :")
LONGEST_SECONDS = 0.03  # between a child's fork and its end or its exec
ZOMBIE_SECONDS = 0.2  # at most, until the agent waits for a child that has ended
PR_SET_CHILD_SUBREAPER = 36  # prctl(2): orphans become children of the agent, which waits for them


@contextmanager
def churn(running, *, per_second, tools=0):
    """Run an agent with `tools` idle children that starts `per_second` short-lived ones.

    `running` is a `processes.running.Running`. Yield the process of the agent.
    """
    other_agent = running.folder / "bin" / "codex"
    other_agent.parent.mkdir(exist_ok=True)
    if not other_agent.exists():
        shutil.copy(shutil.which("sh"), other_agent)
    agent = running.program("claude")
    process = running.start(agent, __file__, other_agent, per_second, tools)
    try:
        yield process
    finally:
        running.end(process)


def main(other_agent, per_second, tools):
    """Start children until the standard input closes, then wait for all of them."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    idle = [subprocess.Popen(["cat"], stdin=subprocess.PIPE) for _ in range(tools)]
    print("ready", flush=True)  # noqa: T201 - what `Running.start` waits for
    next_wait = 0.0
    while not select.select([sys.stdin], [], [], 1 / per_second)[0]:
        way, script = random.choice(WAYS), random.choice(SCRIPTS)
        delay = random.uniform(0, LONGEST_SECONDS)
        if not os.fork():
            live(way, other_agent, script, delay)
        if time.monotonic() >= next_wait:
            wait(os.WNOHANG)
            next_wait = time.monotonic() + ZOMBIE_SECONDS
    for tool in idle:
        tool.stdin.close()
    wait(0)


def wait(options):
    """Wait for the children that have ended; with no options, for all children."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


def live(way, other_agent, script, delay):
    """Run a child: stay a copy of the agent, lose the parent, or become a tool or an agent."""
    try:
        if way == "orphan" and os.fork():
            os._exit(0)
        time.sleep(delay)
        if way == "tool":
            os.execlp("sleep", "sleep", "0.03")
        elif way == "agent":
            os.execl(other_agent, "codex", "-c", script)
        elif way == "chain":
            os.execlp("sh", "sh", "-c", 'exec "$0" -c "$1"', other_agent, script)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
