"""The result of one read of a file, and how far the file has been read."""

import msgspec

from agtop_exporter.model.session import SessionUpdate
from agtop_exporter.model.usage import UsageEvent


class RateLimit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One rate-limit window, as an agent last recorded it. `used_ratio` 1.0 is exhausted."""

    agent: str
    window: str  # "5h", "weekly", ...
    used_ratio: float | None
    observed_at: float
    resets_at: float | None = None
    window_seconds: float | None = None
    source: str = ""  # kind of record: "rollout", "transcript", "response-headers", ...
    hint: str = ""  # text of the agent, if it recorded no numbers

    def is_over(self, now: float) -> bool:
        """Return whether the window has been reset since. Its numbers are then out of date."""
        return self.resets_at is not None and self.resets_at <= now


class ParseError(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Records of one file that were skipped, or may be counted wrongly, for one reason.

    Reasons: `json`, `schema`, `encoding`, `too_large`, `corrupt` (a damaged database), `negative`
    (an event with a number below zero, which is a bug of the reader) and `ambiguous` (a record
    that is counted, but may be a copy of an earlier one).
    """

    reason: str
    count: int
    example: str = ""  # a location, never the content


class Cursor(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The position up to which one file has been counted: everything before `offset`.

    `fingerprint` is a digest of the first bytes of the file and of those just before `offset`.
    `state` is the encoded state of the agent's reader between two reads.
    """

    device: int = 0
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    offset: int = 0
    fingerprint: bytes = b""
    state: bytes = b""


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """The result of one read of one file, and the cursor after it."""

    agent: str
    path: str
    cursor: Cursor
    events: tuple[UsageEvent, ...] = ()
    sessions: tuple[SessionUpdate, ...] = ()
    rate_limits: tuple[RateLimit, ...] = ()
    errors: tuple[ParseError, ...] = ()
    unknown: tuple[
        tuple[str, int], ...
    ] = ()  # (record type, number) of types that the reader does not know
    records: int = 0
    bytes_read: int = 0
    reset: str = ""  # reason to read from the start again: truncated, rewritten, replaced
    more: bool = False  # the file has more complete records than one batch may hold
