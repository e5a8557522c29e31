"""A lasting fault of the machine gives one message, and a signal without a meaning ends nothing."""

import resource
import signal
import subprocess

import pytest
from running import SCRIPTS, daemon, environment

pytestmark = pytest.mark.integration


@pytest.mark.long
def test_a_missing_proc_is_reported_once(tmp_path):
    with daemon(tmp_path, "--no-state", "--procfs", tmp_path / "no-proc") as running:
        running.until_ready()
        before = running.samples()[("agtop_snapshot_timestamp_seconds", ())]
        running.until(lambda now: now[("agtop_snapshot_timestamp_seconds", ())] > before + 0.2)
        running.end()
    assert "".join(running.log).count("cannot read processes") == 1


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_other_signals_are_ignored(tmp_path, number):
    with daemon(tmp_path, "--no-state") as running:
        running.process.send_signal(number)
        running.until_ready()
        assert running.end()[0] == 0


@pytest.mark.long
def test_too_few_file_descriptors_are_one_line(tmp_path):
    done = subprocess.run(
        [SCRIPTS / "agtop-exporter", "--no-state", "--no-pricing-refresh"],
        env=environment(tmp_path),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20)),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "agtop-exporter: this process may open 20 files, and needs 64: raise the limit"
        " (`ulimit -n`, or LimitNOFILE= of systemd)\n"
    )
