"""`doctor` checks all places and names every problem. Its exit status is 1 if there is one."""

import hashlib
import json
import os
import time
from pathlib import Path

import pytest
from looking import Look
from price_tables import litellm_entry, litellm_table
from running import run, run_unprivileged
from small_homes import claude_answer, claude_file, claude_turns
from transcripts import Codex, usage

from agtop_exporter.doctor import examine
from agtop_exporter.doctor.places import Inventory
from agtop_exporter.doctor.records import RecordCounts
from agtop_exporter.folders import Folders

pytestmark = pytest.mark.integration

FLAGS = ("--no-state", "--no-pricing-refresh")


def doctor(home, *arguments):
    return run("agtop-exporter", "doctor", *FLAGS, *arguments, home=home, check=False)


def finding_of(home, agent):
    done = doctor(home, "--json")
    document = json.loads(done.stdout)
    assert document["needs_attention"] == bool(done.returncode)
    return next(finding for finding in document["agents"] if finding["agent"] == agent)


def claude(home):
    return finding_of(home, "claude")


@pytest.mark.slow
def test_without_agents_there_are_no_problems(tmp_path):
    done = doctor(tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(
        "not found    antigravity, auggie, cherrystudio, claude, cline, codebuddy, codex, copilot,"
    )
    assert "no agent was found" in done.stdout
    assert done.stdout.endswith("Nothing was checked.\n")
    roots = [root["path"] for root in claude(tmp_path)["roots"]]
    assert roots[:2] == [f"{tmp_path}/.claude/projects", f"{tmp_path}/.config/claude/projects"]
    assert {root.rpartition("/")[2] for root in roots[3:]} == {"local-agent-mode-sessions"}


@pytest.mark.slow
def test_a_ledger_that_cannot_be_written_is_reported(tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o500)
    command = ("doctor", "--no-pricing-refresh", "--state-dir", str(state))
    done = run_unprivileged("agtop-exporter", *command, home=tmp_path)
    reason = f"cannot write the ledger in {state}: Permission denied; a restart loses it"
    assert f"  ! {reason}\n" in done.stdout
    assert done.returncode == 1


@pytest.mark.long
def test_found_records_are_counted(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, range(3)))
    finding = claude(tmp_path)
    assert (finding["files"], finding["sessions"], finding["records"]) == (1, 1, 6)
    assert doctor(tmp_path).returncode == 0


@pytest.mark.long
def test_skipped_records_and_unpriced_models_need_attention(tmp_path):
    claude_file(tmp_path).write_text(
        claude_turns(1, [0]) + "{broken\n" + claude_answer(1, 1, model="claude-imaginary-9")
    )
    finding = claude(tmp_path)
    assert [(one["reason"], one["count"]) for one in finding["skipped"]] == [("json", 1)]
    assert finding["unpriced_models"] == {"claude-imaginary-9": 200}
    done = doctor(tmp_path)
    assert done.returncode == 1
    assert "  ! 1 record is not valid JSON, the first at " in done.stdout
    assert "  ! no price is known for claude-imaginary-9 (200 tokens)\n" in done.stdout
    assert done.stdout.endswith('\n2 problems found: see the lines marked "!".\n')
    assert done.stderr == ""  # the report has all messages


def stored(text):
    """Return a Zstandard frame with `text` as it is, which is longer than `text` (RFC 8878)."""
    size, block = (
        (len(text) - 256).to_bytes(2, "little"),
        (len(text) << 3 | 1).to_bytes(3, "little"),
    )
    return b"\x28\xb5\x2f\xfd\x60" + size + block + text


@pytest.mark.long
def test_a_compressed_rollout_has_no_half_record(tmp_path):
    plain = Codex(tmp_path / ".codex/sessions/2026/03/02").turn().count(usage(9), usage(9)).write()
    packed = plain.with_name(f"{plain.name}.zst")
    packed.write_bytes(stored(plain.read_bytes()))
    os.utime(packed, (0, time.time() - 7200))
    (not_read,) = finding_of(tmp_path, "codex")["not_read"]
    assert not_read["reason"] == "the compressed form of a file that is read"
    plain.unlink()
    found = finding_of(tmp_path, "codex")
    assert (found["files"], found["skipped"], found["not_read"]) == (1, [], [])


