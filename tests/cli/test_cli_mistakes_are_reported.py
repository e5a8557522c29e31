"""A user's mistake is reported in one line with an exit code, never as a traceback."""

import json
import subprocess
import tomllib

import pytest
from running import SCRIPTS, environment, once, run, run_unprivileged
from small_homes import claude_answer, claude_file, claude_turns, session_id

from agtop_exporter.agents import load_agents
from agtop_exporter.settings import load_settings

pytestmark = pytest.mark.integration


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--plan", "gold"), 2, "--plan: expected retail, max or included, got 'gold'"),
        (("--interval", "soon"), 2, "--interval: expected a number of seconds"),
        (("--interval", "0"), 2, "--interval: expected a number of seconds from 0.05 to 86400"),
        (("--listen-address", "10041"), 2, "--listen-address: expected HOST:PORT"),
        (("--listen-address", "127.0.0.1:99999"), 2, "--listen-address: expected HOST:PORT"),
        pytest.param(("--agent", "clod"), 2, "no such agent: clod", id="R-01"),
        (("--home", ""), 2, "--home: expected a directory"),
        (("--home", "~nobody-here"), 2, "--home: ~nobody-here names an unknown user"),
        (("--state-dir", "~nobody-here/x"), 2, "--state-dir: ~nobody-here names an"),
        (("--config", "/nowhere.toml"), 2, "/nowhere.toml: No such file or directory"),
        (("--json",), 2, "--json needs --once: type `agtop-exporter --once --json`"),
        (("--refresh-pricing", "--no-pricing-refresh", "--once"), 2, "exclude each other"),
        (("fly",), 2, "no such command: fly"),
    ],
)
def test_a_mistake_in_the_arguments(arguments, code, words, tmp_path):
    done = run("agtop-exporter", *arguments, home=tmp_path, check=False)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--home", "--state-dir"])
