"""Starts real processes for tests. Each prints a word when it is ready, and ends with its input.

The machine may also run real agents, so there is a /proc that contains the tests' processes only.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

IDLE = "import sys; print('ready', flush=True); sys.stdin.read()"


class Running:
    """Starts processes, and ends all of them after the test. `proc` contains only them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.proc = folder / "proc"
        self._stack = ExitStack()
        self.proc.mkdir()
        for name in ("stat", "sys", "uptime", "net"):
            (self.proc / name).symlink_to(f"/proc/{name}")
        (self.proc / "1").symlink_to(f"/proc/{os.getpid()}")  # stands for the machine's first

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self._stack.close()

    def program(self, name):
        """Return a native program with an agent's name, which is a copy of this Python."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            shutil.copy(Path(sys.executable).resolve(), path)
        return path

    def start(self, *argv, cwd=None, code=None):
        """Start a process and return it after its first line of output."""
        words = [str(word) for word in argv] + (["-c", code] if code else [])
        environment = dict(os.environ)
        # A copied interpreter finds its library by this.
        environment["PYTHONHOME"] = sys.base_prefix
        process = subprocess.Popen(
            words,
            cwd=cwd or self.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(self.end, process)
        process.word = process.stdout.readline().strip()
        assert process.word, f"{words[0]} did not start"
        self._show(process.pid)
        return process

    def start_with_npx(self, node, session_id):
        """Start `npx @openai/codex`: npx, sh, a node script of the package, the native program.

        Return the process of npx. Its `word` is the pid of the native program.
        """
        package = self.folder / "node_modules/@openai/codex/bin/codex.js"
        package.parent.mkdir(parents=True)
        start = (
            'require("child_process").spawn(%s, %s, {stdio: "inherit"}).on("exit", process.exit)'
        )
        native = str(self.program("codex"))
        code = f"import os; print(os.getpid(), flush=True); {IDLE}"
        package.write_text(
            start % (json.dumps(native), json.dumps(["-c", code, "resume", session_id]))
        )
        npx = self.folder / "npx"
        shell = json.dumps(["-c", f'"{node}" "{package}"; exit'])  # "; exit" keeps sh from exec
        npx.write_text(start % ('"sh"', shell))
        return self.start(node, npx, "@openai/codex")

    def _show(self, pid):
        (self.proc / str(pid)).symlink_to(f"/proc/{pid}")
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            self._show(child)

    @staticmethod
    def end(process):
        """End a process and its descendants, and wait for it."""
        if process.poll() is None:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdin.close()
        process.stdout.close()


def clock():
    """Return the current time in unix seconds."""
    return time.time()


def stat_fields(pid):
    """Read the fields of /proc/PID/stat after the name, without the code under test."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def disk_bytes(pid):
    """Read /proc/PID/io without the code under test."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    figures = dict(line.split(": ") for line in lines)
    written = int(figures["write_bytes"]) - int(figures["cancelled_write_bytes"])
    return int(figures["read_bytes"]), written
