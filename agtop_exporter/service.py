"""Writes and enables the systemd user unit, without running commands.

Directives: systemd.service(5), systemd.exec(5) and systemd.resource-control(5) of systemd 252.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from agtop_exporter import platforms
from agtop_exporter.model import AgtopError

UNIT_NAME = "agtop-exporter.service"

_UNIT = """\
# systemd user unit of agtop-exporter; `agtop-exporter install-service` writes it with its own path.
[Unit]
Description=Prometheus exporter for AI coding agents
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5
WatchdogSec=120
TimeoutStopSec=20

# Directories of the ledger, the price tables and config.toml. Only the owner can read the ledger.
StateDirectory=agtop-exporter
StateDirectoryMode=0700
CacheDirectory=agtop-exporter
ConfigurationDirectory=agtop-exporter
UMask=0077

# Agents and other programs of the user take precedence.
Nice=10
IOSchedulingClass=idle
CPUWeight=20
MemoryHigh=300M
MemoryMax=512M
TasksMax=64

# Do not add directives that need a user namespace, such as ProtectHome, ProtectSystem, PrivateTmp
# and others that mount. In a user namespace, io, cwd and environ of the agents' processes cannot be
# read. Sessions are then not matched to processes, and process metrics are missing.
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
"""


def unit(command: str) -> str:
    """Return the text of the unit that runs `command`, which must be quoted for systemd."""
    return _UNIT.format(command=command)


def quoted(path: Path) -> str:
    """Return a path, quoted as a word of a command line in a unit."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text if text and not set(text) & set(" \t'\"\\;") else f'"{text}"'


def command_of(python: Path) -> str:
    """Return the command that runs the exporter of the Python installation `python`.

    `python` is the path of an interpreter. The command is quoted for systemd.
    """
    script = python.parent / "agtop-exporter"
    return quoted(script) if script.is_file() else f"{quoted(python)} -m agtop_exporter"


def install(environment: Mapping[str, str], *, home: Path, python: Path) -> list[str]:
    """Write the unit and enable it. Return lines about what was done and what to do next.

    The unit is enabled by a symbolic link, as `systemctl enable` does. The unit then starts when
    the user logs in.

    Raises:
        AgtopError: The system has no systemd, or the files cannot be written.

    """
    if not platforms.SYSTEMD:
        raise AgtopError(
            "install-service writes a unit for systemd, which this system does not have; "
            "start agtop-exporter from the service manager of this system"
        )
    base = environment.get("XDG_CONFIG_HOME") or home / ".config"
    folder = Path(base) / "systemd" / "user"
    path = folder / UNIT_NAME
    link = folder / "default.target.wants" / UNIT_NAME
    text = unit(command_of(python))
    try:
        before = path.read_text() if path.is_file() else None
        link.parent.mkdir(parents=True, exist_ok=True)
        if text != before:
            _replace(path, text)
        if not link.is_symlink():
            link.symlink_to(path)
    except OSError as error:
        raise AgtopError(f"{error.filename}: {error.strerror}") from error
    done = "unchanged" if text == before else "written" if before is None else "replaced"
    return [f"{path}: {done}", f"{link}: enabled, starts when you log in", *_next(environment)]


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)


def _next(environment: Mapping[str, str]) -> list[str]:
    """Return lines with the commands that the user must run next."""
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    always = "loginctl enable-linger   (to run it also while you are not logged in)"
    if runtime and os.path.exists(f"{runtime}/systemd/private"):  # noqa: PTH110 - it may be ""
        name = UNIT_NAME.removesuffix(".service")
        return [
            "to start it now:",
            f"    systemctl --user daemon-reload && systemctl --user restart {name}",
            f"    {always}",
        ]
    return ["no systemd user manager is running: the unit starts with it", f"    {always}"]
