"""A home with generated activity: transcripts that grow, and processes that look like agents.

The number of written tokens is kept in `written`, by (agent, model, token type).
"""

import json
import os
import time
from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from processes.running import Running, stat_fields

from agtop_exporter.model import TOKEN_TYPES

WORK = (  # takes a little processor time until its input closes
    "import select, sys\n"
    "print('ready', flush=True)\n"
    "while not select.select([sys.stdin], [], [], 0.2)[0]:\n"
    "    sum(range(400_000))\n"
)
HOLD = "import sys; file = open(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"
DAY = 86_400


def session_id(number):
    return str(UUID(int=0xA6_70_00 + number, version=4))


class LivingHome:
    """Sessions of Claude Code and Codex below one home."""

    def __init__(self, home):
        self.home = home
        self.written = Counter()
        self._born = datetime.fromtimestamp(now(), tz=UTC)
        self._numbers = {"tool": 0, "answer": 0}
        self._codex_totals = Counter()
        self.waiting = None  # the process of a session that waits for its human
        home.mkdir(parents=True, exist_ok=True)
        self._running = Running(home)
        self.proc = self._running.proc  # shows the processes of these sessions only

    def __enter__(self):
        self._running.__enter__()
        return self

    def __exit__(self, *problem):
        self._running.__exit__(*problem)

    # --- Claude Code ------------------------------------------------------------------------

    def claude_path(self, number, project):
        """Return the path of a session's transcript."""
        folder = self.home / ".claude" / "projects" / f"-src-{project}"
        return folder / f"{session_id(number)}.jsonl"

    def claude(self, number, project, *records, age=0.0):
        """Append records to the transcript of a session."""
        own = {
            "isSidechain": False,
            "sessionId": session_id(number),
            "timestamp": moment(age),
            "cwd": f"/src/{project}",
            "version": "2.1.197",
        }
        _append(self.claude_path(number, project), *({**own, **record} for record in records))

    def prompt(self, number, project, **how):
        """Append a prompt."""
        self._numbers["answer"] += 1
        message = {"role": "user", "content": "Go on"}
        record = {"type": "user", "uuid": f"prompt-{self._numbers['answer']}", "message": message}
        self.claude(number, project, record, **how)

    def answer(self, number, project, *, model="claude-sonnet-4-5", tools=(), size=1, **how):
        """Append a response of `size` times (300 input, 9,000 read, 700, 200 written, 400 out).

        `tools` are (name, whether it failed); the results are appended too.
        """
        self._numbers["answer"] += 1
        key = f"{number}-{self._numbers['answer']}"
        counts = [300 * size, 9_000 * size, 700 * size, 200 * size, 400 * size]
        for token_type, count in zip(TOKEN_TYPES, counts, strict=True):
            self.written["claude", model, token_type] += count
        calls = [self._call(name) for name, _ in tools]
        message = {
            "id": f"msg_{key}",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": "Done."}, *calls],
            "stop_reason": "tool_use" if calls else "end_turn",
            "usage": {
                "input_tokens": counts[0],
                "cache_read_input_tokens": counts[1],
                "cache_creation_input_tokens": counts[2] + counts[3],
                "cache_creation": {
                    "ephemeral_5m_input_tokens": counts[2],
                    "ephemeral_1h_input_tokens": counts[3],
                },
                "output_tokens": counts[4],
            },
        }
        record = {"type": "assistant", "requestId": f"req_{key}", "message": message}
        self.claude(number, project, record, **how)
        for call, (_, failed) in zip(calls, tools, strict=True):
            block = {"type": "tool_result", "tool_use_id": call["id"], "content": "out"}
            block |= {"is_error": True} if failed else {}
            message = {"role": "user", "content": [block]}
            self.claude(number, project, {"type": "user", "message": message}, **how)

    def _call(self, name):
        self._numbers["tool"] += 1
        return {
            "type": "tool_use",
            "id": f"toolu_{self._numbers['tool']}",
            "name": name,
            "input": {},
        }

    def compact(self, number, project):
        """Append the record of a compaction."""
        self._numbers["answer"] += 1
        uuid = f"compact-{self._numbers['answer']}"
        record = {"type": "system", "subtype": "compact_boundary", "uuid": uuid}
        self.claude(number, project, record)

    def open_claude(self, number, status):
        """Start a process that registers itself and keeps a session open; return it."""
        process = self._running.start(self._running.program("claude"), code=WORK)
        self.register(process.pid, number, status)
        return process

    def register(self, pid, number, status, *, ticks=None):
        """Write the registry entry of a process, as Claude Code does.

        `ticks` is the start of a process that does not really run.
        """
        self.registry.mkdir(parents=True, exist_ok=True)
        said = {
            "pid": pid,
            "sessionId": session_id(number),
            "procStart": stat_fields(pid)[19] if ticks is None else str(ticks),
            "status": status,
        }
        (self.registry / f"{pid}.json").write_text(json.dumps(said))

    @property
    def registry(self):
        """The folder of the registry."""
        return self.home / ".claude" / "sessions"

    def fail(self, number, project):
        """Append the record of a failed request."""
        content = [{"type": "text", "text": "API Error"}]
        message = {"role": "assistant", "model": "<synthetic>", "content": content}
        self.claude(
            number, project, {"type": "assistant", "isApiErrorMessage": True, "message": message}
        )

    # --- Codex ------------------------------------------------------------------------------

    def codex_path(self, number):
        """Return the path of a thread's rollout."""
        day = self._born  # a rollout stays where it was begun, also after midnight
        folder = self.home / ".codex" / "sessions" / day.strftime("%Y/%m/%d")
        return folder / f"rollout-{day:%Y-%m-%d}T00-00-00-{session_id(number)}.jsonl"

    def open_codex(self, number, project):
        """Start a thread, and a process that keeps its rollout open."""
        meta = {"id": session_id(number), "cwd": f"/src/{project}", "cli_version": "0.169.0"}
        self.codex(number, ("session_meta", meta))
        self.codex(number, ("turn_context", {"model": "gpt-5-codex", "effort": "high"}))
        path = self.codex_path(number)
        self._running.start(self._running.program("codex"), "-c", HOLD, path)

    def codex(self, number, *records):
        """Append records to a rollout."""
        lines = ({"timestamp": moment(), "type": kind, "payload": p} for kind, p in records)
        _append(self.codex_path(number), *lines)

    def count(self, number, *, size=1, used_percent=40.0):
        """Append a turn of `size` times (1,000 input, 6,000 of it cached; 500 out, 200 thought)."""
        last = {"input_tokens": 7_000, "cached_input_tokens": 6_000, "output_tokens": 500}
        last |= {"reasoning_output_tokens": 200, "total_tokens": 7_500}
        last = {name: value * size for name, value in last.items()}
        self._codex_totals.update(last)
        for token_type, count in (("input", 1_000), ("cache_read", 6_000), ("output", 500)):
            self.written["codex", "gpt-5-codex", token_type] += count * size
        info = {
            "total_token_usage": dict(self._codex_totals),
            "last_token_usage": last,
            "model_context_window": 258_400,
        }
        limits = {
            "primary": window(used_percent, 300, now() + 4_000),
            "secondary": window(used_percent / 2, 10_080, now() + 3 * DAY),
        }
        said = {"type": "token_count", "info": info, "rate_limits": limits}
        prompt = {"type": "user_message", "message": "Go on"}
        self.codex(number, ("event_msg", prompt), ("event_msg", said))

    def open_idle_codex(self):
        """Start a Codex process without a session."""
        elsewhere = self.home / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        program = self._running.program("codex")
        self._running.start(program, cwd=elsewhere, code=WORK)

    # --- accidents --------------------------------------------------------------------------

    def spoil(self, number, project):
        """Append invalid lines, and a record of an unknown type."""
        with self.claude_path(number, project).open("ab") as file:
            file.write(b'{"type":"assistant","message":\xff}\n' * 9)
        self.claude(number, project, {"type": "brand-new-record"})

    def delete(self, number, project):
        """Delete a transcript, as Claude Code does after 30 days."""
        self.claude_path(number, project).unlink()

    def truncate(self, number, project):
        """Empty a transcript."""
        os.truncate(self.claude_path(number, project), 0)


