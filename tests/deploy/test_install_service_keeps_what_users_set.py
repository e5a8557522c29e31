"""install-service passes settings and variables on, and keeps a copy of a replaced unit."""

import re
from pathlib import Path

import pytest
from invented.dreamer import AGENT
from msgspec import structs
from running import run

from agtop_exporter.agents import load_agents
from agtop_exporter.service.installation import install, uninstall
from agtop_exporter.service.unit import UNIT_NAME, is_temporary
from agtop_exporter.service.variables import variables_of_agents

pytestmark = pytest.mark.integration


def installed(home, *arguments, **environment):
    """Return what install-service prints, and the unit."""
    environment = {"AGTOP_PROCFS": "", **environment}
    done = run("agtop-exporter", "install-service", *arguments, home=home, **environment)
    return done.stdout, (home / ".config" / "systemd" / "user" / UNIT_NAME).read_text()


def exec_start(unit):
    return re.search(r"^ExecStart=\S+ ?(.*)$", unit, re.MULTILINE)[1]


def variables(unit):
    return re.findall(r"^Environment=(.*)$", unit, re.MULTILINE)


@pytest.mark.slow
def test_flags_and_variables_become_options(tmp_path):
    printed, unit = installed(
        tmp_path,
        *("--interval", "30", "--home", "/a b", "--agent", "pi", "--no-state"),
        AGTOP_SESSIONS_MAX="9",
        AGTOP_INTERVAL="7",
    )
    options = "--interval 30.0 --sessions-max 9 --home '/a b' --agent pi --no-state"
    assert exec_start(unit) == options.replace("'", '"')
    assert f"options of the service: {options}\n" in printed


@pytest.mark.parametrize(
    ("python", "expected"),
    [
        (".cache/uv/archive-v0/9fJ2/bin/python", True),  # uvx
        (".local/share/pipx/.cache/4f9a/bin/python", True),  # pipx run
        (".local/share/pipx/venvs/agtop-exporter/bin/python", False),
        (".local/share/uv/tools/agtop-exporter/bin/python", False),
    ],
)
def test_a_temporary_installation_is_recognized(python, expected):
    assert is_temporary(Path("/home/ada") / python) is expected


@pytest.mark.slow
def test_paths_are_absolute(tmp_path):
    _, unit = installed(tmp_path, "--textfile", "~/agtop.prom", "--state-dir", "/x/../y")
    assert f"--textfile {tmp_path}/agtop.prom --state-dir /x/../y" in exec_start(unit)


