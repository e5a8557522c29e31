"""Reads `opencode.db`, the SQLite database with all sessions (OpenCode 1.2 and later).

Tables of accounts, credentials and shares are not read. In the event log of version 2, only the
usage that is in no message is read. The event log of version 1 is not read, because it only repeats
messages.
"""

from pathlib import Path

from agtop_exporter.agents.opencode import log
from agtop_exporter.agents.opencode.conclusion import conclude
from agtop_exporter.agents.opencode.events import (
    CALLED,
    UNSETTLED,
    Context,
    is_copy,
    prompt_event,
    tool_event,
    typed_text,
    unnamed_call,
    without_version,
)
from agtop_exporter.agents.opencode.imported import Imported
from agtop_exporter.agents.opencode.limits import rate_limits
from agtop_exporter.agents.opencode.queries import SESSIONS, V1_MESSAGES, V2_MESSAGES, Queries
from agtop_exporter.agents.opencode.records import KNOWN_TYPES, Message, Part
from agtop_exporter.agents.opencode.rows import LogRow, MessageRow, PartRow, SessionRow, as_context
from agtop_exporter.agents.opencode.sessions import Sessions
from agtop_exporter.agents.opencode.tables import DatabaseState, TableReader
from agtop_exporter.agents.opencode.usage import (
    STEP_END,
    compaction_event,
    requests_of,
    usage_events,
)
from agtop_exporter.credentials import provider_accounts
from agtop_exporter.model import PROMPT_RANK, RateLimit
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import seconds_of

MESSAGES = (V1_MESSAGES, V2_MESSAGES)
WAITING = 64  # number of rows without a session
# starts of parts that are not used
LONG_PARTS = ('{"type":"text"', '{"type":"reasoning"', '{"type":"file"')


