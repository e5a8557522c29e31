"""The process signature of Claude Code, and the registry of its live processes.

The names in the signature are from versions 1.0.100 to 2.1.332. Claude Code writes the registry:
the file `sessions/<pid>.json` exists while the process runs (version 2.1.197). The fields of the
file are not documented.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from agtop_exporter.reading.files import read_head
from agtop_exporter.signature import (
    MAINTENANCE_COMMANDS,
    MCP_COMMANDS,
    ProcessSignature,
    RegistryEntry,
    RegistryReading,
)

MAX_BYTES = 65_536  # maximum size of a registry file; known files have about 400 bytes
MAX_FILES = 4_096

SIGNATURE = ProcessSignature(
    executables=frozenset({"claude"}),
    packages=("@anthropic-ai/claude-code",),
    version_folders=("claude/versions",),
    helpers=(
        *MCP_COMMANDS,
        *MAINTENANCE_COMMANDS,
        ("daemon",),
        ("config",),
        ("plugin",),
        ("plugins",),
        ("auth",),
        ("auto-mode",),
        ("setup-token",),
        ("gateway",),
        ("import",),
        ("project",),
        ("purge",),
        ("ultrareview",),  # waits for a review that runs elsewhere
        ("remote-control",),  # starts one process per session
        ("agents",),
        # of sessions in the background, which have processes of their own
        *((command,) for command in ("attach", "logs", "respawn", "rm", "stop", "kill")),
    ),
    helper_options=frozenset(
        {
            "--bg-pty-host",  # runs beside `claude --bg`
            "--bg-spare",
            "--chrome-native-host",  # started by the browser
            "--claude-in-chrome-mcp",
            "--computer-use-mcp",
            "--mcp-cli",
            "--ripgrep",
            "--daemon-worker",
        }
    ),
    value_options=frozenset(
        {
            "--add-dir",
            "--agent",
            "--agent-color",
            "--agent-id",
            "--agent-name",
            "--agent-type",
            "--agents",
            "--allowed-tools",
            "--allowedTools",
            "--append-system-prompt",
            "--append-system-prompt-file",
            "--autocompact",
            "--betas",
            "--debug-file",
            "--disallowed-tools",
            "--disallowedTools",
            "--effort",
            "--environment",
            "--fallback-model",
            "--file",
            "--input-format",
            "--json-schema",
            "--max-budget-usd",
            "--max-thinking-tokens",
            "--max-turns",
            "--mcp-config",
            "--model",
            "-n",
            "--name",
            "--output-format",
            "--parent-session-id",
            "--permission-mode",
            "--permission-prompt-tool",
            "--permission-prompts",
            "--plugin-dir",
            "--plugin-url",
            "-r",
            "--remote-control-session-name-prefix",
            "--resume",
            "--resume-session-at",
            "--session-id",
            "--setting-sources",
            "--settings",
            "--system-prompt",
            "--system-prompt-file",
            "--system-prompt-snapshot",
            "--team-name",
            "--thinking",
            "--tools",
        }
    ),
    prompt_options=frozenset({"-p", "--print"}),
    resume_options=frozenset({"-r", "--resume", "--session-id"}),
    fork_marks=frozenset({"--fork-session"}),
)


class _Process(msgspec.Struct, rename="camel"):
    """The content of one registry file, which describes one process."""

    pid: int
    session_id: str
    cwd: str = ""
    started_at: float | None = None  # milliseconds
    proc_start: str | int | None = None  # clock ticks on Linux
    kind: str = ""
    status: str = ""
    waiting_for: str = ""
    updated_at: float | None = None  # milliseconds


_PROCESS = msgspec.json.Decoder(_Process)


def read_registries(folders: Iterable[Path], *, agent: str) -> RegistryReading:
    """Return the live processes in the registries of several configuration directories.

    `agent` is the name of the agent. The result also has the number of files with errors. Never
    raises OSError.
    """
    readings = [read_registry(folder, agent=agent) for folder in dict.fromkeys(folders)]
    return RegistryReading(
        tuple(entry for reading in readings for entry in reading.entries),
        sum(reading.errors for reading in readings),
    )


def read_registry(folder: Path, *, agent: str) -> RegistryReading:
    """Return the live processes in the registry of one configuration directory.

    `agent` is the name of the agent. The result also has the number of files with errors. An
    example of `folder` is `~/.claude`.
    """
    try:
        paths = sorted(path for path in (folder / "sessions").iterdir() if _names_process(path))
    except OSError:
        return RegistryReading()
    entries: list[RegistryEntry] = []
    errors = 0
    for path in paths[:MAX_FILES]:
        try:
            entries.append(_entry(_content(path), agent))
        except FileNotFoundError:
            continue  # the process ended after the listing
        except (OSError, ValueError):
            errors += 1
    return RegistryReading(tuple(entries), errors)


def _names_process(path: Path) -> bool:
    """Return whether a file is named after a process, unlike old `pid-<pid>.json` files."""
    return path.suffix == ".json" and path.stem.isdecimal()


def _entry(content: bytes, agent: str) -> RegistryEntry:
    """Decode the content of one registry file of the agent with the name `agent`.

    Raises ValueError if the content is invalid. The errors of msgspec are subclasses of ValueError.
    """
    process = _PROCESS.decode(content)
    ticks = str(process.proc_start)
    return RegistryEntry(
        agent=agent,
        pid=process.pid,
        session_id=process.session_id,
        start_ticks=int(ticks) if ticks.isdecimal() else None,
        started_at=_seconds(process.started_at),
        status=process.status,
        waiting_for=process.waiting_for,
        cwd=process.cwd,
        kind=process.kind,
        updated_at=_seconds(process.updated_at),
    )


def _content(path: Path) -> bytes:
    """Return the content of a file. Raises OSError, or ValueError if the file is too large."""
    content = read_head(path, MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError("too large")
    return content


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
