"""`statusline` stores rate limits where the daemon finds them, and prints a line in every case."""

import json
import subprocess
import time

import pytest
from places import AGENT_FOLDERS
from running import SCRIPTS, daemon, environment, once, run, total
from small_homes import claude_file, claude_turns

pytestmark = pytest.mark.integration

DOCUMENT = AGENT_FOLDERS / "claude" / "status_lines" / "two-windows.json"
NOTHING = b"agtop-exporter: no status line data\n"


def document(home, *, used=42, folder=".claude"):
    """Return a document whose windows have not ended."""
    now = time.time()
    found = json.loads(DOCUMENT.read_bytes())
    found["transcript_path"] = str(home / folder / "projects" / "-tmp-alpha" / "s.jsonl")
    windows = {"five_hour": 9_000, "seven_day": 302_400}
    found["rate_limits"] = {
        name: {"used_percentage": used, "resets_at": now + left} for name, left in windows.items()
    }
    return json.dumps(found).encode()


def statusline(data, *arguments, home, within=(), **more):
    done = subprocess.run(
        [*within, SCRIPTS / "agtop-exporter", "statusline", *map(str, arguments)],
        input=data,
        env=environment(home, **more),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def home(tmp_path):
    for number, folder in enumerate((".claude", ".claude-work")):
        path = tmp_path / folder / claude_file(tmp_path, number).relative_to(tmp_path / ".claude")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(claude_turns(number, (0,)))
    return tmp_path


def used(found):
    return {(limit["account"], limit["window"]): limit["used_ratio"] for limit in found}


@pytest.mark.long
def test_the_line_and_the_limits(home):
    line = statusline(document(home), home=home).stdout.decode()
    assert line.startswith("Opus 4.8 | context 26% | 5h 42% (84% at reset) | weekly 42% (84%")
    statusline(document(home, used=7, folder=".claude-work"), home=home)
    expected = {
        ("", "5h"): 0.42,
        ("", "weekly"): 0.42,
        ("claude-work", "5h"): 0.07,
        ("claude-work", "weekly"): 0.07,
    }
    found = once(home)["rate_limits"]
    assert used(found) == expected
    assert {limit["source"] for limit in found} == {"statusline"}
    assert used(once(home, "--home", str(home))["rate_limits"]) == expected


@pytest.mark.long
def test_a_running_daemon_finds_them(home):
    with daemon(home, "--no-state") as running:
        running.until_ready()
        statusline(document(home), home=home)
        name = "agtop_rate_limit_projected_ratio"
        found = running.until(lambda samples: total(samples, name, window="5h"))
        assert total(found, name, window="5h") == pytest.approx(0.84, abs=0.01)


@pytest.mark.long
@pytest.mark.parametrize("variable", [False, True])
def test_a_state_directory_of_its_own(home, tmp_path, variable):
    state = tmp_path / "state"
    if variable:
        statusline(document(home), home=home, AGTOP_STATE_DIR=str(state))
    else:
        statusline(document(home), "--state-dir", state, home=home)
    assert used(once(home, "--state-dir", str(state))["rate_limits"])["", "5h"] == 0.42
    assert once(home)["rate_limits"] == []


@pytest.mark.long
@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\x00", b" " * 3_000_000, b"{}" * 9])
def test_malformed_input(data, tmp_path):
    done = statusline(data, home=tmp_path)
    assert (done.stdout, done.stderr) == (NOTHING, b"")
    assert statusline(data, "--pass-through", home=tmp_path).stdout == data
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_input_passes_through_unchanged(home):
    data = document(home)
    assert statusline(data, "--pass-through", home=home).stdout == data
    assert used(once(home)["rate_limits"])["", "5h"] == 0.42


@pytest.mark.slow
def test_a_next_command_that_reads_nothing(home):
    command = f"'{SCRIPTS}/agtop-exporter' statusline --pass-through | true"
    long = document(home) + b" " * 500_000
    subprocess.run(command, shell=True, input=long, env=environment(home), check=True)  # noqa: S602 - a constant
    assert used(once(home)["rate_limits"])["", "5h"] == 0.42


@pytest.mark.long
def test_limits_that_cannot_be_stored(home, tmp_path):
    (tmp_path / "file").write_text("")
    done = statusline(document(home), "--state-dir", tmp_path / "file", home=home)
    assert done.stdout.startswith(b"Opus 4.8 |")
    assert done.stderr.splitlines()[1:] == []
    assert done.stderr.startswith(b"agtop-exporter: cannot store the rate limits: ")


@pytest.mark.slow
def test_mistakes_in_the_settings_do_not_matter(home):
    (home / ".config" / "agtop-exporter").mkdir(parents=True)
    (home / ".config" / "agtop-exporter" / "config.toml").write_text("no = {")
    done = statusline(document(home), home=home, AGTOP_INTERVAL="never")
    assert done.stdout.startswith(b"Opus 4.8 |")


@pytest.mark.slow
def test_files_have_no_path_and_no_prompt(home):
    statusline(document(home), home=home)
    (file,) = (home / ".local/state/agtop-exporter/limits").iterdir()
    kept = file.read_text()
    assert [word for word in ("/", "alpha", "Opus", "6f1c2a9e", "0.38") if word in kept] == []


@pytest.mark.slow
def test_the_usual_calls_import_neither_settings_nor_pipeline(home):
    """They take 0.2 s, and an agent waits for its status line."""
    heavy = "pydantic", "structlog", "psutil", "agtop_exporter.settings", "agtop_exporter.pipeline"
    code = (
        "import sys; from agtop_exporter.cli import exporter; exporter(['statusline']);"
        f" assert not sys.modules.keys() & {set(heavy)!r}"
    )
    python = SCRIPTS / "python"
    subprocess.run([python, "-c", code], input=document(home), env=environment(home), check=True)


@pytest.mark.slow
def test_doctor_names_the_accounts(home):
    oauth = {"claudeAiOauth": {"rateLimitTier": "default_claude_pro"}}
    (home / ".claude-work" / ".credentials.json").write_text(json.dumps(oauth))
    report = run("agtop-exporter", "doctor", "--no-state", "--no-pricing-refresh", home=home)
    assert "  - accounts: default, claude-work (Pro)\n" in report.stdout
