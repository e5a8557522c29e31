"""The result of one read of a file, and how far the file has been read."""

import msgspec

from agtop_exporter.model.session import SessionUpdate
from agtop_exporter.model.usage import Packed, UsageEvent


class RateLimit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One rate-limit window as an agent last recorded it; `used_ratio` 1.0 is exhausted."""

    agent: str
    window: str  # "5h", "weekly", ...
    used_ratio: float | None
    observed_at: float
    resets_at: float | None = None
    window_seconds: float | None = None
    source: str = ""  # what recorded it: "rollout", "transcript", "response-headers", ...
    hint: str = ""  # what the agent said about it, where figures are lacking

    def is_over(self, now: float) -> bool:
        """Say whether the window has been reset since: its figures are of the one before."""
        return self.resets_at is not None and self.resets_at <= now


class ParseError(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Records of one file that could not be used, for one reason.

    Reasons: `json`, `schema`, `encoding`, `too_large`, `corrupt` for a damaged database, and
    `negative` for events with a figure below zero, which only a mistake of a reader makes.
    """

    reason: str
    count: int
    example: str = ""  # where: never what


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far one file has been read: everything before `offset` is in the ledger.

    `fingerprint` is a digest of the file's first bytes and of those just before `offset`; `state`
    is what the agent's reader must remember between two reads, encoded by the reader.
    """

    device: int = 0
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    offset: int = 0
    fingerprint: bytes = b""
    state: bytes = b""


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """What one read of one file found, and the cursor after it."""

    agent: str
    path: str
    cursor: Cursor
    events: tuple[UsageEvent, ...] = ()
    packed: Packed | None = None  # instead of events
    sessions: tuple[SessionUpdate, ...] = ()
    rate_limits: tuple[RateLimit, ...] = ()
    errors: tuple[ParseError, ...] = ()
    unknown: tuple[tuple[str, int], ...] = ()  # record types new to the reader, and how many
    records: int = 0
    bytes_read: int = 0
    reset: str = ""  # why the file was read from its start again: truncated, rewritten, replaced
    more: bool = False  # the file has more complete records than one batch may hold
