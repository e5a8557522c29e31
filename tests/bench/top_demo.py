"""Runs `agtop top` on an invented home with live processes, to look at it and to draw pictures.

    python tests/bench/top_demo.py FOLDER          runs the view in this terminal
    python tests/bench/top_demo.py FOLDER --serve  keeps the processes, and prints the command

The processes are copies of this Python with the names of agents. They end with this program.
"""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support")]

from processes.running import IDLE, Running, stat_fields  # noqa: E402 - after the path

WORK = (  # takes a little processor time and writes until its input closes
    "import os, select, sys\n"
    "file = open('out', 'wb')\n"
    "print('ready', flush=True)\n"
    "while not select.select([sys.stdin], [], [], 0.1)[0]:\n"
    "    sum(range(400_000)); file.write(b'x' * 200_000); file.flush()\n"
)
SERVER = (
    "import socket,subprocess,sys\ns=socket.create_server(('127.0.0.1',0))\n"
    "p=subprocess.Popen([sys.executable,'-c','import sys;sys.stdin.read()'])\n"
) + IDLE
PROJECTS = ("webshop", "docs", "engine", "billing", "日本語サイト", "infra", "mobile", "search")
TITLES = (
    "Fix the checkout when the cart is empty",
    "Write the guide for operators",
    "Make the parser faster",
    "Send invoices as PDF 🎉",
    "ランディングページの翻訳を直す",
    "Move the cluster to new nodes",
    "Crash on Android 16 at start",
    "Index titles in Chinese 中文标题",
)


