"""`doctor` looks everywhere, names what is wrong, and its exit status says whether anything is."""

import json

from running import run
from small_homes import claude_answer, claude_file, claude_turns

FLAGS = ("--no-state", "--no-pricing-refresh")


def doctor(home, *arguments):
    return run("agtop-exporter", "doctor", *FLAGS, *arguments, home=home, check=False)


def claude(home):
    done = doctor(home, "--json")
    document = json.loads(done.stdout)
    assert document["needs_attention"] == bool(done.returncode)
    return next(finding for finding in document["agents"] if finding["agent"] == "claude")


def test_all_is_well_where_nothing_is_installed(tmp_path):
    done = doctor(tmp_path)
    assert done.returncode == 0
    assert "claude     not found in 2 places" in done.stdout
    assert done.stdout.endswith("all is well\n")
    roots = [root["path"] for root in claude(tmp_path)["roots"]]
    assert roots == [f"{tmp_path}/.claude/projects", f"{tmp_path}/.config/claude/projects"]


def test_what_was_found_is_counted(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, range(3)))
    finding = claude(tmp_path)
    assert (finding["files"], finding["sessions"], finding["records"]) == (1, 1, 6)
    assert doctor(tmp_path).returncode == 0


def test_skipped_records_and_unpriced_models_need_attention(tmp_path):
    claude_file(tmp_path).write_text(
        claude_turns(1, [0]) + "{broken\n" + claude_answer(1, 1, model="claude-imaginary-9")
    )
    finding = claude(tmp_path)
    assert [(one["reason"], one["count"]) for one in finding["skipped"]] == [("json", 1)]
    assert finding["unpriced_models"] == {"claude-imaginary-9": 200}
    done = doctor(tmp_path)
    assert done.returncode == 1
    assert "! skipped 1 records: json" in done.stdout
    assert "! no price is known for: claude-imaginary-9 (200 tokens)" in done.stdout