class TableParser(TableReader):
    """Parser of one database, which has tables of sessions, messages and parts.

    `excludes_reasoning` is true if output tokens exclude reasoning tokens in all versions of the
    program. If it is false, this depends on the version of OpenCode that the session records.
    """

    known_types = KNOWN_TYPES
    excludes_reasoning = False

    def __init__(self, batch: BatchBuilder, state: DatabaseState) -> None:
        super().__init__(batch, state)
        self.sessions = Sessions(batch, provider_accounts(Path(self.path).parent))
        self.limits: dict[str, RateLimit] = {}
        self._answered: set[str] = set()  # ids of messages whose requests are in the batch

    def read(self, database: Database) -> None:
        """Read at most one batch of new rows from all tables."""
        self.database = database
        self.queries = Queries(database, self.batch.errors)
        self.imported = Imported(database, self.batch.errors)
        if not any(map(database.columns, MESSAGES)) and not self.batch.errors.all():
            self.batch.unknown.observe("no-message-table")
        self._read_sessions()
        if "message" not in self.state.rows:
            self.state.first_parts = (database.newest("part") or (0, ""))[0]
        for table in MESSAGES:
            for _, row in self.new_rows(table, MessageRow):
                message = self.queries.message(row)
                if message is not None and row.session_id:
                    self._handle_message(row, message, table)
        for rowid, part in self.new_rows("part", PartRow):
            if not part.data.startswith(LONG_PARTS):
                is_late = rowid > self.state.first_parts or bool(database.reset)
                self._handle_part(part, is_late=is_late)
        self._read_log()
        filled = [table for table in MESSAGES if not database.is_empty(table)]
        for session_id, session in self.batch.sessions.items():
            context = self.queries.context(session_id) or Context(session_id)
            conclude(session, context, self.queries, filled)
        self.batch.rate_limits.extend(self.limits.values())

    def _select_session(self, table: str, row_id: str, session_id: str) -> Context | None:
        """Return the facts about the session of a row; None if the row must be read again later.

        A row must be read again later if its session is not in the database yet. OpenCode writes
        the session first, so there are few such rows. If more than WAITING rows would have to be
        read again, the returned facts are only the session id.
        """
        context = self.queries.context(session_id)
        waiting = self.state.waiting.setdefault(table, [])
        if context is None and len(waiting) < WAITING:
            waiting.append(row_id)
            return None
        self.sessions.session(session_id)
        return context or Context(session_id)

    # --- sessions ---------------------------------------------------------------------------

    def _read_sessions(self) -> None:
        """Read the rows of the sessions that are new, imported or changed."""
        self.state.updated = since = self.latest(seconds_of, self.state.updated)
        for table in SESSIONS:
            known = table in self.state.rows
            for _, row in self.new_rows(table, SessionRow):
                self._describe(row)
            if known or self.database.more:  # in the first read all sessions are new
                timed = "time_updated" in self.database.columns(table)
                where, values = ("time_updated >= ?", (since,)) if timed else ("1", ())
                for row in self.database.find(table, SessionRow, where=where, values=values):
                    self._describe(row)

    def _describe(self, row: SessionRow) -> None:
        self.state.updated = self.latest(seconds_of, self.state.updated, row.time_updated or 0.0)
        if not row.id or self.imported.covers(row.id):
            return
        context = as_context(row)
        self.queries.contexts.setdefault(row.id, context)
        self.sessions.describe(
            context,
            directory=row.directory,
            title=row.title,
            created=seconds_of(row.time_created),
            updated=seconds_of(row.time_updated),
        )
        model = self.queries.model(row.model)
        if model is not None:
            session = self.sessions.session(row.id)
            session.model = model.name
            session.model_effort = "" if model.variant == "default" else model.variant or ""

    # --- messages and parts -----------------------------------------------------------------

    def _handle_message(self, row: MessageRow, message: Message, table: str) -> None:
        if self.imported.has(row.session_id, row.id):
            return
        context = self._select_session(table, row.id, row.session_id)
        if context is None or (table == V2_MESSAGES and self.queries.is_migrated(row.id)):
            return
        if table == V2_MESSAGES or self.excludes_reasoning:
            context = without_version(context)
        self.batch.unknown.observe(message.role or "")
        if message.role == "user":
            self._handle_prompt(row, message, context, table)
        elif message.role == "compaction":
            self._handle_compaction(row, message, context, table)
        elif message.role == "assistant":
            self._handle_answer(row, message, context, table)

    def _handle_compaction(
        self, row: MessageRow, message: Message, context: Context, table: str
    ) -> None:
        model = self.queries.model_at(row.session_id, row.seq)
        event = compaction_event(message, context, row.id, model)
        if event is not None:
            self.batch.events.append(event)
        else:
            self.read_again(table, row.id)

    def _handle_answer(
        self, row: MessageRow, message: Message, context: Context, table: str
    ) -> None:
        if message.open:
            self.read_again(table, row.id)
        self._add_requests(row, message, context)
        if message.content is not None or self.database.columns("part"):
            for part in message.content or ():
                self._add_call(part, context, row.id, message.created)
        elif message.finish == CALLED:
            self.batch.events.append(unnamed_call(context, row.id, message.created))
        for limit in rate_limits(self.batch.agent, message):
            known = self.limits.get(limit.window)
            if known is None or limit.observed_at >= known.observed_at:
                self.limits[limit.window] = limit

    def _add_requests(self, row: MessageRow, message: Message, context: Context) -> None:
        self._answered.add(row.id)
        parts = self.queries.steps(row.id) if message.content is None else ()
        requests = requests_of(message, parts)
        self.sessions.add_answer(message, context, requests)
        self.batch.events.extend(usage_events(message, context, row.id, requests))

    def _handle_prompt(
        self, row: MessageRow, message: Message, context: Context, table: str
    ) -> None:
        if context.parent_id or is_copy(message.created, context):
            return
        text = message.text
        if text is None:
            parts = self.queries.parts(row.id)
            if not parts and self.database.columns("part") and self.queries.is_newest(row):
                self.read_again(table, row.id)  # the parts are written after their message
                return
            text = typed_text(parts)
        if text is not None:
            self.sessions.session(row.session_id).set_title(text, PROMPT_RANK)
            self.batch.events.append(prompt_event(context, row.id, message.created))

    def _handle_part(self, row: PartRow, *, is_late: bool) -> None:
        """Process a part.

        `is_late` is true if the part may have been written after its message was read.
        """
        part = self.queries.part(row)
        if part is None or self.imported.has(row.session_id, row.message_id):
            return
        self.batch.unknown.observe(f"part.{part.type}" if part.type else "")
        if part.type == STEP_END and is_late and row.message_id not in self._answered:
            self._handle_step(row.message_id)
        if part.type != "tool" or not row.session_id:
            return
        context = self._select_session("part", row.id, row.session_id)
        if context is None:
            return
        if part.state is None or part.state.status in UNSETTLED:
            self.read_again("part", row.id)
        created = seconds_of(row.time_created) or 0.0
        self._add_call(part, context, row.message_id or row.id, created)

    def _handle_step(self, message_id: str) -> None:
        """Add the requests of a message again, because a step ended after the message was read."""
        found = self.queries.message_of("message", message_id)
        context = self.queries.context(found[0].session_id) if found else None
        if found is not None and context is not None:
            self._add_requests(
                *found, without_version(context) if self.excludes_reasoning else context
            )

    def _add_call(self, part: Part, context: Context, message_id: str, time: float) -> None:
        event = tool_event(part, context, message_id, time)
        if event is not None:
            self.batch.events.append(event)

    def _read_log(self) -> None:
        database, table = self.database, log.TABLE
        if not database.columns(table) >= log.COLUMNS or database.is_empty(V2_MESSAGES):
            return
        is_first_read = table not in self.state.rows
        waiting: list[str] = []
        usage = log.UsageLog(self.queries, self.batch)
        for _, row in self.new_rows(table, LogRow, matching=log.BILLED):
            if not usage.add(row, is_first_read=is_first_read) and len(waiting) < WAITING:
                waiting.append(row.id)
        if waiting:
            self.state.waiting[table] = waiting
