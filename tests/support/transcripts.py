"""Writes and reads small transcripts for tests of one agent's reader."""

import json
from pathlib import Path

from driving import read_on

from agtop_exporter.agents import claude, codex
from agtop_exporter.ledger import Ledger

SESSION = "11111111-1111-4111-8111-111111111111"
THREAD = "019caa00-0000-7000-8000-000000000001"


def write(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r, separators=(",", ":")) + "\n" for r in records))
    return path


class Told:
    """The content of a ledger after reading some files of one agent."""

    def __init__(self, agent, *paths: Path) -> None:
        self.agent = agent.name
        self.ledger = Ledger()
        for path in paths:
            read_on(self.ledger, agent, str(path))

    def session(self, session_id):
        """Return a session."""
        return self.ledger.sessions[self.agent, session_id]

    def tokens(self, session_id):
        """Return the tokens of a session, over all models."""
        return self.session(session_id).usage.tokens

    def facts(self, session_id):
        """Return the facts of a session."""
        return self.session(session_id).facts

    def signal(self, session_id):
        """Return the activity of a session."""
        return self.facts(session_id).signal

    def total(self, *series):
        """Return one of the agent's totals."""
        return self.ledger.totals.get((series[0], self.agent, *series[1:]), 0)


class Claude:
    """Builds records of Claude Code with one second between them."""

    def __init__(self, folder, session=SESSION, *, day="2026-03-02", model="claude-sonnet-4-5"):
        self.path = folder / f"{session}.jsonl"
        self.session, self.day, self.model = session, day, model
        self.seconds = 0
        self.version = ""
        self.records = []

    def add(self, kind, **fields):
        """Add a record."""
        self.seconds += 1
        time = f"{self.day}T10:{self.seconds // 60:02d}:{self.seconds % 60:02d}.000Z"
        own = {
            "parentUuid": None,
            "isSidechain": False,
            "type": kind,
            "uuid": f"{self.session[:8]}-{self.seconds}",
            "timestamp": time,
            "sessionId": self.session,
            "cwd": "/home/ada/engine",
        }
        if self.version:
            own["version"] = self.version
        self.records.append({**own, **fields})
        return self

    def untimed(self, kind, **fields):
        """Add a record without a time."""
        self.records.append({"type": kind, "sessionId": self.session, **fields})
        return self

    def user(self, content, **fields):
        """Add a prompt, or another record of a user."""
        return self.add("user", message={"role": "user", "content": content}, **fields)

    def result(self, call, **fields):
        """Add the result of a tool."""
        block = {"tool_use_id": call, "type": "tool_result", "content": "done", **fields}
        return self.user([block])

    def assistant(self, key, *blocks, usage=None, stop="end_turn", model=None, **fields):
        """Add an answer, or a part of one."""
        message = {
            "id": key,
            "role": "assistant",
            "model": model or self.model,
            "content": list(blocks) or [{"type": "text", "text": "Done."}],
            "stop_reason": stop,
            "usage": {"input_tokens": 10, "output_tokens": 5} if usage is None else usage,
        }
        return self.add("assistant", **{"message": message, "requestId": f"req_{key}", **fields})

    def write(self):
        """Write the file, and return its path."""
        return write(self.path, *self.records)

    def told(self):
        """Return the ledger after reading the file."""
        return Told(claude.AGENT, self.write())


def tool(name, call="toolu_1"):
    return {"type": "tool_use", "id": call, "name": name, "input": {}}


class Codex:
    """Builds records of Codex with one second between them."""

    def __init__(self, folder, thread=THREAD, *, day="2026-03-02", **meta):
        self.path = folder / f"rollout-{day}T10-00-00-{thread}.jsonl"
        self.thread, self.day = thread, day
        self.seconds = 0
        self.records = []
        if meta.pop("begun", True):
            self.add("session_meta", id=thread, cwd="/home/ada/engine", **meta)

    def add(self, record_type, **payload):
        """Add a record."""
        self.seconds += 1
        time = f"{self.day}T10:{self.seconds // 60:02d}:{self.seconds % 60:02d}.000Z"
        self.records.append({"timestamp": time, "type": record_type, "payload": payload})
        return self

    def event(self, kind, **fields):
        """Add an event."""
        return self.add("event_msg", type=kind, **fields)

    def item(self, kind, **fields):
        """Add an item of the conversation."""
        return self.add("response_item", type=kind, **fields)

    def turn(self, model="gpt-5-codex", **fields):
        """Add the context of a turn."""
        return self.add("turn_context", model=model, **fields)

    def answer(self, text, **fields):
        """Add a text answer."""
        content = [{"type": "output_text", "text": text}]
        return self.item("message", role="assistant", content=content, **fields)

    def count(self, last, total=None, **fields):
        """Add a token count."""
        info = {"last_token_usage": last, "total_token_usage": total, **fields}
        return self.event("token_count", info=info)

    def write(self):
        """Write the file, and return its path."""
        return write(self.path, *self.records)

    def told(self):
        """Return the ledger after reading the file."""
        return Told(codex.AGENT, self.write())


def usage(input_tokens, cached=0, output=0, reasoning=0):
    return {
        "input_tokens": input_tokens,
        "cached_input_tokens": cached,
        "output_tokens": output,
        "reasoning_output_tokens": reasoning,
        "total_tokens": input_tokens + output,
    }
