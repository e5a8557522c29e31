"""Reads the telemetry file of Gemini CLI for the requests that no transcript records.

It has every request of a session, transcripts only those of the conversation, and the two share no
id. So that nothing is counted twice, a request counts here only where it says itself that it is of
a kind that transcripts never have, or where no transcript of its session has any tokens.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.gemini import chat
from agtop_exporter.agents.gemini.places import chats
from agtop_exporter.model import Batch, Cursor, SessionUpdate, UsageEvent
from agtop_exporter.tail import Count, Errors, LineReader, Moment, decoder
from agtop_exporter.tail_json import Objects

RESPONSE = "gemini_cli.api_response"
TOOL_CALL = "gemini_cli.tool_call"
OBJECTS = Objects(markers=(RESPONSE.encode(), TOOL_CALL.encode()))
UTILITY = "utility_"  # begins the roles of requests outside the conversation
EARLY_SECONDS = 5.0  # an event so long before a session began is not the session's
SETTLED_SECONDS = 60.0  # after so long the transcript has what it will ever have
REMEMBERED_SESSIONS = 1000
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
    def tokens(self) -> chat.Tokens:
        """The figures as a transcript has them."""
        return chat.Tokens(
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

    decided: float = 0.0  # up to here, conversations have been counted or left to transcripts
    recorded: list[str] = []  # sessions whose transcripts have tokens


class Known(msgspec.Struct):
    """What the transcripts say of one session."""

    began: float | None = None
    ended: float | None = None
    has_tokens: bool = False


class _Transcripts:
    """Looks things up in the transcripts beside a telemetry file; reads what it must, once."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._read: dict[str, Known] = {}
        self._all: list[str] | None = None

    @property
    def present(self) -> bool:
        """Transcripts are kept here: what is not among them is in none."""
        return (self._base / "tmp").is_dir()

    def of(self, session_id: str) -> Known | None:
        """Return what is known of a session; None where it has no transcript."""
        if session_id not in self._read:
            paths = self._paths()
            near = [path for path in paths if session_id[:8] in path]
            self._learn(near)
            if session_id not in self._read:
                self._learn(path for path in paths if path not in near)
        return self._read.get(session_id)

    def at(self, time: float) -> str:
        """Name the one session that was open at a time; empty where none or several were."""
        self._learn(self._paths())
        open_then = [
            session_id
            for session_id, known in self._read.items()
            if known.began is not None
            and known.ended is not None
            and known.began - EARLY_SECONDS <= time <= known.ended + EARLY_SECONDS
        ]
        return open_then[0] if len(open_then) == 1 else ""

    def _paths(self) -> list[str]:
        if self._all is None:
            self._all = [entry.path for entry in chats(self._base)]
        return self._all

    def _learn(self, paths: Iterable[str]) -> None:
        for path in paths:
            for batch in _batches(path):
                for update in batch.sessions:
                    known = self._read.setdefault(update.session_id, Known())
                    times = [known.began, known.ended, update.started_at, update.last_active]
                    seen = [time for time in times if time is not None]
                    known.began, known.ended = min(seen, default=None), max(seen, default=None)
                for event in batch.events:
                    if event.requests and event.session_id in self._read:
                        self._read[event.session_id].has_tokens = True


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

    def __init__(self, path: str, memory: Memory, *, modified: float, decided: float) -> None:
        self.path = path
        self.memory = memory
        self.modified = modified
        self.decided = decided
        self.events: list[UsageEvent] = []
        self.sessions: dict[str, SessionUpdate] = {}
        self.transcripts = _Transcripts(Path(path).parent)

    def take(self, record: Record) -> bool:
        """Use one record; False where it is too early to say whether a transcript has it."""
        event = record.attributes or record
        time = record.moment(event)
        name = event.event_name or record.name
        if name not in (RESPONSE, TOOL_CALL) or not time:
            return True
        if (event.role or "").startswith(UTILITY) and event.session_id:
            if name == RESPONSE:
                self._respond(event, event.session_id, time)
            return True
        if time <= self.decided or not self.transcripts.present:
            return True
        session_id = event.session_id or self.transcripts.at(time)
        if session_id and not self._is_recorded(session_id, time):
            if 0 <= self.modified - time < SETTLED_SECONDS:
                return False
            self._count(event, name, session_id, time)
        self.memory.decided = max(self.memory.decided, time)
        return True

    def _is_recorded(self, session_id: str, time: float) -> bool:
        """Say whether a request of a conversation is the transcript's to tell, or not of it."""
        recorded = self.memory.recorded
        if session_id in recorded:
            return True
        known = self.transcripts.of(session_id)
        if known is None:
            return False
        if known.has_tokens:
            recorded.append(session_id)
            del recorded[:-REMEMBERED_SESSIONS]
        return known.has_tokens or time < (known.began or 0.0) - EARLY_SECONDS

    def _count(self, event: Event, name: str, session_id: str, time: float) -> None:
        session = self.sessions.get(session_id)
        if session is None:
            has_transcript = self.transcripts.of(session_id) is not None
            session = self.sessions[session_id] = SessionUpdate(
                session_id=session_id, data_path="" if has_transcript else self.path
            )
        session.seen(time)
        if name == RESPONSE:
            session.model = event.model or session.model
            used = event.total_token_count or chat.token_counts(event.tokens).total
            session.context_used_tokens = used
            session.context_peak_tokens = max(used, session.context_peak_tokens or 0)
            self._respond(event, session_id, time)
        else:
            call = (f"{time}:{event.function_name}", tool_label(event.function_name or ""))
            key = f"telemetry:{session_id}:{call[0]}"
            self.events.append(UsageEvent(key=key, session_id=session_id, time=time, tools=(call,)))

    def _respond(self, event: Event, session_id: str, time: float) -> None:
        tokens = chat.token_counts(event.tokens)
        figures = ":".join(map(str, (tokens.prompt, tokens.cache_read, tokens.output)))
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
    decode = decoder(Record, errors)
    with LineReader(path, cursor, bulk=OBJECTS) as lines:
        memory = msgspec.msgpack.decode(cursor.state, type=Memory) if cursor.state else Memory()
        # A file that begins anew may repeat what has been decided, when transcripts were there.
        decided = memory.decided if lines.reset else 0.0
        modified = lines.cursor().mtime_ns / NANOSECONDS
        reader = _Reader(path, memory, modified=modified, decided=decided)
        records, used = 0, lines.offset
        for line in lines:
            record = decode(line, lines.offset)
            if record is not None:
                records += 1
                if not reader.take(record):
                    lines.offset = used
                    break
            used = lines.offset
        errors.add("too_large", lines.offset, lines.too_large)
        return Batch(
            agent=chat.NAME,
            path=path,
            cursor=lines.cursor(msgspec.msgpack.encode(memory)),
            events=tuple(reader.events),
            sessions=tuple(reader.sessions.values()),
            errors=errors.all(),
            records=records,
            bytes_read=lines.offset - lines.start,
            reset=lines.reset,
            more=lines.more and lines.offset > lines.start,
        )
