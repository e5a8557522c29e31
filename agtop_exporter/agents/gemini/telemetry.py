"""Reads the telemetry file of Gemini CLI for the requests that no transcript records.

It has every request of a session, transcripts only those of the conversation, and the two share no
id. So that nothing is ever counted twice, whichever file is read first, a request counts here only

* where it says itself that it is of a kind that transcripts never have (a `utility_*` role), or
* where the transcript of its session was written to after it, and has no tokens at all, as those of
  old versions: whatever comes before a later record is in a transcript already.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from agtop_exporter.agents.gemini import chat
from agtop_exporter.agents.gemini.places import chats
from agtop_exporter.agents.gemini.records import Tokens, token_counts, tool_name
from agtop_exporter.decoding import Count, Errors, Moment
from agtop_exporter.model import Batch, Cursor, SessionUpdate, UsageEvent
from agtop_exporter.tail import LineReader, use_each
from agtop_exporter.tail_json import Objects

RESPONSE = "gemini_cli.api_response"
TOOL_CALL = "gemini_cli.tool_call"
OBJECTS = Objects(markers=(RESPONSE.encode(), TOOL_CALL.encode()))
UTILITY = "utility_"  # begins the roles of requests outside the conversation
REMEMBERED_SESSIONS = 1000
NAMED = re.compile(rf"/session-[^/]*-[0-9a-f]{{8}}\.jsonl?$|/{chat.UUID.pattern}\.jsonl?$")
EARLY_SECONDS = 5.0  # a request may come so long before the transcript begins
NANOSECONDS = 1_000_000_000


class Event(msgspec.Struct, gc=False):
    """The attributes of an event that matter."""

    event_name: str | None = msgspec.field(default=None, name="event.name")
    event_timestamp: Moment | None = msgspec.field(default=None, name="event.timestamp")
    session_id: str | None = msgspec.field(default=None, name="session.id")
    prompt_id: str | None = None
    model: str | None = None
    role: str | None = None
    function_name: str | None = None
    input_token_count: Count | None = 0
    output_token_count: Count | None = 0
    cached_content_token_count: Count | None = 0
    thoughts_token_count: Count | None = 0
    tool_token_count: Count | None = 0
    total_token_count: Count | None = 0

    @property
    def tokens(self) -> Tokens:
        """The figures as a transcript has them."""
        return Tokens(
            input=self.input_token_count,
            output=self.output_token_count,
            cached=self.cached_content_token_count,
            thoughts=self.thoughts_token_count,
            tool=self.tool_token_count,
            total=self.total_token_count,
        )


class Record(Event, gc=False):
    """One object of the file: a log record has the event in `attributes`, or is the event."""

    attributes: Event | None = None
    name: str | None = None
    timestamp: Moment | None = None
    time: Moment | None = None
    hr_time: list[int] | None = msgspec.field(default=None, name="hrTime")

    def moment(self, event: Event) -> float:
        """Return when it happened; 0 where it does not say."""
        told: tuple[datetime | None, ...] = (event.event_timestamp, self.timestamp, self.time)
        for time in told:
            if time is not None:
                return time.timestamp()
        parts = self.hr_time or ()
        return sum(part / unit for part, unit in zip(parts, (1, NANOSECONDS), strict=False))


class Memory(msgspec.Struct, array_like=True):
    """What must be remembered of a telemetry file between two reads."""

    recorded: list[str] = []  # sessions whose transcripts have tokens: that stays so


class Known(msgspec.Struct):
    """What the transcripts say of one session."""

    began: float | None = None
    ended: float | None = None
    has_tokens: bool = False
    model: str = ""

    def spans(self, time: float) -> bool:
        """Say whether the session had begun at a time, and was written to after it."""
        if self.began is None or self.ended is None:
            return False
        return self.began - EARLY_SECONDS <= time <= self.ended


class _Transcripts:
    """Looks things up in the transcripts beside a telemetry file; reads what it must, once."""

    def __init__(self, base: Path, recorded: list[str]) -> None:
        self._base = base
        self._recorded = recorded
        self._known: dict[str, Known] = {}
        self._unread: list[str] | None = None

    def without(self, session_id: str, time: float) -> Known | None:
        """Return what is known of a session whose transcript lacks what was at a time."""
        if session_id in self._recorded:
            return None
        known = self._of(session_id)
        if known is not None and known.has_tokens:
            self._recorded.append(session_id)
            del self._recorded[:-REMEMBERED_SESSIONS]
        return known if known and not known.has_tokens and known.spans(time) else None

    def _of(self, session_id: str) -> Known | None:
        """Return what is known of a session; a file's name mostly says whose it is."""
        if session_id not in self._known:
            self._learn(lambda path: session_id[:8] in path)
        if session_id not in self._known:
            self._learn(lambda path: not NAMED.search(path))
        return self._known.get(session_id)

    def at(self, time: float) -> str:
        """Name the one session that was open at a time; empty where none or several were."""
        self._learn(lambda _: True)
        open_then = [session_id for session_id, known in self._known.items() if known.spans(time)]
        return open_then[0] if len(open_then) == 1 else ""

    def _learn(self, wanted: Callable[[str], bool]) -> None:
        if self._unread is None:
            self._unread = [entry.path for entry in chats(self._base)]
        paths = [path for path in self._unread if wanted(path)]
        self._unread = [path for path in self._unread if path not in paths]
        for path in paths:
            for batch in _batches(path):
                self._note(batch)

    def _note(self, batch: Batch) -> None:
        for update in batch.sessions:
            known = self._known.setdefault(update.session_id, Known())
            times = (known.began, known.ended, update.started_at, update.last_active)
            seen = [time for time in times if time is not None]
            known.began, known.ended = min(seen, default=None), max(seen, default=None)
            known.model = update.model or known.model
            known.has_tokens = known.has_tokens or any(event.requests for event in batch.events)


