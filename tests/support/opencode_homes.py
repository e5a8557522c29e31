"""Writes the files of OpenCode for some sessions: its database, or its older JSON files."""

import json
import sqlite3
from contextlib import closing

from agent_files import write_document

BEGIN = 1_772_445_600_000  # 2026-03-02 10:00:00 UTC, in milliseconds
DATABASE_VERSION, FILES_VERSION = "1.18.33", "1.1.34"
TABLES = """
CREATE TABLE session (id TEXT PRIMARY KEY, project_id TEXT NOT NULL, parent_id TEXT,
  slug TEXT NOT NULL, directory TEXT NOT NULL, title TEXT NOT NULL, version TEXT NOT NULL,
  model TEXT, time_created INTEGER NOT NULL, time_updated INTEGER NOT NULL, time_archived INTEGER);
CREATE TABLE message (id TEXT PRIMARY KEY, session_id TEXT NOT NULL,
  time_created INTEGER NOT NULL, time_updated INTEGER NOT NULL, data TEXT NOT NULL);
"""
PARTS = """
CREATE TABLE part (id TEXT PRIMARY KEY, message_id TEXT NOT NULL, session_id TEXT NOT NULL,
  time_created INTEGER NOT NULL, time_updated INTEGER NOT NULL, data TEXT NOT NULL);
"""


class OpenCode:
    """One session of OpenCode with one message per minute."""

    def __init__(self, session_id="ses_one00000000000000000000000", *, title="Oil the engine"):
        self.session_id, self.title = session_id, title
        self.messages = []  # (id, data)
        self.parts = []  # (message id, data)

    def message(self, **data):
        """Add a message. Its id starts with a number from 1."""
        number = len(self.messages) + 1
        created = BEGIN + 60_000 * (number - 1)
        times = {"created": created} | ({"completed": created + 900} if "finish" in data else {})
        self.messages.append((f"msg_{number}", {"time": times, **data}))
        return self

    def user(self, text="Oil it", **data):
        """Add a prompt."""
        self.message(role="user", agent="build", **data)
        return self.part({"type": "text", "text": text})

    def assistant(self, figures=(200, 80, 0, 40, 10), *, finish="stop", **data):
        """Add an answer with input, output, reasoning, cache read and cache write tokens."""
        tokens = dict(zip(("input", "output", "reasoning"), figures, strict=False))
        tokens["cache"] = dict(zip(("read", "write"), figures[3:], strict=True))
        given = {"modelID": "claude-sonnet-4-5", "providerID": "anthropic", **data}
        path = {"cwd": "/home/ada/engine", "root": "/home/ada/engine"}
        shared = {"mode": "build", "agent": "build", "path": path, "cost": 0, "tokens": tokens}
        return self.message(role="assistant", finish=finish, **shared, **given)

    def part(self, data):
        """Add a part to the last message."""
        self.parts.append((self.messages[-1][0], data))
        return self

    def call(self, name="bash"):
        """Add a completed tool call to the last message."""
        number = len(self.parts)
        time = {"start": BEGIN + number, "end": BEGIN + number + 1}
        state = {"status": "completed", "input": {}, "time": time}
        return self.part({"type": "tool", "tool": name, "callID": f"call_{number}", "state": state})


def data_directory(home):
    return home / ".local/share/opencode"


def write_database(home, *sessions, parts=True):
    """Write `opencode.db`; return its path."""
    path = data_directory(home) / "opencode.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(TABLES + (PARTS if parts else ""))
        for one in sessions:
            session = (one.session_id, "p1", None, "slug", "/home/ada/engine", one.title)
            session += (DATABASE_VERSION, None, BEGIN, BEGIN + 300_000, None)
            database.execute(f"INSERT INTO session VALUES ({','.join('?' * 11)})", session)  # noqa: S608 - marks
            for number, (message_id, data) in enumerate(one.messages):
                key = (f"{one.session_id}_{message_id}", one.session_id)
                row = (*key, BEGIN + number, BEGIN + number, json.dumps(data))
                database.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", row)
            for number, (message_id, data) in enumerate(one.parts if parts else ()):
                key = (f"prt_{one.session_id}_{number}", f"{one.session_id}_{message_id}")
                row = (*key, one.session_id, BEGIN + number, BEGIN + number, json.dumps(data))
                database.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)", row)
        database.commit()
    return path


def write_files(home, *sessions):
    """Write `storage/`; return its path."""
    storage = data_directory(home) / "storage"
    for one in sessions:
        owner = {"sessionID": one.session_id}
        times = {"created": BEGIN, "updated": BEGIN + 300_000}
        session = {"id": one.session_id, "version": FILES_VERSION, "projectID": "p1"}
        session |= {"directory": "/home/ada/engine", "title": one.title, "time": times}
        write_document(storage / f"session/p1/{one.session_id}.json", session, indent=2)
        for message_id, data in one.messages:
            file = storage / f"message/{one.session_id}/{message_id}.json"
            write_document(file, {"id": message_id, **owner, **data}, indent=2)
        for number, (message_id, data) in enumerate(one.parts):
            key = {"id": f"prt_{number}", "messageID": message_id, **owner}
            write_document(storage / f"part/{message_id}/prt_{number}.json", {**key, **data})
    return storage
