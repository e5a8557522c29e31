"""Builds the `Batch` (events, sessions, errors and new cursor) of one read of one source."""

from typing import Literal, TypedDict, Unpack

from agtop_exporter.labels import ParseErrorReason, ResetReason
from agtop_exporter.model import (
    Batch,
    Cursor,
    RateLimit,
    SessionUpdate,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.reading.decoding import Errors
from agtop_exporter.reading.drift import UnknownTypes


class EventFields(TypedDict, total=False):
    """The types of those optional fields of a UsageEvent that `BatchBuilder.event` accepts."""

    model: str
    tokens: TokenCounts
    requests: int
    turns: int
    compactions: int
    tools: tuple[tuple[str, str], ...]
    tool_errors: tuple[tuple[str, str], ...]
    provider: str
    speed: str
    reported_cost: int | None
    running_total: tuple[int, TokenCounts] | None
    web_searches: int
    region: str
    other_keys: tuple[str, ...]


class SessionFields(TypedDict, total=False):
    """The types of those fields of a SessionUpdate that `BatchBuilder.session` accepts."""

    data_path: str
    parent_session_id: str
    last_active: float | None
    cwd: str
    model: str
    subagent: bool
    signal: Signal


class BatchBuilder:
    """Collects the events, sessions, rate limits and errors of one read of one source.

    `path` is the path of the source. `modified_at` is the modification time of the source in unix
    seconds (0 if unknown). `known_types` are the record types that the parser knows. `records` is
    the number of records decoded so far.
    """

    def __init__(
        self,
        agent: str,
        path: str,
        *,
        known_types: frozenset[str] = frozenset(),
        modified_at: float = 0.0,
    ) -> None:
        self.agent = agent
        self.path = path
        self.modified_at = modified_at
        self.records = 0
        self.errors = Errors(path)
        self.unknown = UnknownTypes(known_types)
        self.events: list[UsageEvent] = []
        self.sessions: dict[str, SessionUpdate] = {}
        self.rate_limits: list[RateLimit] = []

    def event(
        self,
        key: str,
        *,
        session_id: str,
        time: float,
        copied: bool = False,
        **fields: Unpack[EventFields],
    ) -> None:
        """Add a usage event.

        `key` identifies the event within the agent. `time` is in unix seconds. `copied` is true if
        the record itself shows that it was copied from another transcript.
        """
        event = UsageEvent(key=key, session_id=session_id, time=time, copied=copied, **fields)
        self.events.append(event)

    def session(self, session_id: str, **defaults: Unpack[SessionFields]) -> SessionUpdate:
        """Return the SessionUpdate of a session. The first call creates it with the given defaults.

        The parser then sets the other fields of the SessionUpdate. The default of `data_path` is
        the path of the source. `build` drops a SessionUpdate without a `session_id`.
        """
        update = self.sessions.get(session_id)
        if update is None:
            defaults.setdefault("data_path", self.path)
            update = self.sessions[session_id] = SessionUpdate(session_id, **defaults)
        return update

    def limit(self, limit: RateLimit) -> None:
        """Add the state of a rate-limit window."""
        self.rate_limits.append(limit)

    def error(self, reason: ParseErrorReason, offset: int, count: int = 1) -> None:
        """Count `count` unusable records; `offset` is the byte offset of the first of them."""
        self.errors.add(reason, offset, count)

    def build(
        self,
        cursor: Cursor,
        *,
        bytes_read: int = 0,
        reset: ResetReason | Literal[""] = "",
        more: bool = False,
    ) -> Batch:
        """Return the Batch.

        `cursor` is the position where the next read starts. `reset` is the reason why the source
        was read again from its start, or "". `more` is true if the source has more records.
        """
        return Batch(
            agent=self.agent,
            path=self.path,
            cursor=cursor,
            events=tuple(self.events),
            sessions=tuple(each for each in self.sessions.values() if each.session_id),
            rate_limits=tuple(self.rate_limits),
            errors=self.errors.all(),
            unknown=self.unknown.all(),
            records=self.records,
            bytes_read=bytes_read,
            reset=reset,
            more=more,
        )
