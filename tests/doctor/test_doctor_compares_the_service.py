"""doctor names what the service sees otherwise than the shell."""

import json
import os
from pathlib import Path

import pytest
from running import run

from agtop_exporter.service.installed import Service, installed_service
from agtop_exporter.service.unit import UNIT_NAME, command_of, unit

pytestmark = pytest.mark.integration

FLAGS = ("--no-state", "--no-pricing-refresh")
AGAIN = "run `agtop-exporter install-service` in this shell"


def install(home, *arguments, **environment):
    run("agtop-exporter", "install-service", *arguments, home=home, **environment)


def doctor(home, **environment):
    done = run("agtop-exporter", "doctor", "--json", *FLAGS, home=home, check=False, **environment)
    document = json.loads(done.stdout)
    assert document["needs_attention"] == bool(done.returncode)
    return document["service"]


@pytest.mark.slow
def test_without_a_service_nothing_is_said(tmp_path):
    assert doctor(tmp_path) is None
    assert "\nservice " not in run("agtop-exporter", "doctor", *FLAGS, home=tmp_path).stdout


@pytest.mark.slow
def test_a_service_of_this_shell_has_no_differences(tmp_path):
    environment = {"CODEX_HOME": "/my codex", "AGTOP_PLAN": "max", "XDG_DATA_HOME": "/50%"}
    install(tmp_path, "--interval", "60", **environment)
    assert doctor(tmp_path, **environment) == {
        "unit": f"{tmp_path}/.config/systemd/user/{UNIT_NAME}",
        "pid": None,
        "problems": [],
        "differences": [],
    }


@pytest.mark.long
def test_variables_that_differ_are_problems(tmp_path):
    install(tmp_path, CODEX_HOME="/a", QWEN_HOME="/q")
    environment = {"CODEX_HOME": "/b", "CLAUDE_CONFIG_DIR": "/c"}
    assert doctor(tmp_path, **environment)["problems"] == [
        f"CLAUDE_CONFIG_DIR is /c in this shell and not set in the service: {AGAIN}",
        f"CODEX_HOME is /b in this shell and /a in the service: {AGAIN}",
        "QWEN_HOME is not set in this shell and /q in the service",
    ]
    done = run("agtop-exporter", "doctor", *FLAGS, home=tmp_path, check=False, **environment)
    assert (
        f"service      {tmp_path}/.config/systemd/user/{UNIT_NAME}, does not run\n" in done.stdout
    )
    assert f"  ! CODEX_HOME is /b in this shell and /a in the service: {AGAIN}\n" in done.stdout


@pytest.mark.slow
def test_settings_that_differ_are_named(tmp_path):
    install(tmp_path, "--plan", "max", "--agent", "pi", "--agent", "codex")
    config = tmp_path / ".config" / "agtop-exporter" / "config.toml"
    config.parent.mkdir()
    config.write_text('[[budgets]]\nusd = 1\nperiod = "day"\n')
    found = doctor(tmp_path, AGTOP_STATE_DIR="/s", AGTOP_PRICES='{"m": {"input": 1}}')
    assert found["problems"] == []
    ledger = f"{tmp_path}/.local/state/agtop-exporter"
    assert found["differences"] == [
        f"the service keeps its ledger in {ledger}, and this shell reads /s",
        "agent is not set in this shell and pi, codex in the service",
        "plan is retail in this shell and max in the service",
        "prices of this shell and of the service differ",
    ]


@pytest.mark.slow
def test_invalid_settings_of_the_service_are_problems(tmp_path):
    install(tmp_path)
    folder = tmp_path / ".config" / "systemd" / "user" / f"{UNIT_NAME}.d"
    folder.mkdir()
    (folder / "mine.conf").write_text("[Service]\nEnvironment=AGTOP_INTERVAL=soon\n")
    (problem,) = doctor(tmp_path)["problems"]
    assert problem.startswith("AGTOP_INTERVAL: expected a number of seconds")


def written(home, text):
    path = home / ".config" / "systemd" / "user" / UNIT_NAME
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_the_unit_is_read_as_systemd_reads_it(tmp_path):
    words = ["--home", "/a b/$x", "--textfile", "/50%.prom"]
    text = unit(command_of(Path("/usr/bin/python3"), words), variables={"CODEX_HOME": '/"%h"'})
    service = installed_service({}, home=tmp_path, uid=0) if written(tmp_path, text) else None
    assert service.arguments == tuple(words)
    assert service.environment == {
        "HOME": str(tmp_path),
        "CONFIGURATION_DIRECTORY": f"{tmp_path}/.config/agtop-exporter",
        "STATE_DIRECTORY": f"{tmp_path}/.local/state/agtop-exporter",
        "CODEX_HOME": '/"%h"',
    }


@pytest.mark.parametrize("text", ["", "[Service]\nExecStart=/bin/other --x\n", "ExecStart=agtop\n"])
def test_a_unit_of_another_program_has_no_arguments(text, tmp_path):
    written(tmp_path, text)
    assert installed_service({}, home=tmp_path, uid=0).arguments == ()


def test_a_unit_that_cannot_be_read_is_ignored(tmp_path):
    written(tmp_path, 'ExecStart="/bin/agtop-exporter\n')
    assert installed_service({}, home=tmp_path, uid=0) is None


def test_a_running_service_is_read_from_its_process(tmp_path):
    path = written(tmp_path, "[Service]\nExecStart=/bin/agtop-exporter --otlp\n")
    cgroup = "user.slice/user-7.slice/user@7.service/app.slice/agtop-exporter.service"
    (tmp_path / cgroup).mkdir(parents=True)
    (tmp_path / cgroup / "cgroup.procs").write_text("41\n42\n")
    process = tmp_path / "proc" / "41"
    process.mkdir(parents=True)
    (process / "cmdline").write_bytes(b"/bin/python\0/x/agtop-exporter\0--home\0/a b\0")
    (process / "environ").write_bytes(
        b"HOME=/h\0CODEX_HOME=/c=d\0" + os.fsencode("X=\udcff") + b"\0"
    )
    found = installed_service({}, home=tmp_path, uid=7, cgroups=tmp_path, proc=tmp_path / "proc")
    environment = {"HOME": "/h", "CODEX_HOME": "/c=d", "X": "\udcff"}
    assert found == Service(str(path), 41, ("--home", "/a b"), environment)
