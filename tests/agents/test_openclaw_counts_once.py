"""Each response of OpenClaw counts once, in whichever of its stores it is."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from agent_files import write_lines
from driving import refresh
from transcripts import THREAD, Codex, usage

from agtop_exporter.agents import codex, gemini, openclaw
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor
from agtop_exporter.reading import compressed
from agtop_exporter.reading.compressed import zstd

FOLDER = ".openclaw/agents/main"
ID, FORK = (f"0c000000-0000-4000-8000-00000000000{digit}" for digit in "12")
SCHEMA = """
CREATE TABLE session_windows (session_id TEXT PRIMARY KEY, session_key TEXT, updated_at INTEGER);
CREATE TABLE transcript_events (session_id TEXT, seq INTEGER, event_json TEXT, created_at INTEGER,
    event_zstd BLOB, PRIMARY KEY (session_id, seq));
"""


def stamp(second):
    return f"2026-11-01T10:00:{second:02}.000Z"


def header(session_id, second=0):
    return {"type": "session", "id": session_id, "timestamp": stamp(second), "cwd": "/src/engine"}


def answer(second, **message):
    usage = {"input": 100, "output": 10, "cacheRead": 0, "cacheWrite": 0}
    own = {"role": "assistant", "content": [], "provider": "p", "model": "m", "usage": usage}
    event_id = f"e{second}"
    return {"type": "message", "id": event_id, "timestamp": stamp(second), "message": own | message}


def store(home, session_id, *events, compressed=False):
    """Write all events of a session into the database."""
    path = home / FOLDER / "agent/openclaw-agent.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with closing(sqlite3.connect(path)) as database:
        if is_new:
            database.executescript(SCHEMA)
        window = (session_id, f"agent:main:{session_id}", 1)
        database.execute("REPLACE INTO session_windows VALUES (?, ?, ?)", window)
        database.execute("DELETE FROM transcript_events WHERE session_id = ?", (session_id,))
        for seq, event in enumerate(events):
            text = json.dumps(event)
            packed = zstd.compress(text.encode()) if compressed else None
            row = (session_id, seq, None if packed else text, 1_793_527_200_000 + seq, packed)
            database.execute("INSERT INTO transcript_events VALUES (?, ?, ?, ?, ?)", row)
        database.commit()
    return path


@pytest.fixture
def ledger():
    return Ledger()


def requests(ledger, home, *other_agents):
    """Refresh, and return the number of requests by session."""
    refresh(ledger, home, [openclaw.AGENT, *other_agents])
    return {key[1]: record.usage.requests for key, record in ledger.sessions.items()}


def test_a_transcript_that_is_imported_into_the_database(ledger, tmp_path):
    events = [header(ID), answer(1), answer(2)]
    write_lines(tmp_path / FOLDER / f"sessions/{ID}.jsonl", *events)
    assert requests(ledger, tmp_path) == {ID: 2}
    store(tmp_path, ID, *events, answer(3))
    assert requests(ledger, tmp_path) == {ID: 3}


@pytest.mark.parametrize("name", ["agent_main_main", "agent_main_a.b", "archive-tier"])
def test_a_transcript_that_the_update_to_a_database_moved(ledger, tmp_path, name):
    """Transcripts of sessions that no list has are moved without an import (`archive-tier`)."""
    events = [header(ID), answer(1), answer(2)]
    write_lines(tmp_path / FOLDER / f"sessions/{ID}.jsonl", *events)
    assert requests(ledger, tmp_path) == {ID: 2}
    archives = tmp_path / FOLDER / "session-sqlite-import-archive"
    archives.mkdir()
    (tmp_path / FOLDER / f"sessions/{ID}.jsonl").rename(
        archives / f"{name}.{ID}.jsonl.imported-1788725777055"
    )
    trajectory = f"{name}.{ID}.trajectory.jsonl.imported-1788725777055.1"
    write_lines(archives / trajectory, {"type": "x"})
    assert requests(ledger, tmp_path) == {ID: 2}
    assert requests(Ledger(), tmp_path) == {ID: 2}


def test_an_imported_transcript_without_its_first_line_is_that_of_its_name(ledger, tmp_path):
    name = f"session-sqlite-import-archive/agent_main_main.{ID}.jsonl.imported-1788725777055.2"
    write_lines(tmp_path / FOLDER / name, answer(1))
    assert requests(ledger, tmp_path) == {ID: 1}


def test_a_session_that_is_archived(ledger, tmp_path):
    events = [header(ID), answer(1), answer(2)]
    store(tmp_path, ID, *events)
    assert requests(ledger, tmp_path) == {ID: 2}
    store(tmp_path, ID)
    archive = tmp_path / FOLDER / f"sessions/{ID}.jsonl.deleted.{stamp(9)}.0123abcd.zst"
    archive.parent.mkdir()
    archive.write_bytes(zstd.compress("\n".join(map(json.dumps, events)).encode()))
    assert requests(ledger, tmp_path) == {ID: 2}
    assert requests(Ledger(), tmp_path) == {ID: 2}


def test_copies_in_a_fork_belong_to_the_original(ledger, tmp_path):
    store(tmp_path, FORK, header(FORK, second=5), answer(1), answer(2), answer(6))
    store(tmp_path, ID, header(ID), answer(1), answer(2))
    assert requests(ledger, tmp_path) == {ID: 2, FORK: 1}


def test_compressed_events_are_read(ledger, tmp_path):
    store(tmp_path, ID, header(ID), answer(1), answer(2), compressed=True)
    assert requests(ledger, tmp_path) == {ID: 2}


def test_a_damaged_or_enormous_compressed_event_is_counted_as_an_error(tmp_path, monkeypatch):
    path = store(tmp_path, ID, header(ID), answer(1), compressed=True)
    monkeypatch.setattr(compressed, "TEXT_BYTES", 200)
    with closing(sqlite3.connect(path)) as database:
        row = (ID, 7, None, 1_793_527_207_000, b"no frame")
        database.execute("INSERT INTO transcript_events VALUES (?, ?, ?, ?, ?)", row)
        database.commit()
    batch = openclaw.AGENT.read(str(path), Cursor())
    errors = {error.reason: error.count for error in batch.errors}
    assert errors == {"too_large": 1, "corrupt": 1}
    assert batch.events == ()


@pytest.mark.parametrize(
    "message",
    [
        {"api": "cli", "provider": "claude-cli"},
        {"idempotencyKey": "codex-app-server:thread:turn:assistant"},
        {"provider": "openclaw", "model": "acp-runtime"},
        {"api": "openclaw-transcript"},
        {"provider": "openclaw", "model": "delivery-mirror"},
        {"provider": "openclaw", "model": "gateway-injected"},
    ],
)
def test_requests_in_other_files_and_copies_of_messages_count_nothing(ledger, tmp_path, message):
    store(tmp_path, ID, header(ID), answer(1), answer(2, **message))
    assert requests(ledger, tmp_path) == {ID: 1}


def test_an_imported_session_of_another_agent_counts_nothing(ledger, tmp_path):
    """`importClaudeHistory` and `importSessionCatalogHistory` of 2026.9.6."""
    prompt = {"role": "user", "content": "Go on", "idempotencyKey": "claude-catalog:t:u1"}
    event = {"type": "message", "id": "e1", "timestamp": stamp(1), "message": prompt}
    copy = {"idempotencyKey": "claude-catalog:t:u2", "model": "native-history"}
    store(tmp_path, ID, header(ID), event, answer(2, **copy))
    refresh(ledger, tmp_path, [openclaw.AGENT])
    (session,) = ledger.sessions.values()
    assert (session.turns, session.usage.requests, session.facts.model) == (0, 0, "")


@pytest.mark.parametrize("name", ["acp-runtime", "default"])
def test_names_that_mean_no_model_do_not_name_a_response(ledger, tmp_path, name):
    """`persistAcpTurnTranscript` and `persistCliTurnTranscript` of 2026.5.28."""
    other = {"api": "cli", "provider": "openclaw", "model": name}
    store(tmp_path, ID, header(ID), answer(1, model=None), answer(2, **other), answer(3))
    refresh(ledger, tmp_path, [openclaw.AGENT])
    (session,) = ledger.sessions.values()
    assert {model: usage.requests for model, usage in session.models.items()} == {"m": 2}


@pytest.mark.parametrize("folder", ["codex-home", "cli-auth/codex/0f9e8d7c"])
def test_requests_that_codex_makes_for_it_count_as_those_of_codex(ledger, tmp_path, folder):
    """junhoyeo/tokscale 1278 and 1298: rollouts in home directories that OpenClaw makes."""
    key = f"codex-app-server:{THREAD}:turn:"
    call = {"type": "toolCall", "id": "c1", "name": "exec"}
    prompt = {"role": "user", "content": "Go on", "idempotencyKey": f"{key}prompt"}
    copy = {"idempotencyKey": f"{key}assistant", "content": [call]}
    event = {"type": "message", "id": "e1", "timestamp": stamp(1), "message": prompt}
    store(tmp_path, ID, header(ID), event, answer(2, **copy))
    home = tmp_path / FOLDER / "agent" / folder
    rollout = Codex(home / "sessions/2026/03/02").turn().count(usage(10), usage(10))
    rollout.count(usage(10), usage(20)).write()
    assert requests(ledger, tmp_path, codex.AGENT) == {ID: 0, THREAD: 2}
    session = next(each for key, each in ledger.sessions.items() if key[1] == ID)
    assert session.turns == 0
    assert not [key for key in ledger.totals if key[:2] == ("tool_calls", "openclaw")]
    assert codex.AGENT.account(home) == f"openclaw-{'0f9e8d7c' if 'cli' in folder else 'main'}"


def test_requests_that_gemini_cli_makes_for_it_count_as_those_of_gemini_cli(ledger, tmp_path):
    home = tmp_path / FOLDER / "agent/google-gemini-cli-home/profiles/0f9e8d7c"
    tokens = {"input": 100, "output": 10, "cached": 0, "thoughts": 0, "tool": 0}
    reply = {"id": "m1", "type": "gemini", "model": "gemini-2.5-pro", "tokens": tokens}
    head = {"sessionId": FORK, "startTime": stamp(0), "kind": "main"}
    chat = home / ".gemini/tmp/main/chats/session-1.jsonl"
    write_lines(chat, head, reply | {"timestamp": stamp(2)})
    store(tmp_path, ID, header(ID), answer(2, api="cli"))
    assert requests(ledger, tmp_path, gemini.AGENT) == {ID: 0, FORK: 1}


@pytest.mark.parametrize(
    ("provenance", "turns"),
    [
        (None, 1),
        ({"kind": "external_user"}, 1),
        ({"kind": "inter_session"}, 0),
        ({"kind": "internal_system"}, 0),
    ],
)
def test_only_prompts_of_the_user_are_turns(ledger, tmp_path, provenance, turns):
    prompt = {"role": "user", "content": "Go on", "provenance": provenance}
    event = {"type": "message", "id": "e1", "timestamp": stamp(1), "message": prompt}
    store(tmp_path, ID, header(ID), event, answer(2))
    refresh(ledger, tmp_path, [openclaw.AGENT])
    (session,) = ledger.sessions.values()
    assert session.turns == turns


@pytest.mark.slow
def test_rewritten_transcripts_add_only_what_is_new(ledger, tmp_path):
    store(tmp_path, ID, header(ID), answer(1), answer(2), answer(3))
    assert requests(ledger, tmp_path) == {ID: 3}
    store(tmp_path, ID, header(ID), answer(1), answer(4))
    assert requests(ledger, tmp_path) == {ID: 4}


def test_variables_and_profiles_select_the_directories(tmp_path):
    (tmp_path / ".openclaw-work").mkdir()
    roots = openclaw.AGENT.roots
    own = [path.relative_to(tmp_path).as_posix() for path in roots(tmp_path, {})]
    assert own[:2] == [".openclaw/agents", ".openclaw-work/agents"]
    assert roots(tmp_path, {"OPENCLAW_STATE_DIR": "/srv/a"}) == (Path("/srv/a/agents"),)
    assert roots(tmp_path, {"OPENCLAW_HOME": "/srv/b"})[0] == Path("/srv/b/.openclaw/agents")
