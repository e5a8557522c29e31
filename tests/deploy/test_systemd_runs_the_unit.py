"""A real user manager of systemd starts, reloads, watches, restarts and stops the unit.

This needs root and namespaces. Without them, only `test_systemd_unit_is_valid` runs.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import user_manager

pytestmark = pytest.mark.integration

NAMESPACES = ["unshare", "--mount", "--pid", "--cgroup", "--fork", "--mount-proc"]


def namespaces_are_to_be_had():
    if not (shutil.which("unshare") and Path(user_manager.MANAGER).exists()):
        return False
    mounting = ["mount", "-t", "tmpfs", "tmpfs", "/run"]
    return not subprocess.run([*NAMESPACES, *mounting], capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Return the observations of each step."""
    if not namespaces_are_to_be_had():
        pytest.skip("no namespaces or no systemd here")
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        [*NAMESPACES, sys.executable, user_manager.__file__, home],
        env={**os.environ, "PYTHONPATH": str(Path(user_manager.__file__).parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + (home / "manager.log").read_text()
    return json.loads(done.stdout)


@pytest.mark.long
def test_the_commands_that_install_service_prints_start_the_service(seen):
    assert "enabled, starts when you log in" in seen["told"]
    assert seen["typed"] == ""
    assert (seen["started"]["ActiveState"], seen["started"]["NRestarts"]) == ("active", "0")
    assert seen["started"]["StatusText"] == "1 active or recent session"


def test_doctor_sees_what_the_service_does_not(seen):
    assert "CODEX_HOME is /x in this shell and not set in the service" in seen["doctor"]
    assert "the service keeps its ledger in" not in seen["doctor"]


def test_its_hardening_hides_nothing(seen):
    """A session is matched with its process, and has CPU time and disk bytes."""
    page = seen["page"]
    assert page["agtop_session_processes"] == page["agtop_session_match_confidence"] == 1
    assert page["agtop_session_cpu_seconds_total"] > 0
    assert page["agtop_session_disk_written_bytes_total"] >= 0
    assert "agtop_process_scan_errors_total" not in page
    assert page["agtop_otlp_export_errors_total"] >= 1  # gRPC works, without a receiver


def test_a_reload_reads_the_settings_again(seen):
    assert seen["reload"] == ""
    assert seen["reloaded"]["MainPID"] == seen["started"]["MainPID"]


def test_one_that_hangs_is_restarted_and_loses_nothing(seen):
    assert seen["restarted"]["NRestarts"] == "1"
    assert seen["restarted"]["MainPID"] != seen["started"]["MainPID"]
    counted, written = seen["tokens"]
    assert counted == written > 0


def test_it_stops_well_and_keeps_its_ledger(seen):
    assert seen["stop"] == ""
    assert seen["stopped"]["ActiveState"] == "inactive"
    assert (seen["stopped"]["Result"], seen["stopped"]["ExecMainStatus"]) == ("success", "0")
    assert "ledger.db" in seen["state"]
    assert seen["log"].rstrip().endswith("msg=stopped")
    assert "Traceback" not in seen["log"]