def stamp(seconds):
    """Return a time as transcripts write it."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Session:
    """A session of Claude Code that grows by one answer at a time."""

    def __init__(self, home, number, cwd, model="claude-sonnet-4-5-20250929"):
        self.id = f"{number:08x}-1111-4111-8111-111111111111"
        self.model, self.cwd, self.answers = model, cwd, 0
        self.path = home / ".claude/projects" / f"-{number}" / f"{self.id}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, *records):
        """Append records."""
        with self.path.open("a") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)

    def begin(self, title, at):
        """Write the title and the first prompt."""
        self.add(
            {"type": "ai-title", "aiTitle": title, "sessionId": self.id}, self.prompt(title, at)
        )

    def prompt(self, text, at):
        """Return a record of a prompt."""
        return self.record("user", at, message={"role": "user", "content": text})

    def record(self, kind, at, **fields):
        """Return a record."""
        shared = {"sessionId": self.id, "cwd": str(self.cwd), "gitBranch": "main"}
        own = {"type": kind, "uuid": f"{self.id}-{kind}-{self.answers}", "timestamp": stamp(at)}
        return {**shared, **own, "version": "2.1.332", **fields}

    def answer(self, at, *, tool="", cached=60_000, output=900, sidechain=""):
        """Append one answer, which calls a tool or ends the turn."""
        self.answers += 1
        content = [{"type": "text", "text": "Done."}]
        if tool:
            name = f"toolu_{self.id[:8]}_{self.answers}"
            content = [{"type": "tool_use", "id": name, "name": tool, "input": {}}]
        usage = {"input_tokens": 40, "cache_read_input_tokens": cached, "output_tokens": output}
        usage["cache_creation_input_tokens"] = 1_200
        message = {"id": f"msg_{self.id[:8]}_{self.answers}", "role": "assistant"}
        message |= {"model": self.model, "content": content, "usage": usage}
        message["stop_reason"] = "tool_use" if tool else "end_turn"
        record = self.record("assistant", at, requestId=f"req_{self.answers}", message=message)
        self.add({**record, "isSidechain": bool(sidechain)})
        if tool and self.answers % 3:
            block = {"tool_use_id": content[0]["id"], "type": "tool_result", "content": "ok"}
            self.add(self.record("user", at, message={"role": "user", "content": [block]}))


def register(home, process, session_id, **said):
    """Write the registry entry of a live process."""
    folder = home / ".claude/sessions"
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"pid": process.pid, "sessionId": session_id, "kind": "interactive"}
    entry |= {"procStart": stat_fields(process.pid)[19], **said}
    (folder / f"{process.pid}.json").write_text(json.dumps(entry))


def build(home, running):
    """Write the sessions, start their processes, and return the sessions that grow."""
    now = time.time()
    growing = []
    for number in range(60):  # old sessions
        old = Session(home, 100 + number, home / PROJECTS[number % len(PROJECTS)])
        at = now - 86_400 * (1 + number / 2)
        old.begin(f"Old task {number}", at)
        for step in range(number % 7 + 1):
            old.answer(at + 60 * step, tool="Bash" if step % 2 else "")
    states = ("waiting", "busy", "busy", "idle", "idle", "busy")
    for number, status in enumerate(states, 1):
        cwd = home / PROJECTS[number - 1]
        cwd.mkdir(parents=True, exist_ok=True)
        model = "claude-opus-4-5-20251101" if number == 3 else "claude-sonnet-4-5-20250929"
        session = Session(home, number, cwd, model)
        session.begin(TITLES[number - 1], now - 3_000)
        for step in range(3 * number):
            tool = ("Read", "Bash", "Edit", "Grep")[step % 4]
            session.answer(now - 900 + 60 * step / number, tool=tool, cached=9_000 * number)
        if status == "idle":
            session.answer(now - 500)
        if status == "busy":
            growing.append(session)
        code = WORK if number == 2 else SERVER if number == 3 else IDLE
        process = running.start(running.program("claude"), cwd=cwd, code=code)
        waiting = {"waitingFor": "permission prompt"} if status == "waiting" else {}
        register(home, process, session.id, status=status, **waiting)
        if number in {2, 3}:
            parent = session.path.with_suffix("") / "subagents"
            for helper in range(number):
                child = Session(home, number, cwd, "claude-haiku-4-5-20251001")
                child.path = parent / f"agent-a{number}{helper}.jsonl"
                child.path.parent.mkdir(parents=True, exist_ok=True)
                child.id = session.id
                agent = {"agentId": f"a{number}{helper}", "isSidechain": True}
                child.add({**child.prompt("Look around", now - 600), **agent})
                child.answers = 10 * helper
                message = {"id": f"msg_sub_{number}{helper}", "role": "assistant"}
                message |= {"model": child.model, "stop_reason": "end_turn", "content": []}
                message["usage"] = {"input_tokens": 3_000, "output_tokens": 700}
                record = child.record("assistant", now - 550, requestId=f"r{number}{helper}")
                child.add({**record, "message": message, **agent})
    running.start(running.program("codex"), cwd=home, code=IDLE)  # without a session
    limits(home, now)
    return growing


def limits(home, now):
    """Write a Codex session that reports rate limits."""
    folder = home / ".codex/sessions/2026/11/30"
    folder.mkdir(parents=True, exist_ok=True)
    thread = "019caa00-0000-7000-8000-000000000001"
    meta = {"id": thread, "timestamp": stamp(now - 400), "cwd": str(home / "search")}
    last = {"input_tokens": 90_000, "cached_input_tokens": 70_000, "output_tokens": 2_500}
    windows = {
        "primary": {"used_percent": 64.0, "window_minutes": 300, "resets_at": int(now + 4_300)},
        "secondary": {"used_percent": 91.0, "window_minutes": 10_080, "resets_at": int(now + 9e4)},
    }
    count = {"type": "token_count", "info": {"last_token_usage": last, "total_token_usage": last}}
    records = (
        ("session_meta", {**meta, "cli_version": "0.169.0"}),
        ("turn_context", {"model": "gpt-5-codex", "cwd": meta["cwd"]}),
        ("event_msg", {"type": "user_message", "message": "Find slow queries"}),
        ("event_msg", {**count, "rate_limits": windows}),
        ("event_msg", {"type": "task_complete", "turn_id": "t"}),
    )
    lines = [
        {"timestamp": stamp(now - 300 + place), "type": kind, "payload": payload}
        for place, (kind, payload) in enumerate(records)
    ]
    (folder / f"rollout-2026-11-30T10-00-00-{thread}.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines)
    )


def main():
    """Build the home, and run the view on it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the processes end too
    folder = Path(sys.argv[1])
    home = folder / "home"
    home.mkdir(parents=True)
    with Running(folder) as running:
        growing = build(home, running)
        script = Path(sys.executable).with_name("agtop")
        command = [str(script), "top", "--no-pricing-refresh", "--procfs", str(running.proc)]
        environment = {**os.environ, "HOME": str(home)}
        if "--serve" in sys.argv:
            print(f"HOME={home}", *command, flush=True)
        view = None if "--serve" in sys.argv else subprocess.Popen(command, env=environment)
        while view is None or view.poll() is None:
            time.sleep(1.5)
            for session in growing:
                session.answer(time.time(), tool="Bash", cached=30_000)


if __name__ == "__main__":
    main()
