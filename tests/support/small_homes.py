"""Writes small Claude Code and Codex homes whose true figures are known."""

import json
from datetime import UTC, datetime
from uuid import UUID

BEGIN = 1_790_000_000  # 2026-09-21


def stamp(seconds):
    moment = datetime.fromtimestamp(BEGIN + seconds, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def line(record):
    return json.dumps(record, separators=(",", ":")) + "\n"


def session_id(number):
    return str(UUID(int=number, version=4))


def claude_file(home, number=1, project="-tmp-alpha"):
    path = home / ".claude" / "projects" / project / f"{session_id(number)}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def claude_prompt(number, turn):
    return line(
        {
            "type": "user",
            "uuid": f"prompt-{number}-{turn}",
            "sessionId": session_id(number),
            "timestamp": stamp(turn * 10),
            "cwd": "/tmp/alpha",
            "message": {"role": "user", "content": f"prompt {turn}"},
        }
    )


def claude_answer(number, turn, *, output=100, model="claude-sonnet-4-5-20250929", stop="end_turn"):
    """Return a line with 10 input, 20 cache read, 30 + 40 cache write, and some output tokens."""
    return line(
        {
            "type": "assistant",
            "uuid": f"answer-{number}-{turn}-{output}",
            "requestId": f"req-{number}-{turn}",
            "sessionId": session_id(number),
            "timestamp": stamp(turn * 10 + 5),
            "cwd": "/tmp/alpha",
            "version": "2.1.197",
            "message": {
                "id": f"msg-{number}-{turn}",
                "model": model,
                "role": "assistant",
                "stop_reason": stop,
                "content": [{"type": "text", "text": "answer"}],
                "usage": {
                    "input_tokens": 10,
                    "cache_read_input_tokens": 20,
                    "cache_creation_input_tokens": 70,
                    "cache_creation": {
                        "ephemeral_5m_input_tokens": 30,
                        "ephemeral_1h_input_tokens": 40,
                    },
                    "output_tokens": output,
                },
            },
        }
    )


def claude_turns(number, turns):
    return "".join(claude_prompt(number, turn) + claude_answer(number, turn) for turn in turns)


TOKENS_OF_A_TURN = 200
