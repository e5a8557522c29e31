"""`Batch`, the result of one read of an agent's file or database, and the values in a batch."""

import msgspec

from agtop_exporter.model.session import SessionUpdate
from agtop_exporter.model.usage import UsageEvent

MIN_ELAPSED_RATIO = 0.01  # before that share of a window, its mean rate has no meaning


class RateLimit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The latest record of one rate-limit window of an agent.

    `used_ratio` is the used share of the limit. 1.0 means that the limit is exhausted.
    """

    agent: str
    window: str  # "5h", "weekly", ...
    used_ratio: float | None
    observed_at: float
    resets_at: float | None = None
    window_seconds: float | None = None
    source: str = ""  # kind of the record, such as "rollout", "transcript", "response-headers"
    hint: str = ""  # text of the agent, if it recorded no numbers
    account: str = ""  # name of the account; "" for the account in the default directory

    @property
    def elapsed_ratio(self) -> float | None:
        """The share of the window that had passed when the agent recorded it; None if unknown."""
        if self.resets_at is None or not self.window_seconds or self.window_seconds < 0:
            return None
        elapsed = 1 - (self.resets_at - self.observed_at) / self.window_seconds
        return elapsed if 0 <= elapsed <= 1 else None

    @property
    def projected_ratio(self) -> float | None:
        """The share used at the end of the window, if the mean rate of the window stays the same.

        This is also the pace: above 1, the limit is exhausted before the reset. None if unknown, or
        if less than MIN_ELAPSED_RATIO of the window had passed.
        """
        elapsed = self.elapsed_ratio
        if self.used_ratio is None or elapsed is None or elapsed < MIN_ELAPSED_RATIO:
            return None
        return self.used_ratio / elapsed

    def is_over(self, now: float) -> bool:
        """Return whether the window ended at or before `now`. The record is then out of date."""
        return self.resets_at is not None and self.resets_at <= now


class ParseError(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Records of one file that were skipped or may be counted wrongly, all for the same reason.

    `count` is the number of records. `reason` is `json`, `schema`, `encoding`, `too_large`,
    `corrupt` (a damaged database), `negative` (an event with a number below zero, which is a bug of
    the reader) or `ambiguous` (a record that is counted, but may be a copy of an earlier record).
    """

    reason: str
    count: int
    example: str = ""  # path and byte offset, never the content


class Cursor(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The read position in one file. All records before the byte `offset` have been counted.

    `fingerprint` is a digest of the first bytes of the file and of the bytes before `offset`.
    `state` is the encoded reader state.
    """

    device: int = 0
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    offset: int = 0
    fingerprint: bytes = b""
    state: bytes = b""


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """The result of one read of one file or database of an agent."""

    agent: str
    path: str
    cursor: Cursor
    events: tuple[UsageEvent, ...] = ()
    sessions: tuple[SessionUpdate, ...] = ()
    rate_limits: tuple[RateLimit, ...] = ()
    errors: tuple[ParseError, ...] = ()
    unknown: tuple[tuple[str, int], ...] = ()  # (record type, number) of unknown types
    records: int = 0
    bytes_read: int = 0
    reset: str = ""  # why the source was read again from its start: truncated, rewritten, replaced
    more: bool = False  # the source has more records than fit into one batch

    def of_account(self, account: str) -> "Batch":
        """Return a copy of the batch whose sessions and rate limits belong to `account`."""
        replace = msgspec.structs.replace
        return replace(
            self,
            sessions=tuple(replace(update, account=account) for update in self.sessions),
            rate_limits=tuple(replace(limit, account=account) for limit in self.rate_limits),
        )


class StatusLine(msgspec.Struct, frozen=True):
    """The data that an agent sends to the command `statusline`. Unknown values are None."""

    agent: str
    account: str
    rate_limits: tuple[RateLimit, ...] = ()
    model: str | None = None  # the name that people read
    context_used_ratio: float | None = None
    cost_usd: float | None = None  # cost of the session, as the agent calculates it