def now():
    """Return the current time for records and processes."""
    return time.time()


def moment(age=0.0):
    time_ = datetime.fromtimestamp(now() - age, tz=UTC)
    return time_.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def window(used_percent, minutes, resets_at):
    return {"used_percent": used_percent, "window_minutes": minutes, "resets_at": resets_at}


def _append(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


def begin(home):
    """Fill a home with the records of an afternoon, so that every panel has data."""
    for back in range(3):
        home.prompt(1, "shop", age=300 - back)
        home.answer(1, "shop", age=300 - back, size=1 + back)
    home.prompt(2, "engine", age=200)
    home.answer(2, "engine", age=199, model="claude-opus-4-5", tools=[("Bash", True)])
    home.prompt(3, "site", age=150)
    home.answer(3, "site", age=149, tools=[("mcp__github__search", False)])
    home.open_claude(1, "busy")
    home.waiting = home.open_claude(2, "waiting")
    home.open_claude(3, "idle")
    home.open_claude(3, "idle")  # the same session again
    home.open_codex(11, "engine")
    home.open_idle_codex()
    home.count(11)


def live(home, turn):
    """Write the records of about one second."""
    home.prompt(1, "shop")
    home.answer(1, "shop", tools=[("Read", False), ("Edit", turn % 3 == 0)], size=1 + turn % 4)
    home.answer(3, "site", model="claude-haiku-4-5", size=2)
    if turn % 2:
        home.count(11, size=1 + turn % 3, used_percent=40.0 + turn / 4)
    if turn % 5 == 1:
        home.answer(2, "engine", model="claude-opus-4-5", tools=[("Bash", turn % 2)], size=3)
