"""An agent that begins to write records of another type must not be misread in silence."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from driving import batches, transcripts
from running import once, run
from small_homes import claude_file, claude_turns

from agtop_exporter.agents import load_agents
from agtop_exporter.drift import NAMES_MAX, OTHER, UNTYPED, UnknownTypes

AGENTS = {agent.name: agent for agent in load_agents()}
REAL_HOMES = "TEST_AGTOP_REAL_HOMES"  # a directory of homes that real agents wrote

LINES = [  # agent, the transcript of its golden home that a record is added to, record, type
    ("claude", "**/22222222-*.jsonl", {"type": "dream"}, "dream"),
    ("claude", "**/22222222-*.jsonl", {"type": "system", "subtype": "dream"}, "system.dream"),
    ("codex", "**/*000000000001.jsonl", {"type": "dream", "payload": {}}, "dream"),
    (
        "codex",
        "**/*000000000001.jsonl",
        {"type": "event_msg", "payload": {"type": "dream"}},
        "event_msg.dream",
    ),
    (
        "codex",
        "**/*000000000001.jsonl",
        {"type": "response_item", "payload": {"type": "dream"}},
        "response_item.dream",
    ),
    ("copilot", "**/22222222-*/events.jsonl", {"type": "session.dream"}, "session.dream"),
    ("copilot", "**/22222222-*/events.jsonl", {"kind": "session.start"}, UNTYPED),
    (
        "copilot",
        "**/otel/cli.jsonl",
        {"type": "span", "attributes": {"gen_ai.operation.name": "dream"}},
        "dream",
    ),
    ("copilot", "**/55555555-*.jsonl", {"kind": 4, "k": ["customTitle"], "v": "x"}, "change.4"),
    ("cursor", "**/*00000000000a.jsonl", {"role": "dreamer", "message": {}}, "dreamer"),
    ("cursor", "**/*00000000000a.jsonl", {"type": "turn_paused"}, "turn_paused"),
    ("gemini", "**/session-*-22222222.jsonl", {"id": "x", "type": "dream"}, "dream"),
    ("gemini", "**/session-*-22222222.jsonl", {"$push": {"messages": []}}, UNTYPED),
    ("pi", "**/*00000000000a.jsonl", {"type": "dream", "id": "x"}, "dream"),
    (
        "pi",
        "**/*00000000000a.jsonl",
        {"type": "message", "id": "x", "message": {"role": "dreamer"}},
        "message.dreamer",
    ),
    ("qwen", "**/bbbb2222-*.jsonl", {"type": "dream"}, "dream"),
    ("qwen", "**/bbbb2222-*.jsonl", {"type": "system", "subtype": "dream"}, "system.dream"),
    (
        "qwen",
        "**/bbbb2222-*.jsonl",
        {
            "type": "system",
            "subtype": "ui_telemetry",
            "systemPayload": {"uiEvent": {"event.name": "qwen-code.answer"}},
        },
        "system.ui_telemetry.qwen-code.answer",
    ),
]
OF_A_SESSION = "FROM session LIMIT 1"
ROWS = [  # agent, the database of its golden home, statement, type
    (
        "antigravity",
        "**/conversations/*.db",
        "INSERT INTO gen_metadata VALUES (99, x'12020102')",
        "field.2",
    ),
    (
        "cursor",
        "**/state.vscdb",
        "INSERT INTO cursorDiskKV VALUES ('bubbleId:c:b', '{\"type\": 3}')",
        "bubble.3",
    ),
    (
        "opencode",
        "**/opencode.db",
        f"INSERT INTO message SELECT 'm', id, 1, 1, '{{\"role\": \"dreamer\"}}' {OF_A_SESSION}",
        "dreamer",
    ),
    (
        "opencode",
        "**/opencode.db",
        f"INSERT INTO part SELECT 'p', 'm', id, 1, 1, '{{\"type\": \"dream\"}}' {OF_A_SESSION}",
        "part.dream",
    ),
    ("opencode", "**/opencode.db", "ALTER TABLE message RENAME TO message_v3", "no-message-table"),
]
DOCUMENTS = [  # agent, a document below its golden home, content, type
    (
        "opencode",
        ".local/share/opencode/storage/message/ses_json0000000000000000000000/msg_12.json",
        {"id": "msg_12", "role": "dreamer"},
        "dreamer",
    ),
    (
        "opencode",
        ".local/share/opencode/storage/part/msg_3/prt_2.json",
        {"id": "prt_2", "type": "dream"},
        "part.dream",
    ),
    (
        "gemini",
        ".gemini/tmp/engine/chats/session-2026-01-01T00-00-99999999.json",
        {"sessionId": "x", "messages": [{"id": "x", "type": "dream"}]},
        "dream",
    ),
]


def cases(given):
    return [pytest.param(AGENTS[name], *rest, id=f"{name}-{rest[-1]}") for name, *rest in given]


def unknown(home, *agents):
    """Return the types of which the readers tell, and how often, over all files of a home."""
    told = {}
    for agent, path in transcripts(home, agents):
        for batch in batches(agent, path):
            for kind, count in batch.unknown:
                told[kind] = told.get(kind, 0) + count
    return told


def grown(before, after):
    return {kind: n - before.get(kind, 0) for kind, n in after.items() if n != before.get(kind, 0)}


def test_every_agent_has_a_case():
    assert {name for name, *_ in (*LINES, *ROWS, *DOCUMENTS)} == set(AGENTS)


@pytest.mark.parametrize(("agent", "pattern", "record", "kind"), cases(LINES))
def test_of_a_line(home, agent, pattern, record, kind):
    before = unknown(home, agent)
    (path,) = home.glob(pattern)
    text = path.read_bytes()
    path.write_bytes(text[: text.rfind(b"\n") + 1] + json.dumps(record).encode() + b"\n")
    assert grown(before, unknown(home, agent)) == {kind: 1}


@pytest.mark.parametrize(("agent", "pattern", "statement", "kind"), cases(ROWS))
def test_of_a_row(home, agent, pattern, statement, kind):
    before = unknown(home, agent)
    (path,) = home.glob(pattern)
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()
    assert grown(before, unknown(home, agent)) == {kind: 1}


@pytest.mark.parametrize(("agent", "path", "content", "kind"), cases(DOCUMENTS))
def test_of_a_document(home, agent, path, content, kind):
    before = unknown(home, agent)
    Path(home, path).write_text(json.dumps(content))
    assert grown(before, unknown(home, agent)) == {kind: 1}


def test_what_real_agents_write_is_known():
    given = os.environ.get(REAL_HOMES)
    if not given:
        pytest.skip(f"{REAL_HOMES} names no directory of homes")
    homes = sorted(Path(given).glob("*/home"))
    assert homes
    told = {home.parent.name: unknown(home, *AGENTS.values()) for home in homes}
    assert {name: kinds for name, kinds in told.items() if kinds} == {}


def test_doctor_and_the_page_tell(tmp_path):
    chats = tmp_path / ".qwen" / "projects" / "p" / "chats"
    chats.mkdir(parents=True)
    (chats / "a.jsonl").write_text('{"type":"dream"}\n{"type":"dream"}\n{"type":"user"}\n')
    flags = ("--no-state", "--no-pricing-refresh")
    done = run("agtop-exporter", "doctor", *flags, home=tmp_path, check=False)
    assert done.returncode == 1
    assert "  ! unknown record types: dream (2)\n" in done.stdout
    page = run("agtop-exporter", "--once", *flags, home=tmp_path).stdout
    assert 'agtop_unknown_records_total{agent="qwen"} 2\n' in page


def test_without_drift_nothing_is_told(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, [0]))
    assert once(tmp_path)["sessions"]
    page = run("agtop-exporter", "--once", "--no-state", "--no-pricing-refresh", home=tmp_path)
    assert 'agtop_unknown_records_total{agent="claude"} 0\n' in page.stdout


@pytest.mark.parametrize(
    "kind",
    [
        *("session.usage_record", "step-finish", "$push", "toolInvocationSerialized"),
        *("session_v2", "system.ui_telemetry.qwen-code.api_response", "MCPToolCall", "INIT"),
    ],
)
def test_the_name_of_a_type_is_kept(kind):
    told = UnknownTypes()
    told.see(kind)
    assert told.all() == ((kind, 1),)


@pytest.mark.parametrize(
    "text",
    [
        *("sk-ant-api03-aB3dE5fG", "ghp_16C7e42F292c6912E7", "AKIAIOSFODNN7EXAMPLE"),
        *("eyJhbGciOiJIUzI1NiJ9.e30.x", "4c3bfca5-0000-4000-8000-0000000000aa"),
        *("ada@example.org", "/home/ada/engine", "oil the engine", "a" * 49, "naïve", "a\nb"),
    ],
)
def test_what_may_be_a_secret_or_long_is_not(text):
    told = UnknownTypes()
    told.see(text)
    told.see(text)
    assert told.all() == ((OTHER, 2),)


def test_few_names_are_kept_and_all_are_counted():
    told = UnknownTypes({"known"})
    for letter in "abcdefghijklmnopqrstuvwxyz":
        told.see(f"kind_{letter}")
        told.see("known")
    kinds = dict(told.all())
    assert len(kinds) == NAMES_MAX + 1
    assert kinds[OTHER] == 26 - NAMES_MAX
    assert "known" not in kinds
