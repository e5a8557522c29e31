"""ZCode, the agent of Z.ai: reads `~/.zcode/cli/db/db.sqlite`.

The table `model_usage` has a row for each request. The row is written when the request starts, and
changed when the request ends. The format is not documented; see tests/agents/zcode/README.
"""

from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, listed_roots, tool_label, walk
from agtop_exporter.model import Batch, Cursor, SessionUpdate, Signal, TokenCounts, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import Count, seconds_of
from agtop_exporter.reading.file_group import FileGroup, database_group
from agtop_exporter.reading.rows import TableRow, Watermark
from agtop_exporter.reading.sqlite import DatabaseParser, read_sqlite
from agtop_exporter.reading.state import ReaderState
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature

NAME = "zcode"
REQUESTS, SESSIONS, TOOLS = "model_usage", "session", "tool_usage"
TITLE_RANK = 3
RUNNING = "running"
SIGNALS = {  # by the status of the last request
    RUNNING: Signal("running", "", RUNNING),
    "completed": Signal("idle", "", "completed"),
    "cancelled": Signal("idle", "", "cancelled"),
    "error": Signal("error", "error", "error"),
}
KNOWN_TYPES = frozenset(SIGNALS)
LATEST = 8  # requests of a session that are searched for one with tokens
OVERLAP_MS = 60_000  # requests may end in another order than that of their writes


class RequestRow(TableRow):
    """A row of `model_usage`. Times are in unix milliseconds.

    `input_tokens` includes cache reads and writes, and `output_tokens` includes reasoning.
    """

    id: str = ""
    session_id: str = ""
    provider_id: str = ""
    model_id: str = ""
    status: str = ""
    started_at: int = 0
    completed_at: int = 0
    input_tokens: Count = 0
    output_tokens: Count = 0
    reasoning_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    cache_read_input_tokens: Count = 0

    @property
    def tokens(self) -> TokenCounts:
        """Disjoint token counts. Cache writes have a lifetime of 5 minutes.

        The input is negative if the counts contradict each other.
        """
        read, written = self.cache_read_input_tokens, self.cache_creation_input_tokens
        return TokenCounts(
            input=self.input_tokens - read - written,
            cache_read=read,
            cache_write_5m=written,
            output=self.output_tokens,
            reasoning=min(self.output_tokens, self.reasoning_tokens),
        )


class SessionRow(TableRow):
    """A row of `session`. Times are in unix milliseconds."""

    id: str = ""
    parent_id: str = ""
    directory: str = ""
    title: str = ""
    time_created: int = 0
    time_updated: int = 0


class ToolRow(TableRow):
    """A row of `tool_usage`: a tool call. The time is in unix milliseconds."""

    id: str = ""
    session_id: str = ""
    tool_name: str = ""
    started_at: int = 0


class DatabaseState(ReaderState):
    """The reader state: the positions in the tables. Times are in unix milliseconds."""

    sessions: Watermark = Watermark()
    requests: Watermark = Watermark()
    tools: Watermark = Watermark()
    completed: int = 0  # latest end of a request
    updated: int = 0  # latest change of a session