@pytest.mark.long
def test_half_a_record_at_the_end_of_a_quiet_file_needs_attention(tmp_path):
    path = claude_file(tmp_path)
    path.write_text(claude_turns(1, [0]) + claude_answer(1, 1)[:-9])
    assert doctor(tmp_path).returncode == 0  # it may still be written
    os.utime(path, (0, time.time() - 7200))
    (skipped,) = claude(tmp_path)["skipped"]
    at = len(claude_turns(1, [0]))
    assert skipped == {"reason": "unfinished", "count": 1, "first": f"{path}:{at}"}
    line = f"  ! 1 record at the end of a file is not complete, the first at {path}:{at}\n"
    assert line in doctor(tmp_path).stdout
    path.write_text(claude_turns(1, [0]) + claude_answer(1, 1).rstrip())
    os.utime(path, (0, time.time() - 7200))
    assert doctor(tmp_path).returncode == 0  # a complete record has been read


@pytest.mark.slow
def test_damaged_lines_are_counted_by_agent(tmp_path):
    path = claude_file(tmp_path)
    text = claude_answer(1, 0)[:-9] + claude_answer(1, 1) + "\0" * 5_000 + claude_answer(1, 2)
    path.write_text("\ufeff" + claude_answer(1, 3) + text, encoding="utf-8")
    finding = claude(tmp_path)
    assert [(one["reason"], one["count"]) for one in finding["skipped"]] == [("json", 2)]
    assert finding["records"] == 3


@pytest.mark.long
def test_unreadable_files_are_reported_and_the_rest_is_counted(tmp_path, close):
    for number, project in enumerate(["-tmp-open", "-tmp-closed", "-tmp-open"], start=1):
        claude_file(tmp_path, number, project).write_text(claude_turns(number, [0]))
    sessions = tmp_path / ".codex" / "sessions"
    sessions.mkdir(parents=True)
    projects = tmp_path / ".claude" / "projects"
    (secret,) = projects.glob("-tmp-open/*3.jsonl")
    close(secret, projects / "-tmp-closed", sessions)
    done = run_unprivileged("agtop-exporter", "doctor", *FLAGS, home=tmp_path)
    assert done.returncode == 1
    assert f"claude       1 file, 1 session, 2 records in {projects}\n" in done.stdout
    for path in (secret, projects / "-tmp-closed", sessions):
        assert f"  ! cannot read {path}: Permission denied\n" in done.stdout


@pytest.mark.long
def test_a_closed_folder_of_one_agent_hides_no_other(tmp_path, close):
    claude_file(tmp_path).write_text(claude_turns(1, [0]))
    other = tmp_path / ".config" / "claude"
    other.mkdir(parents=True)
    close(other)
    done = run_unprivileged("agtop-exporter", "doctor", *FLAGS, "--agent", "claude", home=tmp_path)
    assert done.returncode == 1
    assert "claude       1 file, 1 session, 2 records in " in done.stdout
    assert f"  ! cannot read {other}/projects: Permission denied\n" in done.stdout


def cache_litellm(home, table):
    """Write a price table as if it had been downloaded today."""
    cache = home / ".cache" / "agtop-exporter"
    cache.mkdir(parents=True)
    (cache / "litellm-prices.json").write_bytes(table)
    state = {"fetched_at": 1_795_000_000.0, "sha256": hashlib.sha256(table).hexdigest()}
    (cache / "price-refresh.json").write_text(json.dumps({"litellm": state}))


