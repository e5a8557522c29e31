"""Many damaged files lead to few log messages."""

import pytest
from looking import Look
from small_homes import claude_file, claude_turns

from agtop_exporter.pipeline.findings import LOGGED_MAX

DAMAGED = 30


@pytest.mark.slow
def test_many_damaged_files_cause_few_messages(tmp_path):
    for number in range(DAMAGED):
        claude_file(tmp_path, number).write_text(claude_turns(number, [1]) + '{"half":\n')
    look = Look(tmp_path)
    samples = look.samples()
    assert samples["agtop_parse_errors_total", "claude", "json"] == DAMAGED
    assert samples["agtop_requests_total", "claude", "claude-sonnet-4-5-20250929"] == DAMAGED
    *told, (_, event, fields) = look.told
    assert len({each["file"] for _, _, each in told}) == LOGGED_MAX
    assert (event, fields["agent"]) == ("skipped records", "claude")
    assert "doctor" in fields["reason"]


@pytest.mark.slow
def test_another_agent_is_still_reported(tmp_path):
    for number in range(DAMAGED):
        claude_file(tmp_path, number).write_text('{"half":\n')
    rollout = tmp_path / ".codex" / "sessions" / "rollout.jsonl"
    rollout.parent.mkdir(parents=True)
    rollout.write_text('{"half":\n')
    look = Look(tmp_path)
    look.at()
    assert [fields["agent"] for *_, fields in look.told].count("codex") == 1