def test_a_relative_path_in_a_deleted_directory(tmp_path, option):
    folder = tmp_path / "deleted"
    folder.mkdir()
    delete = ("sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(folder))
    command = ("agtop-exporter", "--once", option, "here")
    done = run(*command, home=tmp_path, check=False, within=delete)
    assert done.returncode == 2
    reason = "is a relative path, and the working directory was deleted"
    assert done.stderr == f"agtop-exporter: {option}: {reason}\n"


@pytest.mark.slow
@pytest.mark.parametrize("home", ["", "relative"])
def test_a_home_that_is_unknown(home):
    done = run("agtop-exporter", "--once", home=home, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "agtop-exporter: the home directory is unknown: set HOME to an absolute path\n"
    )


@pytest.mark.slow
def test_a_relative_home_does_not_matter_while_another_is_read(tmp_path):
    done = run("agtop-exporter", "--once", "--no-state", "--home", tmp_path, home="relative")
    assert "agtop_build_info" in done.stdout


@pytest.mark.slow
def test_a_home_that_does_not_exist_is_not_created(tmp_path):
    """Otherwise a home that is not mounted yet would hide what is mounted later."""
    home = tmp_path / "missing"
    done = run("agtop-exporter", "--once", "--no-pricing-refresh", home=home)
    assert "agtop_build_info" in done.stdout
    warning = f"agtop-exporter: warning: the home directory does not exist: path={home}\n"
    assert done.stderr == warning
    done = run("agtop-exporter", "install-service", home=home, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        f"agtop-exporter: {home}: the home directory does not exist\n",
    )
    assert not home.exists()
    home.mkdir()
    run("agtop-exporter", "--once", "--no-pricing-refresh", home=home)
    assert (home / ".local" / "state" / "agtop-exporter" / "ledger.db").exists()


@pytest.mark.slow
def test_every_mistake_in_a_file_is_reported_at_once(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(
        'interval = "soon"\nplan = "gold"\ncolor = "red"\nagent = ["codex", "clod"]\n'
        "[prices.ours]\ninput = -1\noutput = 1\n[prices.theirs]\n"
    )
    done = run("agtop-exporter", "check-config", "--config", config, home=tmp_path, check=False)
    assert done.returncode == 2
    assert [line.split(": ")[1:3] for line in done.stderr.splitlines()] == [
        [f"{config}:1", "interval"],
        [f"{config}:2", "plan"],
        [f"{config}:3", "color"],
        [f"{config}:4", "agent"],
        [f"{config}:6", "prices.ours.input"],
        [f"{config}:8", "prices.theirs"],
    ]


@pytest.mark.slow
def test_a_price_that_is_no_number_is_named(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('[prices."ours"]\ninput = "three"\n')
    done = run("agtop-exporter", "check-config", "--config", config, home=tmp_path, check=False)
    expected = "prices.ours.input: expected a price in US dollars per million tokens, got 'three'"
    assert f"{config}:2: {expected}\n" in done.stderr


@pytest.mark.slow
def test_lists_in_variables_may_have_spaces_and_empty_parts(tmp_path):
    lists = {"AGTOP_AGENT": "claude, codex,", "AGTOP_HOME": "/ada:/bob:"}
    done = run("agtop-exporter", "check-config", home=tmp_path, **lists)
    settings = tomllib.loads(done.stdout)
    assert settings["agent"] == ["claude", "codex"]
    assert settings["home"] == ["/ada", "/bob"]


@pytest.mark.long
def test_settings_that_may_not_be_read(tmp_path, close):
    folder = tmp_path / ".config"
    folder.mkdir()
    close(folder)
    done = run_unprivileged("agtop", "list", home=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"agtop: {folder}/agtop-exporter/config.toml: Permission denied\n"


@pytest.mark.slow
def test_flags_win_over_variables_over_the_file(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("interval = 7\nsessions-max = 9\nsession_linger = 60\n")
    done = run(
        "agtop-exporter",
        *("check-config", "--config", config, "--interval", "11"),
        home=tmp_path,
        AGTOP_INTERVAL="8",
        AGTOP_SESSIONS_MAX="10",
    )
    assert "interval = 11.0  # flag --interval\n" in done.stdout
    assert "sessions_max = 10  # variable AGTOP_SESSIONS_MAX\n" in done.stdout
    assert f"session_linger = 60.0  # {config}:3\n" in done.stdout
    assert 'plan = "retail"  # default\n' in done.stdout


@pytest.mark.long
def test_a_closed_pipe_is_not_an_error(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, range(300)))
    program = f"{SCRIPTS}/agtop-exporter --once --json --no-state --no-pricing-refresh | head -c 10"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", program],
        env=environment(tmp_path),
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""


@pytest.mark.long
@pytest.mark.parametrize(
    ("redirection", "reason"),
    [(">/dev/full", "No space left on device"), (">&-", "standard output is closed")],
)
@pytest.mark.parametrize("words", ["agtop-exporter catalogue", "agtop-exporter --once", "agtop"])
def test_output_that_cannot_be_written_is_reported(words, redirection, reason, tmp_path):
    program = f"{SCRIPTS}/{words} --no-state --no-pricing-refresh {redirection}"
    done = subprocess.run(
        ["bash", "-c", program], env=environment(tmp_path), capture_output=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        f"{words.split()[0]}: cannot write the output: {reason}"
    ]


@pytest.mark.long
@pytest.mark.parametrize("words", ["agtop json", "agtop-exporter --once --json"])
def test_a_closed_standard_error_does_not_stop_a_command(words, tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, [1]) + '{"half":\n')  # causes a log message
    program = f"{SCRIPTS}/{words} --no-state --no-pricing-refresh 2>&-"
    done = subprocess.run(
        ["bash", "-c", program], env=environment(tmp_path), capture_output=True, check=True
    )
    assert len(json.loads(done.stdout)["sessions"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("delay", ["inf", "nan", "soon", "-1", "0", "86401"])
def test_a_delay_that_cannot_be_waited_for(delay, tmp_path):
    done = run("agtop", "list", "--watch", "--delay", delay, home=tmp_path, check=False)
    assert done.returncode == 2
    expected = "expected a number of seconds greater than 0, at most 86400"
    assert done.stderr == f"agtop: -d/--delay: {expected}, got '{delay}'\n"


@pytest.mark.long
def test_plan_names_of_the_reference_program(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, [0]))
    billed = {
        plan: once(tmp_path, "--plan", plan)["sessions"][0]["cost"]
        for plan in ("retail", "API", "claude-max", "enterprise")
    }
    assert [cost["included"] for cost in billed.values()] == [False, False, True, True]
    assert billed["enterprise"]["billed_usd"] == 0
    assert len({cost["total_usd"] for cost in billed.values()}) == 1  # retail stays known


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "agent"),
    [
        *((name, name) for name in ("claude", "codex", "opencode", "copilot", "gemini")),
        *((name, name) for name in ("cursor", "antigravity", "qwen", "pi")),
        ("claude-code", "claude"),
        ("claudecode", "claude"),
        ("open-code", "opencode"),
        ("github-copilot", "copilot"),
        ("gemini-cli", "gemini"),
        ("Claude-Code", "claude"),
        ("CODEX", "codex"),
    ],
)
def test_r01_names_of_agents(typed, agent):
    assert load_settings({"agent": [typed]}, {}).agent == (agent,)
    assert load_settings({}, {"AGTOP_AGENT": typed}).agent == (agent,)
    assert agent in {known.name for known in load_agents()}


@pytest.mark.long
def test_agtop_accepts_common_spellings(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, [0]))
    flags = ("--no-state", "--no-pricing-refresh")
    for words in (("--json",), ("json",), ("-j", "--client", "claude-code")):
        document = json.loads(run("agtop", *words, *flags, home=tmp_path).stdout)
        assert [session["session_id"] for session in document["sessions"]] == [session_id(1)]
    for words in ((), ("list",), ("--list",), ("-l",)):
        assert session_id(1)[-8:] in run("agtop", *words, *flags, home=tmp_path).stdout
    assert run("agtop", "--json", "--watch", home=tmp_path, check=False).returncode == 2


@pytest.mark.slow
def test_an_unpriced_model_is_listed_and_reported(tmp_path):
    claude_file(tmp_path).write_text(claude_answer(1, 0, model="claude-imaginary-9"))
    (session,) = once(tmp_path)["sessions"]
    assert session["cost"]["total_usd"] is None
    assert session["cost"]["unpriced_tokens"] == session["tokens"]["total"] == 200