@pytest.mark.long
def test_different_prices_of_two_sources_are_reported(tmp_path):
    models = ("claude-sonnet-4-5", "mirror/gpt-99", "claude-sonnet-4-5")
    claude_file(tmp_path).write_text(
        "".join(claude_answer(1, turn, model=model) for turn, model in enumerate(models))
    )
    sonnet = litellm_entry(4e-06, 15e-06, litellm_provider="anthropic")
    table = litellm_table(**{"claude-sonnet-4-5": sonnet, "gpt-99": litellm_entry()})
    cache_litellm(tmp_path, table)
    done = doctor(tmp_path)
    assert done.returncode == 0
    assert "; litellm " in done.stdout
    assert " of 2026-11-18\n" in done.stdout
    assert "  - claude-sonnet-4-5 costs $3/$0.3/$15 in genai-prices (used) " in done.stdout
    assert "and $4/$4/$15 in litellm (input/cached input/output, per million tokens)" in done.stdout
    document = json.loads(doctor(tmp_path, "--json").stdout)
    (conflict,) = document["price_conflicts"]
    assert (conflict["used"]["input_usd"], conflict["other"]["input_usd"]) == (3.0, 4.0)
    used = {price["model"]: (price["source"], price["match"]) for price in document["prices_used"]}
    assert used == {
        "claude-sonnet-4-5": ("genai-prices", "exact"),
        "mirror/gpt-99": ("litellm", "prefix-stripped"),
    }
    assert "  - mirror/gpt-99 has the price of gpt-99 in litellm (prefix-stripped)\n" in done.stdout


@pytest.mark.slow
def test_a_name_from_a_transcript_does_nothing_to_a_terminal(tmp_path):
    claude_file(tmp_path).write_text(claude_answer(1, 0, model="gpt\x1b[2J\n"))
    done = run("agtop-exporter", "doctor", *FLAGS, home=tmp_path, check=False)
    assert "no price is known for gpt\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER} (" in (
        done.stdout
    )


@pytest.mark.long
def test_targets_of_links_are_reported(tmp_path):
    path = claude_file(tmp_path)
    path.write_text(claude_turns(1, range(3)))
    projects = tmp_path / ".claude" / "projects"
    path.with_name("copy.jsonl").symlink_to(path)
    path.with_name("gone.jsonl").symlink_to("nowhere")
    path.with_name("itself.jsonl").symlink_to("itself.jsonl")
    (projects / "loop").symlink_to(projects)
    os.mkfifo(path.with_name("fifo.jsonl"))
    finding = claude(tmp_path)
    assert (finding["files"], finding["unreadable"]) == (1, [])
    assert {Path(one["path"]).name: one["reason"] for one in finding["not_read"]} == {
        "copy.jsonl": "another path of a file that is read",
        "gone.jsonl": "a broken symbolic link",
        "itself.jsonl": "a link to itself",
        "loop": "a link to a folder that has another path",
        "fifo.jsonl": "not a regular file",
    }
    done = doctor(tmp_path)
    assert done.returncode == 0
    assert f"  - not read: {path.parent}/gone.jsonl (a broken symbolic link)\n" in done.stdout


def test_a_file_whose_name_is_no_text_is_reported_only_as_unreadable(tmp_path):
    """The scan reports such a file as unreadable. Its name cannot be printed."""
    for name in (b"a.jsonl", b"\xff.jsonl"):
        (tmp_path / os.fsdecode(name)).write_text("{}\n")
    inventory = Inventory((), {}, Folders({}, in_child=False))
    inventory.look(tmp_path)
    assert [Path(path).name for path in inventory.not_read] == ["a.jsonl"]


@pytest.mark.slow
def test_unknown_transcripts_are_reported(tmp_path):
    chats = tmp_path / ".gemini" / "tmp" / "engine"
    chats.mkdir(parents=True)
    for number in range(3):
        (chats / f"log{number}.jsonl").write_text("{}\n")
    done = doctor(tmp_path, "--agent", "gemini")
    line = f"  - not read: {chats}/log0.jsonl and 2 more (not a transcript that the reader knows)\n"
    assert line in done.stdout


@pytest.mark.slow
def test_files_that_another_agent_reads_are_not_reported(tmp_path):
    """OpenClaw runs Codex with a home directory below its own directory."""
    folder = tmp_path / ".openclaw/agents/main/agent/codex-home/sessions/2026/03/02"
    Codex(folder).turn().write()
    done = doctor(tmp_path)
    assert "codex        1 file" in done.stdout
    assert "not read" not in done.stdout


