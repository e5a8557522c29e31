"""Rate limits of Claude Code, from the cache in `.claude.json` and from rejected requests.

`.claude.json` also contains accounts and keys, so only the members with a field in this module are
decoded. The names of the members are from Claude Code 2.1.330, not from a real file; see
tests/agents/claude/README.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents.claude.records import Record
from agtop_exporter.existence import is_file
from agtop_exporter.model import Batch, Cursor, RateLimit, is_sane, one_line
from agtop_exporter.reading.decoding import Moment
from agtop_exporter.reading.documents import read_document
from agtop_exporter.reading.file_group import FileGroup
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState

STATE = ".claude.json"
FOLDER = ".claude"  # name of the default configuration directory
SOURCE = "usage-cache"
WEEK_SECONDS = 604_800.0
WINDOWS = {  # member: (name of the window, seconds)
    "five_hour": ("5h", 18_000.0),
    "seven_day": ("weekly", WEEK_SECONDS),
    "seven_day_opus": ("weekly_opus", WEEK_SECONDS),
    "seven_day_sonnet": ("weekly_sonnet", WEEK_SECONDS),
}
MAX_PERCENT = 1000.0  # percent; a larger value is an error, but a window can be exceeded
LATEST_MS = 1e14  # start of the year 5138
RESET_EPOCH = re.compile(r"\|(\d{10})$")  # "usage limit reached|1755072000"


class Window(msgspec.Struct):
    """The used share of a rate-limit window in percent, and the time when the window resets."""

    utilization: float | None = None
    resets_at: Moment | None = None


class Utilization(msgspec.Struct):
    """All rate-limit windows of the account."""

    five_hour: Window | None = None
    seven_day: Window | None = None
    seven_day_opus: Window | None = None
    seven_day_sonnet: Window | None = None


class Usage(msgspec.Struct, rename="camel"):
    """The last response of the server about rate limits.

    `fetched_at_ms` is the time of the response in unix milliseconds.
    """

    fetched_at_ms: float | None = None
    utilization: Utilization | None = None


class State(msgspec.Struct, rename="camel"):
    """The decoded members of `.claude.json`. The file has other members, too."""

    cached_usage_utilization: Usage | None = None


def files(projects: Path) -> Iterator[FileGroup]:
    """List the files `.claude.json` with the rate limits of a configuration directory.

    `projects` is the folder `projects` in that directory.
    """
    configuration = projects.parent
    places = [configuration / STATE]
    if configuration.name == FOLDER:
        places.append(configuration.parent / STATE)
    for path in places:
        if is_file(path):
            yield FileGroup(str(path))


def rate_limits(agent: str, usage: Usage) -> Iterator[RateLimit]:
    """Yield one rate limit for each window that has a valid percentage and time.

    `agent` is the name of the agent.
    """
    fetched_at = usage.fetched_at_ms or 0.0
    if not 0 < fetched_at < LATEST_MS:
        return
    for member, (name, length) in WINDOWS.items():
        window: Window | None = getattr(usage.utilization, member, None)
        percent = window.utilization if window else None
        if window is None or percent is None or not 0 <= percent <= MAX_PERCENT:
            continue
        yield RateLimit(
            agent=agent,
            window=name,
            used_ratio=percent / 100,
            observed_at=fetched_at / 1000,
            resets_at=window.resets_at.timestamp() if window.resets_at else None,
            window_seconds=length,
            source=SOURCE,
        )


def limit_hit(agent: str, text: str, record: Record) -> RateLimit:
    """Return the rate limit that rejected a request.

    `agent` is the name of the agent, and `record` the record of the error with the text `text`. The
    reset time is set if the record or the text has it.
    """
    until = RESET_EPOCH.search(text)
    limits = record.quota_limits
    resets_at = float(until[1]) if until else limits.resets_at if limits is not None else None
    return RateLimit(
        agent=agent,
        window="last_hit",
        used_ratio=None,
        observed_at=record.seconds,
        resets_at=resets_at if resets_at and is_sane(resets_at) else None,
        source="transcript",
        hint=one_line(text.partition("|")[0]),
    )


class StateParser(RecordParser[State, NoState]):
    """The parser of `.claude.json`."""

    record = State
    state_type = NoState

    def feed(self, record: State, offset: int) -> None:  # noqa: ARG002 - of the interface
        """Add the rate limits in `.claude.json` to the batch."""
        usage = record.cached_usage_utilization
        if usage is not None:
            self.batch.rate_limits.extend(rate_limits(self.batch.agent, usage))


def read(path: str, cursor: Cursor, *, agent: str) -> Batch:
    """Read the rate limits in a `.claude.json` if the file has changed since the cursor.

    `agent` is the name of the agent. Raises NotAFileError, or OSError if the file cannot be read.
    """
    return read_document(agent, StateParser, path, cursor)
