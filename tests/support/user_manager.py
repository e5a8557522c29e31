"""Runs the unit under a real user manager of systemd in its own namespaces; prints JSON.

    unshare --mount --pid --cgroup --fork --mount-proc python tests/support/user_manager.py FOLDER

The manager behaves as if systemd had booted the machine, because it has its own /run.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from living_home import LivingHome
from prometheus_server import free_port
from running import PATIENCE_SECONDS, SCRIPTS, samples_of, total

UNIT = "agtop-exporter"
MANAGER = "/lib/systemd/systemd"
SHOWN = ("ActiveState", "Result", "NRestarts", "MainPID", "ExecMainStatus", "StatusText")
DROP_IN = """\
[Service]
WatchdogSec=2
RestartSec=100ms
StandardError=append:{log}
Environment=AGTOP_LISTEN_ADDRESS=127.0.0.1:{port} AGTOP_INTERVAL=0.2 AGTOP_NO_PRICING_REFRESH=1
Environment=AGTOP_OTLP=1 OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_METRIC_EXPORT_INTERVAL=200
Environment=OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9 OTEL_EXPORTER_OTLP_TIMEOUT=100
"""


class Manager:
    """A user manager, and the commands of its user."""

    def __init__(self, home):
        runtime = Path("/run/user/0")
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        for folder in (runtime, Path("/run/systemd/system")):
            folder.mkdir(parents=True)
        self.environment = {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(runtime),
            "PATH": "/usr/bin:/bin",
        }
        log = (home / "manager.log").open("w")
        self.process = subprocess.Popen(
            [MANAGER, "--user", "--log-target=console"], env=self.environment, stderr=log
        )
        until(lambda: self.type("systemctl --user is-system-running") in {"running", "degraded"})

    def type(self, command):
        """Run a shell command as the user; return its output."""
        words = ["sh", "-c", command]
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, check=False
        )
        return (done.stdout + done.stderr).strip()

    def shown(self):
        """Return the properties of the unit in systemd."""
        lines = self.type(f"systemctl --user show {UNIT} -p {','.join(SHOWN)}").splitlines()
        return dict(line.split("=", 1) for line in lines)


def until(condition):
    """Wait until a condition holds; return its value."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came true")


def samples(port):
    """Return the samples of the page; none if no server listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return samples_of(answer.read().decode())
    except OSError:
        return {}


def main(home):
    """Run the steps of a user, and some failures; print the observations."""
    manager, port, seen = Manager(home), free_port(), {}
    folder = home / ".config" / "systemd" / "user" / f"{UNIT}.service.d"
    folder.mkdir(parents=True)
    log = home / "unit.log"
    (folder / "test.conf").write_text(DROP_IN.format(port=port, log=log))
    with LivingHome(home) as living:
        living.prompt(1, "shop")
        living.answer(1, "shop")
        living.open_claude(1, "busy")
        seen["told"] = manager.type(f"{SCRIPTS / UNIT} install-service")
        (command,) = [line for line in seen["told"].splitlines() if "restart" in line]
        seen["typed"] = manager.type(command)
        page = until(lambda: complete(samples(port)))
        seen["doctor"] = manager.type(f"CODEX_HOME=/x {SCRIPTS / UNIT} doctor --no-pricing-refresh")
        seen["page"] = {name: total(page, name) for name, _ in page}
        seen["started"] = until(lambda: rested(manager.shown()))
        seen["reload"] = manager.type(f"systemctl --user reload {UNIT}")
        until(lambda: "settings reloaded" in log.read_text())
        seen["reloaded"] = manager.shown()
        os.kill(int(seen["started"]["MainPID"]), signal.SIGSTOP)
        until(lambda: manager.shown()["NRestarts"] == "1")
        living.answer(1, "shop")
        page = until(lambda: complete(samples(port)))
        seen["restarted"] = manager.shown()
        seen["tokens"] = [total(page, "agtop_tokens_total"), sum(living.written.values())]
        seen["stop"] = manager.type(f"systemctl --user stop {UNIT}")
        seen["stopped"] = manager.shown()
        seen["log"] = log.read_text()
        seen["state"] = [path.name for path in (home / ".local" / "state" / UNIT).glob("*")]
    manager.process.send_signal(signal.SIGTERM)
    manager.process.wait(PATIENCE_SECONDS)
    json.dump(seen, sys.stdout)


def rested(shown):
    """Return the properties after the first refresh, or nothing."""
    return shown if "recent session" in shown["StatusText"] else None


def complete(page):
    """Return a page with a matched session and a failed push, or nothing."""
    wanted = ("agtop_session_cpu_seconds_total", "agtop_session_disk_read_bytes_total")
    there = set(wanted) <= {name for name, _ in page}
    return page if there and total(page, "agtop_otlp_export_errors_total") else None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