@pytest.mark.slow
def test_places_beside_the_directories_are_reported(tmp_path):
    other = tmp_path / ".config/Another Editor/User/workspaceStorage/12ab/chatSessions"
    other.mkdir(parents=True)
    reason = "chats of an unknown editor"
    done = doctor(tmp_path)
    assert done.returncode == 0
    assert f"  - found and not read: {other} ({reason})\n" in done.stdout
    assert done.stdout.endswith("No problems found in what was read.\n")


@pytest.mark.slow
def test_directories_that_a_variable_hides_are_reported(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, range(3)))
    done = run(
        "agtop-exporter", "doctor", *FLAGS, home=tmp_path, CLAUDE_CONFIG_DIR=str(tmp_path / "work")
    )
    reason = "variables of the environment name other directories"
    assert f"  - found and not read: {tmp_path}/.claude/projects ({reason})\n" in done.stdout


@pytest.mark.slow
def test_homes_of_windows_are_reported(tmp_path):
    home, drives = tmp_path / "home", tmp_path / "mnt"
    for user in ("ada", "Public"):
        claude_file(drives / "c" / "Users" / user).write_text(claude_turns(1, range(3)))
    look = Look(home)
    report = examine(look.pipeline, look.at(), problems=(), records=RecordCounts(), drives=drives)
    (finding,) = (finding for finding in report.agents if finding.agent == "claude")
    (place,) = finding.elsewhere
    assert place.path == f"{drives}/c/Users/ada/.claude/projects"
    assert place.reason == f"a Windows home directory: add --home {drives}/c/Users/ada"


@pytest.mark.slow
def test_records_with_missing_fields_are_counted(tmp_path):
    path = claude_file(tmp_path)
    answers = claude_turns(1, range(3))
    path.write_text(answers)
    path.with_name("copy.jsonl").write_text(answers + claude_answer(1, 9, model=""))
    timeless = claude_answer(1, 10).replace('"timestamp"', '"when"')
    path.with_name("timeless.jsonl").write_text(timeless)
    responses = claude(tmp_path)["responses"]
    assert (responses["responses"], responses["repeated"]) == (8, 3)
    assert responses["without_model"] == 1
    assert responses["without_time"] + responses["time_of_file"] == 1
    done = doctor(tmp_path)
    assert "  - 3 responses recorded again (streams, copies); each is counted once\n" in done.stdout


@pytest.mark.slow
def test_places_that_are_read_are_not_reported(tmp_path):
    """A variable may name a place that matches a pattern of unread places."""
    claude_file(tmp_path / "x").write_text(claude_turns(1, range(3)))
    (tmp_path / "x/.claude").rename(tmp_path / ".claude-work")
    (tmp_path / ".claude-other/projects").mkdir(parents=True)
    variables = {"CLAUDE_CONFIG_DIR": str(tmp_path / ".claude-work")}
    done = run("agtop-exporter", "doctor", *FLAGS, home=tmp_path, **variables)
    assert f"found and not read: {tmp_path}/.claude-other/projects (" in done.stdout
    assert "1 file, 1 session, 6 records in " in done.stdout
    assert ".claude-work/projects (" not in done.stdout


@pytest.mark.slow
def test_chats_of_an_unknown_editor_are_reported(tmp_path):
    for editor in ("Code", "Another Editor"):
        chats = tmp_path / f".config/{editor}/User/workspaceStorage/12ab/chatSessions"
        chats.mkdir(parents=True)
        (chats.parent / "GitHub.copilot-chat/transcripts").mkdir(parents=True)
        (chats.parent / "GitHub.copilot-chat/transcripts/1.jsonl").write_text("{}\n")
    done = doctor(tmp_path)
    beside = ".config/Code/User/workspaceStorage/12ab/GitHub.copilot-chat/transcripts/1.jsonl"
    assert f"  - not read: {tmp_path}/{beside} (not a transcript" in done.stdout
    assert f"  - found and not read: {chats} (chats of an unknown editor)\n" in done.stdout
    assert done.stdout.count("found and not read") == 1
