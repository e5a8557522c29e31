"""systemd accepts the units for many users and for sockets, and they are as strict as the first."""

import subprocess

import pytest
from places import ROOT
from programs import find_program
from running import SCRIPTS, environment

pytestmark = pytest.mark.integration

FOLDER = ROOT / "systemd"
USER, TEMPLATE, SOCKET = (
    "agtop-exporter.service",
    "agtop-exporter@.service",
    "agtop-exporter.socket",
)
INSTALLED = ("/usr/local/bin/agtop-exporter", "%h/.local/bin/agtop-exporter")


def directives(name, *, without=()):
    """Return the lines of a unit that set something, without some directives."""
    lines = (FOLDER / name).read_text().splitlines()
    return [
        line
        for line in lines
        if "=" in line and not line.startswith("#") and line.partition("=")[0] not in without
    ]


def verify(folder, *names):
    for unit in (USER, TEMPLATE, SOCKET):
        text = (FOLDER / unit).read_text()
        for path in INSTALLED:
            text = text.replace(path, str(SCRIPTS / "agtop-exporter"))
        (folder / unit).write_text(text)
    return subprocess.run(
        [find_program("systemd-analyze"), "verify", "--man=no", *(folder / name for name in names)],
        env={"SYSTEMD_UNIT_PATH": f"{folder}:", **environment(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["agtop-exporter@root.service", SOCKET])
def test_systemd_takes_them(tmp_path, name):
    done = verify(tmp_path, name)
    assert [line for line in done.stderr.splitlines() if "agtop-exporter" in line] == []


def test_the_template_is_as_strict_as_the_user_unit():
    own = ("ExecStart", "Environment", "CacheDirectory", "ConfigurationDirectory", "WantedBy")
    strict = directives(USER, without=(*own, "Description"))
    assert set(strict) <= set(directives(TEMPLATE))


@pytest.mark.long
def test_the_command_of_the_template_is_valid(tmp_path):
    (line,) = [one for one in directives(TEMPLATE) if one.startswith("ExecStart=")]
    _program, *flags = line.removeprefix("ExecStart=").replace("%i", "ada").split()
    done = subprocess.run(
        [SCRIPTS / "agtop-exporter", "check-config", *flags],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "user=ada" in done.stdout
