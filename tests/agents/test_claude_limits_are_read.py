"""Claude Code: the rate limit that was last reached, and the plan, are read from local files."""

import json
from datetime import datetime

import pytest
from looking import Look
from running import once
from small_homes import claude_file, claude_turns, line, session_id, stamp

pytestmark = pytest.mark.integration


def refusal(second, text, **fields):
    return line(
        {
            **fields,
            "type": "assistant",
            "uuid": f"refusal-{second}",
            "sessionId": session_id(1),
            "timestamp": stamp(second),
            "isApiErrorMessage": True,
            "error": "rate_limit",
            "message": {
                "id": f"id-{second}",
                "model": "<synthetic>",
                "role": "assistant",
                "content": [{"type": "text", "text": text}],
                "usage": {"input_tokens": 0, "output_tokens": 0},
            },
        }
    )


@pytest.mark.slow
def test_c07_the_last_hit_and_the_plan(tmp_path):
    claude_file(tmp_path).write_text(
        claude_turns(1, [0])
        + refusal(100, "Claude AI usage limit reached|1790009999")
        + refusal(200, "You've hit your limit, resets 3pm")
    )
    credentials = {"claudeAiOauth": {"rateLimitTier": "default_claude_max_5x"}}
    (tmp_path / ".claude" / ".credentials.json").write_text(json.dumps(credentials))
    document = once(tmp_path)
    (limit,) = document["rate_limits"]
    assert limit["window"] == "last_hit"
    assert limit["observed_at"] == stamp(200)
    assert limit["used_ratio"] is limit["resets_at"] is None
    assert limit["hint"] == "You've hit your limit, resets 3pm"
    assert document["sessions"][0]["subscription"] == "Claude Max 5x"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tier", "plan"), [("default_claude_pro", "Pro"), (None, None)], ids=["C-08", "C-09"]
)
def test_without_a_hit_there_is_no_window(tmp_path, tier, plan):
    claude_file(tmp_path).write_text(claude_turns(1, [0]))
    if tier:
        credentials = {"claudeAiOauth": {"rateLimitTier": tier}}
        (tmp_path / ".claude" / ".credentials.json").write_text(json.dumps(credentials))
    document = Look(tmp_path).document()
    assert document["rate_limits"] == []
    assert [session["subscription"] for session in document["sessions"]] == [plan]


NOW = datetime.fromisoformat(stamp(200)).timestamp()
QUOTA = {"status": "rejected", "resetsAt": 1790009999, "rateLimitType": "five_hour"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Claude AI usage limit reached|1790009999", {}),
        ("You've hit your 5-hour limit · resets 4:59pm (UTC)", {"quotaLimits": QUOTA}),
    ],
    ids=["1.0", "2.1.332"],
)
def test_a_recorded_reset_time_is_published(tmp_path, text, fields):
    claude_file(tmp_path).write_text(refusal(100, text, **fields))
    (limit,) = Look(tmp_path).document(NOW)["rate_limits"]
    assert limit["resets_at"] == "2026-09-21T16:59:59.000Z"
    assert limit["hint"] == text.partition("|")[0]


@pytest.mark.parametrize("until", [None, 0, -1, 1e300])
def test_an_impossible_reset_time_is_unknown(tmp_path, until):
    quota = {"quotaLimits": {**QUOTA, "resetsAt": until}}
    claude_file(tmp_path).write_text(refusal(100, "You've hit your limit", **quota))
    (limit,) = Look(tmp_path).document(NOW)["rate_limits"]
    assert limit["resets_at"] is None
