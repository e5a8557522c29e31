"""Reads the telemetry file of Gemini CLI for requests that no transcript records.

The telemetry file has every request of a session. A transcript has only the requests of the
conversation. The two files have no common request id. A request in the telemetry file is counted
only in these cases:

* The role of the request begins with `utility_`, or its prompt id begins with `conseca-` (a check
  of tool calls). Transcripts never record such requests.
* The transcript of the session has no tokens, as in old versions, and the time of the request is
  within the time span of the transcript.

Therefore no request is counted twice, whichever file is read first.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from agtop_exporter.agents.gemini import chat, transcripts
from agtop_exporter.agents.gemini.places import chats
from agtop_exporter.agents.gemini.records import Tokens, token_counts, tool_name
from agtop_exporter.model import NANOSECONDS, Batch, Cursor, SessionUpdate
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import Count, Moment, Number
from agtop_exporter.reading.framing import Objects
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import ReaderState

RESPONSE = "gemini_cli.api_response"
TOOL_CALL = "gemini_cli.tool_call"
OBJECTS = Objects(markers=(RESPONSE.encode(), TOOL_CALL.encode()))
UTILITY = "utility_"  # prefix of the role of a request outside the conversation
CHECK = "conseca-"  # prefix of the prompt id of a check; the role of a check is that of a subagent
REMEMBERED_SESSIONS = 1000
NAMED = re.compile(rf"/session-[^/]*-[0-9a-f]{{8}}\.jsonl?$|/{chat.UUID.pattern}\.jsonl?$")
EARLY_SECONDS = 5.0  # a request can precede the start of its transcript by this time


class Event(msgspec.Struct, gc=False):
    """The decoded attributes of a telemetry event: an API response or a tool call."""

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
    def is_outside(self) -> bool:
        """Whether the request is not part of the conversation, so that no transcript has it."""
        return (self.role or "").startswith(UTILITY) or (self.prompt_id or "").startswith(CHECK)

    @property
    def tokens(self) -> Tokens:
        """The token counts of the event, converted to the Struct for transcripts."""
        return Tokens(
            input=self.input_token_count,
            output=self.output_token_count,
            cached=self.cached_content_token_count,
            thoughts=self.thoughts_token_count,
            tool=self.tool_token_count,
            total=self.total_token_count,
        )


class Record(Event, gc=False):
    """One JSON object of the telemetry file.

    The attributes of the event are in `attributes`, or are members of the object itself.
    """

    attributes: Event | None = None
    name: str | None = None
    timestamp: Moment | None = None
    time: Moment | None = None
    hr_time: list[Number] | None = msgspec.field(default=None, name="hrTime")

    def moment(self, event: Event) -> float:
        """Return the time of an event in unix seconds; 0 if the record has none."""
        times: tuple[datetime | None, ...] = (event.event_timestamp, self.timestamp, self.time)
        for time in times:
            if time is not None:
                return time.timestamp()
        parts = self.hr_time or ()
        return sum(part / unit for part, unit in zip(parts, (1, NANOSECONDS), strict=False))


class TelemetryState(ReaderState):
    """The reader state of a telemetry file."""

    # Ids of sessions whose transcripts have tokens. Such a transcript never loses its tokens.
    recorded: list[str] = msgspec.field(default_factory=list)


class KnownSession(msgspec.Struct):
    """A summary of all transcripts of one session.

    `began` and `ended` are the times of the first and the last record, in unix seconds.
    """

    began: float | None = None
    ended: float | None = None
    has_tokens: bool = False
    model: str = ""

    def spans(self, time: float) -> bool:
        """Return whether a time in unix seconds is within the session.

        The time may be up to EARLY_SECONDS before the session's first record.
        """
        if self.began is None or self.ended is None:
            return False
        return self.began - EARLY_SECONDS <= time <= self.ended


class _Transcripts:
    """Finds sessions in the transcripts of the data directory `base`.

    Each transcript is read at most once. `recorded` lists the ids of sessions whose transcripts are
    known to have tokens; new ids are appended to this list.
    """

    def __init__(self, base: Path, recorded: list[str]) -> None:
        self._base = base
        self._recorded = recorded
        self._known: dict[str, KnownSession] = {}
        self._unread: list[str] | None = None

    def without(self, session_id: str, time: float) -> KnownSession | None:
        """Return the session if its transcripts have no tokens and its time span contains `time`.

        Otherwise return None. `time` is in unix seconds.
        """
        if session_id in self._recorded:
            return None
        known = self._find(session_id)
        if known is not None and known.has_tokens:
            self._recorded.append(session_id)
            del self._recorded[:-REMEMBERED_SESSIONS]
        return known if known and not known.has_tokens and known.spans(time) else None

    def _find(self, session_id: str) -> KnownSession | None:
        """Return the summary of a session; None if no transcript has its id.

        Files whose path contains the first digits of the id are read first. If none of them is of
        the session, files without an id in the name are read.
        """
        if session_id not in self._known:
            self._read_files(lambda path: session_id[:8] in path)
        if session_id not in self._known:
            self._read_files(lambda path: not NAMED.search(path))
        return self._known.get(session_id)

    def at(self, time: float) -> str:
        """Return the id of the session whose time span contains `time`, in unix seconds.

        Return "" if no session or more than one session meets this condition.
        """
        self._read_files(lambda _: True)
        open_ids = [session_id for session_id, known in self._known.items() if known.spans(time)]
        return open_ids[0] if len(open_ids) == 1 else ""

    def _read_files(self, wanted: Callable[[str], bool]) -> None:
        if self._unread is None:
            self._unread = [entry.path for entry in chats(self._base)]
        paths = [path for path in self._unread if wanted(path)]
        self._unread = [path for path in self._unread if path not in paths]
        for path in paths:
            for batch in _batches(path):
                self._add(batch)

    def _add(self, batch: Batch) -> None:
        for update in batch.sessions:
            known = self._known.setdefault(update.session_id, KnownSession())
            times = (known.began, known.ended, update.started_at, update.last_active)
            known_times = [time for time in times if time is not None]
            known.began = min(known_times, default=None)
            known.ended = max(known_times, default=None)
            known.model = update.model or known.model
            known.has_tokens = known.has_tokens or any(event.requests for event in batch.events)


def _batches(path: str) -> Iterator[Batch]:
    cursor, more = Cursor(), True
    while more:
        try:
            batch = transcripts.read(path, cursor)
        except OSError:
            return
        yield batch
        cursor, more = batch.cursor, batch.more


class TelemetryParser(RecordParser[Record, TelemetryState]):
    """The parser of one telemetry file. It adds only requests that no transcript records."""

    record = Record
    state_type = TelemetryState

    def __init__(self, batch: BatchBuilder, state: TelemetryState) -> None:
        super().__init__(batch, state)
        self.transcripts = _Transcripts(Path(self.path).parent, state.recorded)

    def feed(self, record: Record, offset: int) -> None:  # noqa: ARG002 - of the interface
        """Add the usage in one record if no transcript records it; `offset` is not used."""
        event = record.attributes or record
        time = record.moment(event)
        name = event.event_name or record.name
        if name not in (RESPONSE, TOOL_CALL) or not time:
            return
        session_id = event.session_id or self.transcripts.at(time)
        if not session_id:
            return
        if event.is_outside:
            self._session(session_id, time)
            self._add_response(event, session_id, time)
        elif known := self.transcripts.without(session_id, time):
            event.model = event.model or known.model
            session = self._session(session_id, time)
            if name == RESPONSE:
                self._handle_response(event, session, time)
            else:
                self._add_call(event, session_id, time)

    def _session(self, session_id: str, time: float) -> SessionUpdate:
        session = self.batch.session(session_id, data_path="")
        session.observe_time(time)
        return session

    def _handle_response(self, event: Event, session: SessionUpdate, time: float) -> None:
        """Add a response of the conversation whose tokens are not in the transcript."""
        session.model = event.model or session.model
        used = event.total_token_count or token_counts(event.tokens).total
        session.context_used_tokens = used
        session.context_peak_tokens = max(used, session.context_peak_tokens or 0)
        self._add_response(event, session.session_id, time)

    def _add_call(self, event: Event, session_id: str, time: float) -> None:
        call = (f"{time}:{event.function_name}", tool_name(event.function_name or ""))
        key = f"telemetry:{session_id}:{call[0]}"
        self.batch.event(key, session_id=session_id, time=time, tools=(call,))

    def _add_response(self, event: Event, session_id: str, time: float) -> None:
        tokens = token_counts(event.tokens)
        figures = ":".join(map(str, (tokens.input, tokens.cache_read, tokens.output)))
        self.batch.event(
            f"telemetry:{session_id}:{time}:{event.prompt_id}:{event.model}:{figures}",
            session_id=session_id,
            time=time,
            model=event.model or "",
            tokens=tokens,
            requests=1,
        )


def read(path: str, cursor: Cursor) -> Batch:
    """Read one telemetry file after a cursor. Raises OSError."""
    return read_jsonl(chat.NAME, TelemetryParser, path, cursor, framing=OBJECTS)
