"""The text of the systemd user unit.

Directives: systemd.service(5), systemd.exec(5) and systemd.resource-control(5) of systemd 252.
Quoting: systemd.syntax(7).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from agtop_exporter.existence import is_file

UNIT_NAME = "agtop-exporter.service"
STATE_DIRECTORY = "%h/.local/state/agtop-exporter"  # %h is the home directory of the user
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})

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

# Directory of the ledger. `StateDirectory=` is another directory before systemd 254, and `agtop`
# would not find the ledger there.
Environment={state}
{variables}
# Directories of the price tables and config.toml.
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
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
KeyringMode=private

[Install]
WantedBy=default.target
"""


def unit(
    command: str, *, state: str = STATE_DIRECTORY, variables: Mapping[str, str] = NO_VARIABLES
) -> str:
    """Return the text of a unit.

    `command` is the command line, quoted for systemd. `state` is the directory of the ledger, with
    systemd's specifiers. `variables` are environment variables of the service, in addition to those
    of the service manager.
    """
    assigned = [f"{name}={_doubled(value)}" for name, value in sorted(variables.items())]
    lines = [f"Environment={_quoted(one)}\n" for one in assigned]
    if lines:
        lines.insert(0, "# Variables of the shell in which install-service ran.\n")
    return _UNIT.format(
        command=command, state=_quoted(f"STATE_DIRECTORY={state}"), variables="".join(lines)
    )


def command_of(python: Path, arguments: Sequence[str] = ()) -> str:
    """Return the command that runs the exporter of a Python installation, quoted for systemd.

    `python` is the path of an interpreter.
    """
    script = python.parent / "agtop-exporter"
    program = [script] if is_file(script) else [python, "-m", "agtop_exporter"]
    words = [_doubled(str(word)) for word in (*program, *arguments)]
    # systemd does not replace variables in the path of the program
    return " ".join(map(_quoted, (words[0], *(word.replace("$", "$$") for word in words[1:]))))


def is_temporary(python: Path) -> bool:
    """Return whether the Python installation with the interpreter `python` is only a cache.

    `uvx` and `pipx run` install programs in a directory `.cache`, and delete them later.
    """
    return ".cache" in python.parts


def below_home(path: Path, home: Path) -> str:
    """Return a path for a unit. A path in the home directory begins with `%h`."""
    if path.is_relative_to(home):
        return f"%h/{_doubled(str(path.relative_to(home)))}"
    return _doubled(str(path))


def _doubled(text: str) -> str:
    """Return a text in which each `%` is doubled, so that systemd finds no specifiers in it."""
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """Return a word of a command line or an assignment, with quotes if it needs them."""
    text = word.replace("\\", "\\\\").replace('"', '\\"')
    text = "".join(f"\\x{ord(one):02x}" if ord(one) < ord(" ") else one for one in text)
    return text if text and not set(text) & set(" '\"\\;") else f'"{text}"'