@pytest.mark.slow
def test_a_configuration_file_elsewhere_is_named(tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text("interval = 9\n")
    _, unit = installed(tmp_path, "--config", config)
    assert f"--config {config}" in exec_start(unit)
    assert "--interval" not in unit
    usual = tmp_path / ".config" / "agtop-exporter" / "config.toml"
    usual.parent.mkdir()
    usual.write_text("interval = 9\n")
    assert "--config" not in installed(tmp_path)[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value", "setting"),
    [
        ("AGTOP_STORE_TITLES", "false", "store_titles"),
        ("AGTOP_PRICES", '{"m": {"input": 1}}', "prices"),
        ("AGTOP_NO_STATE", "false", "no_state"),
    ],
)
def test_what_cannot_be_an_option_is_reported(variable, value, setting, tmp_path):
    done = run("agtop-exporter", "install-service", home=tmp_path, check=False, **{variable: value})
    reason = f"is not passed to the service: set {setting} in the configuration file"
    assert (done.returncode, done.stderr) == (1, f"agtop-exporter: variable {variable} {reason}\n")
    assert not (tmp_path / ".config" / "systemd").exists()


@pytest.mark.slow
def test_an_invalid_setting_installs_nothing(tmp_path):
    arguments = ("install-service", "--interval", "0")
    done = run("agtop-exporter", *arguments, home=tmp_path, check=False)
    assert done.returncode == 2
    assert not (tmp_path / ".config").exists()


@pytest.mark.slow
def test_variables_of_the_agents_are_carried_over(tmp_path):
    environment = {
        "CLAUDE_CONFIG_DIR": "/my claude",
        "CODEX_HOME": "/50%/$x",
        "XDG_DATA_HOME": "/data",
        "PI_CODING_AGENT_DIR": "",
        "ANTHROPIC_API_KEY": "hidden-value",
        "OTEL_EXPORTER_OTLP_HEADERS": "hidden-value",
    }
    printed, unit = installed(tmp_path, "--otlp", **environment)
    assert variables(unit) == [
        "STATE_DIRECTORY=%h/.local/state/agtop-exporter",
        '"CLAUDE_CONFIG_DIR=/my claude"',
        "CODEX_HOME=/50%%/$x",
        "XDG_DATA_HOME=/data",
    ]
    assert "variables of the service: CLAUDE_CONFIG_DIR, CODEX_HOME, XDG_DATA_HOME\n" in printed
    assert printed.endswith("agtop.conf: OTEL_EXPORTER_OTLP_HEADERS\n")
    assert "hidden-value" not in printed + unit


@pytest.mark.parametrize(
    "name",
    [
        *("CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME", "CURSOR_DATA_DIR", "GEMINI_CLI_HOME"),
        *("OPENCODE_DB", "QWEN_RUNTIME_DIR", "PI_CODING_AGENT_SESSION_DIR", "XDG_CONFIG_HOME"),
    ],
)
def test_a_variable_of_an_agent_is_found(name, tmp_path):
    variables = {name: "/x", "OTHER": "1"}
    found = variables_of_agents(load_agents(), [tmp_path], variables, responds=lambda _path: True)
    assert found == {name: "/x"}


def test_settings_of_an_agent_that_do_not_respond_are_not_read(tmp_path):
    def roots(_home, _environment):
        raise AssertionError

    agent = structs.replace(AGENT, bases=lambda home, _environment: (home,), roots=roots)
    assert variables_of_agents([agent], [tmp_path], {}, responds=lambda _path: False) == {}


@pytest.mark.slow
def test_the_service_keeps_a_ledger_of_systemd_before_254(tmp_path):
    (tmp_path / ".config" / "agtop-exporter").mkdir(parents=True)
    (tmp_path / ".config" / "agtop-exporter" / "ledger.db").touch()
    _, unit = installed(tmp_path)
    assert variables(unit) == ["STATE_DIRECTORY=%h/.config/agtop-exporter"]
    done = run("agtop-exporter", "check-config", home=tmp_path)
    assert f"# state: {tmp_path}/.config/agtop-exporter\n" in done.stdout
    (tmp_path / ".local" / "state" / "agtop-exporter").mkdir(parents=True)
    (tmp_path / ".local" / "state" / "agtop-exporter" / "ledger.db").touch()
    _, unit = installed(tmp_path)
    assert variables(unit) == ["STATE_DIRECTORY=%h/.local/state/agtop-exporter"]


def test_a_replaced_unit_is_kept_once(tmp_path):
    folder = tmp_path / ".config" / "systemd" / "user"
    folder.mkdir(parents=True)
    unit = folder / UNIT_NAME
    for text, line in [
        ("[Service]\n", "written"),
        ("second", f"replaced; {UNIT_NAME}.backup-1 is a copy of the unit before"),
        ("second", "unchanged"),
        ("[Service]\n", f"replaced; {UNIT_NAME}.backup-2 is a copy of the unit before"),
        ("third", f"replaced; {UNIT_NAME}.backup-1 is a copy of the unit before"),
    ]:
        assert install(text, {}, home=tmp_path)[0] == f"{unit}: {line}"
        assert unit.read_text() == text
    assert {path.name: path.read_text() for path in folder.iterdir() if path.is_file()} == {
        UNIT_NAME: "third",
        f"{UNIT_NAME}.backup-1": "[Service]\n",
        f"{UNIT_NAME}.backup-2": "second",
    }


@pytest.mark.slow
def test_uninstall_removes_the_unit_and_its_link(tmp_path):
    assert uninstall({}, home=tmp_path)[0].endswith(": not installed")
    install("[Service]\n", {}, home=tmp_path)
    install("[Unit]\n", {}, home=tmp_path)
    done = run("agtop-exporter", "install-service", "--uninstall", home=tmp_path)
    folder = tmp_path / ".config" / "systemd" / "user"
    assert done.stdout.splitlines() == [
        f"{folder}/default.target.wants/{UNIT_NAME}: removed",
        f"{folder}/{UNIT_NAME}: removed",
        f"{folder}/{UNIT_NAME}.backup-1: kept",
    ]
    assert sorted(path.name for path in folder.rglob("*")) == [
        f"{UNIT_NAME}.backup-1",
        "default.target.wants",
    ]


def test_uninstall_with_a_running_manager_says_how_to_stop(tmp_path):
    (tmp_path / "systemd").mkdir()
    (tmp_path / "systemd" / "private").touch()
    environment = {"XDG_RUNTIME_DIR": str(tmp_path)}
    install("", environment, home=tmp_path)
    command = "systemctl --user stop agtop-exporter && systemctl --user daemon-reload"
    assert uninstall(environment, home=tmp_path)[-1].strip() == command
