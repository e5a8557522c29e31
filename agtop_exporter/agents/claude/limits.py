"""Rate limits that Claude Code keeps in `.claude.json`: what it last asked its server for.

The file also has accounts and keys: only the members named here are decoded. Read in the program
of 2.1.330, not seen in a file; see tests/agents/claude/README.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.decoding import Errors, Moment
from agtop_exporter.file_group import FileGroup
from agtop_exporter.model import Batch, Cursor, RateLimit
from agtop_exporter.tail_json import read_document

NAME = "claude"
STATE = ".claude.json"
FOLDER = ".claude"  # the default one has its state beside it, others in them
SOURCE = "usage-cache"
WEEK_SECONDS = 604_800.0
WINDOWS = {  # by member: name, seconds
    "five_hour": ("5h", 18_000.0),
    "seven_day": ("weekly", WEEK_SECONDS),
    "seven_day_opus": ("weekly_opus", WEEK_SECONDS),
    "seven_day_sonnet": ("weekly_sonnet", WEEK_SECONDS),
}
MAX_PERCENT = 1000.0  # a window may be overdrawn, but not that much
LATEST_MS = 1e14  # the year 5138


class Window(msgspec.Struct):
    """How much of a window is used, in percent."""

    utilization: float | None = None
    resets_at: Moment | None = None


class Utilization(msgspec.Struct):
    """All windows of the account."""

    five_hour: Window | None = None
    seven_day: Window | None = None
    seven_day_opus: Window | None = None
    seven_day_sonnet: Window | None = None


class Usage(msgspec.Struct, rename="camel"):
    """The last answer, and when it came."""

    fetched_at_ms: float | None = None
    utilization: Utilization | None = None


class State(msgspec.Struct, rename="camel"):
    """`.claude.json`, of which only this is looked at."""

    cached_usage_utilization: Usage | None = None


def files(projects: Path) -> Iterator[FileGroup]:
    """Give the state that belongs to a folder of projects."""
    configuration = projects.parent
    places = [configuration / STATE]
    if configuration.name == FOLDER:
        places.append(configuration.parent / STATE)
    for path in places:
        if path.is_file() and not path.is_symlink():
            yield FileGroup(str(path))


def rate_limits(usage: Usage) -> Iterator[RateLimit]:
    """Give the windows of which something is known."""
    fetched_at = usage.fetched_at_ms or 0.0
    if not 0 < fetched_at < LATEST_MS:
        return
    for member, (name, length) in WINDOWS.items():
        window: Window | None = getattr(usage.utilization, member, None)
        percent = window.utilization if window else None
        if window is None or percent is None or not 0 <= percent <= MAX_PERCENT:
            continue
        yield RateLimit(
            agent=NAME,
            window=name,
            used_ratio=percent / 100,
            observed_at=fetched_at / 1000,
            resets_at=window.resets_at.timestamp() if window.resets_at else None,
            window_seconds=length,
            source=SOURCE,
        )


def read(path: str, cursor: Cursor) -> Batch:
    """Read the limits if the file has changed. Raises NotAFileError, or OSError."""
    errors = Errors(path)
    state, place = read_document(path, cursor, State, errors=errors)
    usage = state.cached_usage_utilization if state else None
    return Batch(
        agent=NAME,
        path=path,
        cursor=place,
        rate_limits=tuple(rate_limits(usage)) if usage else (),
        errors=errors.all(),
        records=int(state is not None),
        bytes_read=place.size,
    )
