"""Stores the rate limits that an agent sent to its status line, in one file for each account.

A file is `<agent>.json` or `<agent>.<account>.json` in a directory `limits`. It has names of
windows, shares and times only. The command `statusline` replaces a file atomically, without a lock.
If two commands write at the same time, the limits of one are lost until its next status line.

    {"version":1,"limits":[{"window":"5h","used_ratio":0.42,"observed_at":1790000000.0, ...}]}

This module imports little, because an agent starts the command `statusline` very often.
"""

import contextlib
import os
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import msgspec

from agtop_exporter import platforms
from agtop_exporter.atomic import DRAFT, replace_file
from agtop_exporter.model import RateLimit, StatusLine, is_ahead, is_sane

FOLDER = "limits"
SUFFIX = ".json"
VERSION = 1
FILE_BYTES_MAX = 65_536
FILES_MAX = 256
WINDOWS_MAX = 8
SAME_RESET_SECONDS = 60.0  # two resets of one window differ by less
DRAFT_SECONDS = 60.0  # an older draft belongs to a command that was killed
NEWER = "a newer version of this program wrote the file"
INVALID = "its content is not valid"


class _Window(msgspec.Struct, frozen=True):
    """The stored fields of a RateLimit."""

    window: str
    used_ratio: float
    observed_at: float
    resets_at: float | None = None
    window_seconds: float | None = None
    source: str = ""


class _Version(msgspec.Struct):
    version: int


class _Document(msgspec.Struct):
    version: int
    limits: list[_Window]


class LimitFile(msgspec.Struct, frozen=True):
    """The content of one file. `problem` is the reason why it cannot be used, or ""."""

    path: str
    agent: str
    limits: tuple[RateLimit, ...] = ()
    problem: str = ""


def store(folder: Path, line: StatusLine, now: float) -> None:
    """Add the rate limits of a status line to the file of its account. Raises OSError.

    `now` is in unix seconds. Limits of windows that have ended are removed.
    """
    if not line.rate_limits:
        return
    for missing in (folder.parent, folder):
        platforms.make_directory(missing)
    path = folder / _name(line.agent, line.account)
    known = {one.window: one for one in _read(path).limits if not is_ahead(one.observed_at, now)}
    for limit in line.rate_limits:
        if limit.window not in known or not _is_older(limit, known[limit.window]):
            known[limit.window] = limit
    kept = [limit for limit in known.values() if not limit.is_over(now)]
    _remove_drafts(folder, now)
    replace_file(path, msgspec.json.encode(_Document(VERSION, [_stored(one) for one in kept])))


def _is_older(limit: RateLimit, known: RateLimit) -> bool:
    """Return whether a rate limit describes an earlier time than the stored one.

    An idle session repeats the limits of its last response, so the time of a status line does not
    show how old its limits are. Within a window, the used share does not decrease.
    """
    if limit.resets_at is None or known.resets_at is None:
        return False
    if abs(limit.resets_at - known.resets_at) < SAME_RESET_SECONDS:
        return (limit.used_ratio or 0) < (known.used_ratio or 0)
    return limit.resets_at < known.resets_at


class LimitFiles:
    """Reads the files in some directories that have changed since the last call of `changed`."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Set the directories, which may be missing. Nothing is read yet."""
        self._folders = folders
        self._seen: dict[str, tuple[int, int, int]] = {}

    def changed(self, *, avoid: Container[Path] = ()) -> list[LimitFile]:
        """Return the content of each file that is new or changed since the last call.

        Files in the directories `avoid` are left out.
        """
        found = dict(self._states(avoid))
        new = [path for path, state in found.items() if self._seen.get(path) != state]
        self._seen = found
        return [_read(Path(path)) for path in new]

    def _states(self, avoid: Container[Path]) -> Iterator[tuple[str, tuple[int, int, int]]]:
        """Yield (path, numbers) of each file. The numbers differ if the content has changed.

        Files in the directories `avoid` are left out.
        """
        for folder in self._folders:
            if folder in avoid:
                continue
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                files = (e for e in entries if e.name.endswith(SUFFIX) and e.is_file())
                for entry in sorted(files, key=lambda entry: entry.name)[:FILES_MAX]:
                    status = entry.stat()
                    yield entry.path, (status.st_ino, status.st_size, status.st_mtime_ns)


def _name(agent: str, account: str) -> str:
    return f"{agent}.{account}{SUFFIX}" if account else f"{agent}{SUFFIX}"


def _read(path: Path) -> LimitFile:
    """Return the content of a file, without limits whose numbers are not possible."""
    agent, _, account = path.name.removesuffix(SUFFIX).partition(".")
    file = LimitFile(str(path), agent)
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX)
    except FileNotFoundError:
        return file
    except OSError as error:
        return msgspec.structs.replace(file, problem=error.strerror or type(error).__name__)
    try:
        if msgspec.json.decode(data, type=_Version).version > VERSION:
            return msgspec.structs.replace(file, problem=NEWER)
        windows = msgspec.json.decode(data, type=_Document).limits
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.structs.replace(file, problem=INVALID)
    limits = (
        RateLimit(agent=agent, account=account, **msgspec.structs.asdict(window))
        for window in windows[:WINDOWS_MAX]
        if _is_possible(window)
    )
    return msgspec.structs.replace(file, limits=tuple(limits))


def _is_possible(window: _Window) -> bool:
    return is_sane(window.observed_at) and window.used_ratio >= 0


def _stored(limit: RateLimit) -> _Window:
    return _Window(*(getattr(limit, name) for name in _Window.__struct_fields__))


def _remove_drafts(folder: Path, now: float) -> None:
    """Remove the temporary files of commands that were killed.

    An agent kills the command if it does not print the status line soon.
    """
    for draft in folder.glob(f"*{DRAFT}"):
        with contextlib.suppress(OSError):
            if draft.stat().st_mtime < now - DRAFT_SECONDS:
                draft.unlink()