def _batches(path: str) -> Iterator[Batch]:
    cursor, more = Cursor(), True
    while more:
        try:
            batch = chat.read(path, cursor)
        except OSError:
            return
        yield batch
        cursor, more = batch.cursor, batch.more


class _Reader:
    """Turns the records of one telemetry file into events and session updates."""

    def __init__(self, path: str, memory: Memory) -> None:
        self.events: list[UsageEvent] = []
        self.sessions: dict[str, SessionUpdate] = {}
        self.transcripts = _Transcripts(Path(path).parent, memory.recorded)

    def take(self, record: Record) -> None:
        """Use one record."""
        event = record.attributes or record
        time = record.moment(event)
        name = event.event_name or record.name
        if name not in (RESPONSE, TOOL_CALL) or not time:
            return
        session_id = event.session_id or self.transcripts.at(time)
        if not session_id:
            return
        if (event.role or "").startswith(UTILITY):
            self._seen(session_id, time)
            self._respond(event, session_id, time)
        elif known := self.transcripts.without(session_id, time):
            event.model = event.model or known.model
            self._converse(event, name, self._seen(session_id, time), time)

    def _seen(self, session_id: str, time: float) -> SessionUpdate:
        update = SessionUpdate(session_id=session_id)
        session = self.sessions.setdefault(session_id, update)
        session.seen(time)
        return session

    def _converse(self, event: Event, name: str, session: SessionUpdate, time: float) -> None:
        """Count what else the transcript would tell."""
        if name == RESPONSE:
            used = event.total_token_count or token_counts(event.tokens).total
            session.model = event.model or session.model
            session.context_used_tokens = used
            session.context_peak_tokens = max(used, session.context_peak_tokens or 0)
            self._respond(event, session.session_id, time)
        else:
            call = (f"{time}:{event.function_name}", tool_name(event.function_name or ""))
            key = f"telemetry:{session.session_id}:{call[0]}"
            self.events.append(
                UsageEvent(key=key, session_id=session.session_id, time=time, tools=(call,))
            )

    def _respond(self, event: Event, session_id: str, time: float) -> None:
        tokens = token_counts(event.tokens)
        figures = ":".join(map(str, (tokens.input, tokens.cache_read, tokens.output)))
        self.events.append(
            UsageEvent(
                key=f"telemetry:{session_id}:{time}:{event.prompt_id}:{event.model}:{figures}",
                session_id=session_id,
                time=time,
                model=event.model or "",
                tokens=tokens,
                requests=1,
            )
        )


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one telemetry file. Raises OSError."""
    errors = Errors(path)
    with LineReader(path, cursor, form=OBJECTS) as lines:
        memory = lines.memory(Memory)
        reader = _Reader(path, memory)
        records = use_each(lines, Record, errors, lambda record, _at: reader.take(record))
        return lines.batch(
            chat.NAME,
            errors=errors,
            records=records,
            memory=memory,
            events=reader.events,
            sessions=reader.sessions.values(),
        )
