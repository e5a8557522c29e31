"""Reads the sessions, sums of usage and messages in a database of Hermes.

Hermes stores no single requests, but sums that grow: one row per session, model, provider and task.
Each read counts the growth of a sum since the last read, at the time of the latest request. The
ledger compares the sums of a session and model with what it has counted, so a sum that is read
again adds nothing.
"""

from collections import defaultdict
from hashlib import blake2b

import msgspec
from msgspec import field

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.hermes.records import (
    KNOWN_TYPES,
    OLDER,
    REST,
    Calls,
    Config,
    MessageRow,
    SessionRow,
    UsageRow,
    known_model,
    token_counts,
)
from agtop_exporter.model import (
    NO_TOKENS,
    PROMPT_RANK,
    Batch,
    Cursor,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.costs import picodollars
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import decoder
from agtop_exporter.reading.rows import Watermark
from agtop_exporter.reading.sqlite import DatabaseParser, read_sqlite
from agtop_exporter.reading.state import ReaderState

NAME = "hermes"
SESSIONS, USAGE, MESSAGES = "sessions", "session_model_usage", "messages"
OLDER_USAGE = "session_model_usage_v21"  # left by an update to schema 22 that failed
TITLE_RANK = 3
SUMS_MAX = 256  # maximum number of sums in the state: those that grew last

Sum = tuple[int, TokenCounts, int]
"""A sum: requests, tokens, and the cost in picodollars (0 if unknown)."""
NOTHING: Sum = (0, NO_TOKENS, 0)


class DatabaseState(ReaderState):
    """The reader state: the positions in the tables, and the sums at the last read."""

    sessions: Watermark = Watermark()
    messages: Watermark = Watermark()
    latest: float = 0.0  # latest time of a sum, in unix seconds
    sums: dict[int, Sum] = field(default_factory=dict)  # by a digest of what identifies the row


class SessionsParser(DatabaseParser[DatabaseState]):
    """The parser of one database."""

    state_type = DatabaseState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: DatabaseState) -> None:
        super().__init__(batch, state)
        self._calls = decoder(Calls, batch.errors)
        self._config = decoder(Config, batch.errors)
        self._rows: dict[str, SessionRow] = {}

    def read(self, database: Database) -> None:
        """Read the new messages, and the sessions that have changed."""
        self.database = database
        changed: dict[str, None] = {}  # an ordered set
        for row in self._new_sessions():
            self._rows[row.id] = row
            changed[row.id] = None
        for message in self._new_messages():
            if message.session_id:
                self._handle_message(message)
                changed[message.session_id] = None
        self.state.latest = self.latest(float, self.state.latest)
        where, values = "last_seen >= ? ORDER BY last_seen", (self.state.latest,)
        for table in filter(database.columns, (USAGE, OLDER_USAGE)):
            for usage in database.find(table, UsageRow, where=where, values=values):
                self.state.latest = self.latest(float, self.state.latest, usage.last_seen)
                changed[usage.session_id] = None
        for session_id in filter(None, changed):
            row = self._session_row(session_id)
            self._describe(row)
            self._add_usage(row)

    def _new_sessions(self) -> list[SessionRow]:
        known, rows = self.state.sessions, list[SessionRow]()
        for rowid, row in self.database.after(SESSIONS, known, SessionRow):
            known = known.moved_to(rowid, row.id, reset=self.database.reset)
            rows.append(row)
        self.state.sessions = known
        return rows

    def _new_messages(self) -> list[MessageRow]:
        known, rows = self.state.messages, list[MessageRow]()
        key = "timestamp"  # the id is the row id, which a restored database uses again
        for rowid, row in self.database.after(MESSAGES, known, MessageRow, key=key):
            known = known.moved_to(rowid, str(row.timestamp), reset=self.database.reset)
            rows.append(row)
        self.state.messages = known
        return rows

    def _session_row(self, session_id: str) -> SessionRow:
        """Return the row of a session.

        If the session is missing, the row has only its id.
        """
        if session_id not in self._rows:
            where, values = "id = ?", (session_id,)
            rows = self.database.find(SESSIONS, SessionRow, where=where, values=values, limit=1)
            self._rows[session_id] = next(iter(rows), SessionRow(id=session_id))
        return self._rows[session_id]

    def _describe(self, row: SessionRow) -> None:
        session = self.batch.session(row.id)
        config = self._config(row.model_config, 0) if row.model_config else None
        parent = (config.delegated_from if config else None) or ""
        session.parent_session_id, session.subagent = parent, bool(parent)
        for time in (row.started_at, row.ended_at):
            if time:
                session.observe_time(time)
        session.work_in(row.cwd)
        session.git_branch = row.git_branch
        session.set_title(row.title, TITLE_RANK)
        session.model = known_model(row.model) or session.model
        if row.ended_at:
            session.signal = Signal("ended", "", "session.ended")
        if session.model:
            self.name_model(row.id, session.model)

    # --- usage --------------------------------------------------------------------------------

    def _add_usage(self, row: SessionRow) -> None:
        """Add the growth of all sums of a session."""
        sums = [(usage, _served_model(usage, row)) for usage in self._sums_of(row)]
        totals: dict[str, tuple[int, TokenCounts]] = defaultdict(lambda: (0, NO_TOKENS))
        for usage, model in sums:
            requests, tokens = totals[model]
            totals[model] = requests + usage.requests, tokens + token_counts(usage)
        for usage, model in sums:
            self._add_growth(usage, model, totals[model])

    def _add_growth(self, usage: UsageRow, model: str, total: tuple[int, TokenCounts]) -> None:
        """Add the growth of the sum `usage` since the last read.

        `total` is (requests, tokens) of the session and model, over all their sums.
        """
        tokens = token_counts(usage)
        cost = picodollars(usage.actual_cost_usd) or picodollars(usage.estimated_cost_usd) or 0
        before = self._replace(usage.name, (usage.requests, tokens, cost))
        requests, earlier, earlier_cost = before
        growth = (tokens - earlier).max(NO_TOKENS)
        if not growth.total:  # also if the database was replaced by an older copy
            return
        # A side request can use another model than the session, so its model is not set later.
        add = self.batch.events.append if usage.is_side else self.add_response
        add(
            UsageEvent(
                key=f"{usage.name}:{usage.requests}:{tokens.total}:{tokens.output}",
                session_id=usage.session_id,
                time=usage.last_seen,
                model=model,
                tokens=growth,
                requests=max(usage.requests - requests, 1),
                provider=usage.billing_provider,
                reported_cost=max(cost - earlier_cost, 0) or None,
                running_total=total,
            )
        )

    def _replace(self, name: str, now: Sum) -> Sum:
        """Store a sum under `name`, and return the sum that was stored at the last read."""
        digest = blake2b(name.encode(errors="replace"), digest_size=8).digest()
        number = int.from_bytes(digest)
        before = self.state.sums.pop(number, NOTHING)
        self.state.sums[number] = now
        if len(self.state.sums) > SUMS_MAX:
            del self.state.sums[next(iter(self.state.sums))]
        return before

    def _sums_of(self, row: SessionRow) -> list[UsageRow]:
        """Return the sums of a session.

        If the row of the session has more usage than these sums, the rest is an additional sum.
        """
        where, values = "session_id = ?", (row.id,)
        found = list(self.database.find(USAGE, UsageRow, where=where, values=values))
        answers = [usage for usage in found if not usage.task]
        known = sum(map(token_counts, answers), NO_TOKENS)
        rest = (token_counts(row) - known).max(NO_TOKENS)
        older = self._older_sums(row, rest, is_alone=not found)
        found += older
        rest = (rest - sum(map(token_counts, older), NO_TOKENS)).max(NO_TOKENS)
        if rest.total and not self.database.is_incomplete:
            answers += older
            requests = row.api_call_count - sum(usage.api_call_count for usage in answers)
            found.append(self._rest(row, rest, max(requests, 1), is_whole=not answers))
        return found

    def _older_sums(self, row: SessionRow, rest: TokenCounts, *, is_alone: bool) -> list[UsageRow]:
        """Return the sums of a session that an update to schema 22 did not copy.

        `rest` is the usage that the row of the session has in addition to the present sums. The
        older sums are a part of it, or they were copied. If the row of the session was deleted and
        there are no present sums (`is_alone`), the older sums are the only record.
        """
        if not self.database.columns(OLDER_USAGE):
            return []
        where, values = "session_id = ?", (row.id,)
        older = [
            msgspec.structs.replace(usage, task=OLDER)
            for usage in self.database.find(OLDER_USAGE, UsageRow, where=where, values=values)
        ]
        usage = sum(map(token_counts, older), NO_TOKENS)
        is_deleted = is_alone and not row.started_at
        return older if is_deleted or usage.max(rest) == rest else []

    def _rest(
        self, row: SessionRow, rest: TokenCounts, requests: int, *, is_whole: bool
    ) -> UsageRow:
        """Return the part of a session's sums that no row of `session_model_usage` has."""
        return UsageRow(
            session_id=row.id,
            billing_provider=row.billing_provider,
            task=REST,
            api_call_count=requests,
            input_tokens=rest.input,
            output_tokens=rest.output,
            cache_read_tokens=rest.cache_read,
            cache_write_tokens=rest.cache_write_5m,
            reasoning_tokens=rest.reasoning,
            estimated_cost_usd=row.estimated_cost_usd if is_whole else None,
            actual_cost_usd=row.actual_cost_usd if is_whole else None,
            last_seen=self._latest_time(row),
        )

    def _latest_time(self, row: SessionRow) -> float:
        """Return the time of the latest message of a session, or of its end or start."""
        where, values = "session_id = ? ORDER BY id DESC", (row.id,)
        rows = self.database.find(MESSAGES, MessageRow, where=where, values=values, limit=1)
        return max(row.started_at, row.ended_at, *(message.timestamp for message in rows), 0.0)

    # --- messages -----------------------------------------------------------------------------

    def _handle_message(self, message: MessageRow) -> None:
        self.batch.unknown.observe(message.role)
        session = self.batch.session(message.session_id)
        time = message.timestamp
        if time:
            session.observe_time(time)
        match message.role:
            case "user":
                session.signal = Signal("running", "", "user")
                if message.is_prompt:
                    session.set_title(message.content, PROMPT_RANK)
                    key = f"prompt:{message.session_id}:{time:.6f}"
                    self.batch.event(key, session_id=message.session_id, time=time, turns=1)
            case "assistant":
                calls = self._tools(message)
                activity = Signal("running" if calls else "idle", "", "assistant")
                session.signal = activity.with_tool(calls[-1][1] if calls else "")
                if calls:  # a branch has copies of messages, with the ids of their calls
                    key = f"calls:{calls[0][0]}"
                    self.batch.event(key, session_id=message.session_id, time=time, tools=calls)
            case "tool":
                session.signal = Signal("running", "", "tool")

    def _tools(self, message: MessageRow) -> tuple[tuple[str, str], ...]:
        decoded = self._calls(f'{{"calls":{message.tool_calls or "[]"}}}', message.id)
        calls = (decoded.calls if decoded else None) or []
        return tuple(
            (
                call.id or f"{message.session_id}:{message.id}:{index}",
                tool_label(call.function.name if call.function else ""),
            )
            for index, call in enumerate(calls)
        )


def _served_model(usage: UsageRow, row: SessionRow) -> str:
    """Return the model of a sum; "" if it is unknown. `row` is the row of the session."""
    return known_model(usage.model) or ("" if usage.is_side else known_model(row.model))


def read(path: str, cursor: Cursor) -> Batch:
    """Read the rows after `cursor` in a database. Raises OSError."""
    return read_sqlite(NAME, SessionsParser, path, cursor)
