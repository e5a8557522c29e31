"""What agents say themselves about their live processes; reads their files, never writes.

Claude Code keeps `sessions/<pid>.json` while a process lives (seen in 2.1.197); its fields are
not documented by its maker.
"""

import os
import stat
from pathlib import Path

import msgspec

from agtop_exporter import platforms
from agtop_exporter.processes.facts import RegistryEntry

_SIZE_LIMIT = 65_536  # bytes; the files that were seen have about 400
_FILES_LIMIT = 4_096


class RegistryReading(msgspec.Struct, frozen=True):
    """The entries of one registry, and how many of its files could not be used."""

    entries: tuple[RegistryEntry, ...] = ()
    errors: int = 0


class _ClaudeProcess(msgspec.Struct, rename="camel"):
    pid: int
    session_id: str
    cwd: str = ""
    started_at: float | None = None  # milliseconds
    proc_start: str | int | None = None  # clock ticks on Linux
    kind: str = ""
    status: str = ""
    waiting_for: str = ""
    updated_at: float | None = None  # milliseconds


_CLAUDE = msgspec.json.Decoder(_ClaudeProcess)


def read_claude_registry(root: str | Path) -> RegistryReading:
    """Return what Claude Code's processes say below `root` (`~/.claude`); never raises."""
    folder = Path(root) / "sessions"
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError:
        return RegistryReading()
    entries: list[RegistryEntry] = []
    errors = 0
    for path in paths[:_FILES_LIMIT]:
        try:
            entries.append(_claude_entry(_read(path)))
        except FileNotFoundError:
            continue  # the process ended in between
        except (OSError, ValueError):
            errors += 1
    return RegistryReading(tuple(entries), errors)


def _claude_entry(content: bytes) -> RegistryEntry:
    """Decode one file; raises ValueError (msgspec's errors are) on anything unexpected."""
    said = _CLAUDE.decode(content)
    ticks = str(said.proc_start)
    return RegistryEntry(
        agent="claude",
        pid=said.pid,
        session_id=said.session_id,
        start_ticks=int(ticks) if ticks.isdecimal() else None,
        started_at=_seconds(said.started_at),
        status=said.status,
        waiting_for=said.waiting_for,
        cwd=said.cwd,
        kind=said.kind,
        updated_at=_seconds(said.updated_at),
    )


def _read(path: Path) -> bytes:
    descriptor = platforms.open_for_reading(path)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a file")
        content = os.read(descriptor, _SIZE_LIMIT + 1)
    finally:
        os.close(descriptor)
    if len(content) > _SIZE_LIMIT:
        raise ValueError("too large")
    return content


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
