"""systemd accepts the unit, and the unit does not hide the data of agent processes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT
from programs import find_program
from running import SCRIPTS, run

from agtop_exporter.service.installation import install
from agtop_exporter.service.unit import UNIT_NAME, command_of, unit

pytestmark = pytest.mark.integration

COMMITTED = ROOT / "systemd" / UNIT_NAME
OURS = SCRIPTS / "agtop-exporter"
BLINDING = (  # each makes a user namespace in a user unit: systemd.exec(5), "Sandboxing"
    *("ProtectHome", "ProtectSystem", "ProtectProc", "ProtectKernelTunables", "ProtectClock"),
    *("ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectHostname"),
    *("PrivateTmp", "PrivateDevices", "PrivateUsers", "PrivateNetwork", "PrivateMounts"),
    *("ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths", "BindPaths", "TemporaryFileSystem"),
    *("RootDirectory", "DynamicUser", "CapabilityBoundingSet", "ProcSubset"),
)


def verify(path, runtime):
    """Return the exit code and the output of systemd-analyze for a user unit."""
    done = subprocess.run(
        [find_program("systemd-analyze"), "--user", "verify", str(path)],
        env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(runtime), "HOME": str(runtime)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.slow
def test_systemd_takes_the_unit(tmp_path):
    path = tmp_path / UNIT_NAME
    path.write_text(unit(command_of(Path(sys.executable))))
    assert verify(path, tmp_path) == (0, "")


@pytest.mark.slow
def test_systemd_reports_a_wrong_unit(tmp_path):
    path = tmp_path / UNIT_NAME
    path.write_text(unit(command_of(Path(sys.executable))).replace("WatchdogSec", "Watchdog"))
    assert "Unknown key" in verify(path, tmp_path)[1]


def test_the_committed_unit_is_the_one_that_is_installed():
    assert COMMITTED.read_text() == unit("%h/.local/bin/agtop-exporter")


@pytest.mark.parametrize("directive", BLINDING)
def test_the_unit_does_not_hide_processes(directive):
    assert not re.search(rf"^{directive}=", COMMITTED.read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/opt/agtop/bin", "/opt/agtop/bin/python -m agtop_exporter"),
        ("/home/a b/bin", '"/home/a b/bin/python" -m agtop_exporter'),
        ("/srv/50%/$bin", "/srv/50%%/$bin/python -m agtop_exporter"),
    ],
)
def test_paths_are_quoted_as_systemd_wants(path, words):
    assert command_of(Path(path) / "python") == words


@pytest.mark.parametrize(
    ("argument", "word"),
    [
        ("/home/$USER", "/home/$$USER"),
        ("50%", "50%%"),
        ('a "b" c\\', '"a \\"b\\" c\\\\"'),
        ("a\nb", '"a\\x0ab"'),
        ("", '""'),
    ],
)
def test_arguments_are_quoted_as_systemd_wants(argument, word):
    assert command_of(Path("/bin/python"), [argument]) == f"/bin/python -m agtop_exporter {word}"


@pytest.mark.slow
def test_a_folder_with_blanks_is_taken_by_systemd(tmp_path):
    place = tmp_path / "50% of a home" / "bin"
    place.mkdir(parents=True)
    (place / "agtop-exporter").symlink_to(OURS)
    path = tmp_path / UNIT_NAME
    path.write_text(unit(command_of(place / "python")))
    assert verify(path, tmp_path) == (0, "")


@pytest.mark.slow
def test_install_service_as_a_user_runs_it(tmp_path):
    given = {"home": tmp_path, "AGTOP_PROCFS": ""}
    said = run("agtop-exporter", "install-service", **given).stdout
    folder = tmp_path / ".config" / "systemd" / "user"
    written = folder / UNIT_NAME
    assert f"ExecStart={OURS}\n" in written.read_text()
    link = folder / "default.target.wants" / UNIT_NAME
    assert link.readlink() == written
    assert f"{written}: written" in said
    assert "no systemd user manager is running" in said
    assert verify(written, tmp_path) == (0, "")
    assert f"{written}: unchanged" in run("agtop-exporter", "install-service", **given).stdout


def test_a_running_manager_has_the_exact_command(tmp_path):
    (tmp_path / "run" / "systemd").mkdir(parents=True)
    (tmp_path / "run" / "systemd" / "private").touch()
    environment = {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "XDG_CONFIG_HOME": str(tmp_path)}
    lines = install("", environment, home=tmp_path)
    assert (tmp_path / "systemd" / "user" / UNIT_NAME).is_file()
    command = "systemctl --user daemon-reload && systemctl --user restart agtop-exporter"
    assert command in [line.strip() for line in lines]


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / ".config").write_text("a file")
    done = run("agtop-exporter", "install-service", home=tmp_path, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"agtop-exporter: /.+: .+\n", done.stderr)