class RequestsParser(DatabaseParser[DatabaseState]):
    """The parser of one database."""

    state_type = DatabaseState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: DatabaseState) -> None:
        super().__init__(batch, state)
        self._described: set[str] = set()
        self._active: dict[str, None] = {}  # an ordered set of sessions with new requests

    def read(self, database: Database) -> None:
        """Read the new and changed sessions and requests, and the new tool calls."""
        self.database = database
        self.state.updated = self.latest(seconds_of, self.state.updated)
        self.state.completed = self.latest(seconds_of, self.state.completed)
        self.state.sessions = self._follow(SESSIONS, SessionRow, self.state.sessions)
        if "time_updated" in database.columns(SESSIONS):
            where, values = "time_updated >= ? ORDER BY time_updated", (self.state.updated,)
            for row in database.find(SESSIONS, SessionRow, where=where, values=values):
                self.state.updated = self.latest(seconds_of, self.state.updated, row.time_updated)
                self._describe(row)
        if "completed_at" in database.columns(REQUESTS) and self.state.requests.anchors:
            where = "completed_at >= ? ORDER BY completed_at"
            changed = (self.state.completed - OVERLAP_MS,)
            for request in database.find(REQUESTS, RequestRow, where=where, values=changed):
                self._handle_request(request)
        self.state.requests = self._follow(REQUESTS, RequestRow, self.state.requests)
        self.state.tools = self._follow(TOOLS, ToolRow, self.state.tools)
        for session_id in self._active:
            self._set_activity(self.batch.session(session_id))

    def _follow(
        self,
        table: str,
        kind: type[SessionRow] | type[RequestRow] | type[ToolRow],
        known: Watermark,
    ) -> Watermark:
        """Process the rows of a table after `known`, and return the new watermark."""
        last: tuple[int, str] | None = None
        for rowid, row in self.database.after(table, known, kind):
            last = (rowid, row.id)
            if isinstance(row, SessionRow):
                self._describe(row)
            elif isinstance(row, RequestRow):
                self._handle_request(row)
            elif row.id and row.session_id:
                call = ((row.id, tool_label(row.tool_name)),)
                time, key = seconds_of(row.started_at) or 0.0, f"tool:{row.id}"
                self.batch.event(key, session_id=row.session_id, time=time, tools=call)
        return known if last is None else known.moved_to(*last, reset=self.database.reset)

    def _describe(self, row: SessionRow) -> None:
        session = self.batch.session(row.id)
        self._described.add(row.id)
        session.parent_session_id, session.subagent = row.parent_id, bool(row.parent_id)
        for time in (seconds_of(row.time_created), seconds_of(row.time_updated)):
            if time:
                session.observe_time(time)
        if not session.work_in(row.directory):
            self.batch.error("schema", 0)
        session.set_title(row.title, TITLE_RANK)

    def _session(self, session_id: str) -> SessionUpdate:
        """Return a session, with the facts in its row."""
        if session_id not in self._described:
            self._described.add(session_id)
            where, values = "id = ?", (session_id,)
            for row in self.database.find(SESSIONS, SessionRow, where=where, values=values):
                self._describe(row)
        return self.batch.session(session_id)

    def _set_activity(self, session: SessionUpdate) -> None:
        """Set the state, the model and the context of a session from its latest requests."""
        where = "session_id = ? ORDER BY started_at DESC, rowid DESC"
        values = (session.session_id,)
        found = self.database.find(REQUESTS, RequestRow, where=where, values=values, limit=LATEST)
        latest = list(found)
        for row in latest[:1]:
            session.signal = SIGNALS.get(row.status, session.signal)
            session.model = row.model_id or session.model
        session.set_context_used(
            next((row.tokens.total for row in latest if row.tokens.total), None)
        )

    def _handle_request(self, row: RequestRow) -> None:
        """Add the usage of a request that has ended."""
        self.batch.unknown.observe(row.status or RUNNING)
        self.state.completed = self.latest(seconds_of, self.state.completed, row.completed_at)
        if not row.session_id:
            return
        session = self._session(row.session_id)
        time = seconds_of(row.completed_at or row.started_at) or 0.0
        if time:
            session.observe_time(time)
        self._active[row.session_id] = None
        tokens = row.tokens
        if row.status == RUNNING or not (tokens.total or row.input_tokens):
            return
        if tokens.input < 0:
            self.batch.error("unknown_usage", 0)
            return
        session.set_context_used(tokens.total)
        self.batch.events.append(
            UsageEvent(
                row.id,
                row.session_id,
                time,
                model=row.model_id,
                provider=row.provider_id,
                tokens=tokens,
                requests=1,
            )
        )


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directory of the database."""
    return listed_roots(environment, "ZCODE_HOME", home / ".zcode", below="cli/db")


def files(root: Path) -> Iterator[FileGroup]:
    """List the databases in a directory."""
    return (database_group(entry.path) for entry in walk(root, suffix=".sqlite", depth=0))


def read(path: str, cursor: Cursor) -> Batch:
    """Read the requests that were written after `cursor`. Raises OSError."""
    return read_sqlite(NAME, RequestsParser, path, cursor)


AGENT = Agent(
    name=NAME,
    title="ZCode",
    roots=roots,
    files=files,
    read=read,
    signature=ProcessSignature(
        executables=frozenset({"zcode"}), helpers=(*MCP_COMMANDS, *MAINTENANCE_COMMANDS)
    ),
    known_types=KNOWN_TYPES,
    exact="tokens of each request",
    not_in_files="turns, cost, failed tool calls, the context window, rate limits",
)
