"""Reads `session-store.db`, a database of the tool and of the desktop application.

Since about version 1.0.70, the table `assistant_usage_events` has one row per request. The log of a
session has the same requests in another form, but log and table have no common request id. All
events therefore have running totals. The ledger compares the running totals of the log and of the
table for each session and model, and takes the larger one. Three kinds of requests are only in the
table: requests of the application, of a killed process, and from before a compaction.

If a log starts with records that were copied from another session, its requests may belong to
either session. The rows of the log's session are then not counted, so that nothing is counted
twice.
"""

from pathlib import Path

from msgspec import field

from agtop_exporter.agents.copilot.earlier import usage_before
from agtop_exporter.agents.copilot.logs import Log, read_log_facts
from agtop_exporter.agents.copilot.records import NOTHING, Figures, Totals, billed
from agtop_exporter.agents.copilot.rows import (
    SESSIONS,
    TABLE,
    SessionRow,
    UsageRow,
    model_of,
    token_counts,
)
from agtop_exporter.agents.copilot.state import plus
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import seconds_of_text
from agtop_exporter.reading.rows import Watermark
from agtop_exporter.reading.sqlite import DatabaseParser, read_sqlite
from agtop_exporter.reading.state import ReaderState

NAME = "copilot"
# a table without these columns has no usage
FIGURES = frozenset({"session_id", "input_tokens", "output_tokens"})
COMPACTION = "compaction"  # the value of `initiator` for a compaction
SUMMARY_RANK = 3
UNDESCRIBED_MAX = 64
ACCOUNTS_MAX = 128  # maximum number of sessions in the state


class Account(ReaderState):
    """The usage of one session or subagent so far: its rows, and usage that only its log has."""

    totals: Totals = field(default_factory=dict)
    latest: float = 0.0  # time of the latest row
    model: str = ""  # of the latest row


class StoreState(ReaderState):
    """The reader state of a store: the position in the table, and the usage of recent sessions."""

    rows: Watermark = Watermark()
    accounts: dict[str, Account] = field(default_factory=dict)  # by session id
    again: bool = False  # older rows are read again, and are already in the sums
    # Main session ids, by the ids of sessions and subagents that have no row in `sessions` yet.
    undescribed: dict[str, str] = field(default_factory=dict)


class StoreParser(DatabaseParser[StoreState]):
    """Parser of one session store."""

    state_type = StoreState

    def __init__(self, batch: BatchBuilder, state: StoreState) -> None:
        super().__init__(batch, state)
        self.home = Path(self.path).parent
        self.logs: dict[str, Log | None] = {}

    def read(self, database: Database) -> None:
        """Read at most one batch of new rows."""
        self.database = database
        columns = database.columns(TABLE)
        if columns and not columns >= FIGURES:
            self.batch.unknown.observe("no-usage-columns")
        last: tuple[int, str] | None = None
        rows = database.after(TABLE, self.state.rows, UsageRow, past_damage=False)
        for rowid, row in rows:  # the sums of later rows include those of all earlier rows
            self.state.again = self.state.again or bool(database.reset)
            last = (rowid, str(row.id))
            if row.session_id:
                self._handle_row(row, rowid)
        if database.reset:
            self.state.rows = Watermark()
        if last is not None:
            self.state.rows = self.state.rows.moved_to(*last)
        self.state.again = self.state.again and database.more
        for session_id, main_id in tuple(self.state.undescribed.items()):
            self._describe_by_store(session_id, main_id)

    def _handle_row(self, row: UsageRow, rowid: int) -> None:
        log = self._log(row.session_id)
        # The totals in a log without usage records include subagents.
        apart = row.agent_id and (log is None or log.has_records)
        session_id = row.agent_id if apart else row.session_id
        account = self._account(session_id, row, rowid, log)
        time = seconds_of_text(row.created_at) or account.latest or self._created(row.session_id)
        figures = 1, token_counts(row)
        model = model_of(row) or account.model or (log.model if log else "")
        account.model = model
        if not self.state.again or time > account.latest:
            add(account, model, figures)
        account.latest = max(account.latest, time)
        if not figures[1].total or (log is not None and log.forked):
            return
        self.batch.event(
            f"row:{row.session_id}:{row.id}:{row.created_at}:{row.input_tokens}:{row.output_tokens}",
            session_id=session_id,
            time=time,
            model=model,
            requests=1,
            tokens=figures[1],
            running_total=account.totals[model],
            reported_cost=billed(row.total_nano_aiu),
        )
        self._describe(session_id, row, log, time=time, model=model)

    def _log(self, session_id: str) -> Log | None:
        if session_id not in self.logs:
            self.logs[session_id] = read_log_facts(self.home, session_id)
        return self.logs[session_id]

    def _account(self, session_id: str, row: UsageRow, rowid: int, log: Log | None) -> Account:
        """Return the usage of a session before `row`, the row with the row id `rowid`."""
        accounts = self.state.accounts
        account = accounts.pop(session_id, None)
        if account is None:
            account = self._added_up(session_id, row, rowid, log)
        accounts[session_id] = account
        if len(accounts) > ACCOUNTS_MAX:
            del accounts[next(iter(accounts))]
        return account

    def _added_up(self, session_id: str, row: UsageRow, rowid: int, log: Log | None) -> Account:
        """Calculate the usage of a session before `row`, the row with the row id `rowid`.

        The usage is the sum of the session's earlier rows, plus the usage that only the log has.
        """
        account = Account()
        where = "session_id = ? AND rowid < ? ORDER BY rowid"
        found = self.database.find(TABLE, UsageRow, where=where, values=(row.session_id, rowid))
        begin = ""
        for earlier in found:
            begin = begin or earlier.created_at
            if session_id in (earlier.agent_id, earlier.session_id):
                account.model = model_of(earlier) or account.model
                account.latest = seconds_of_text(earlier.created_at) or account.latest
                add(account, account.model, (1, token_counts(earlier)))
        if log is not None and not log.has_records:
            self._add_earlier(account, session_id, log, seconds_of_text(begin or row.created_at))
        return account

    def _add_earlier(self, account: Account, session_id: str, log: Log, time: float) -> None:
        """Add the usage in the log from before the process that was running at `time`.

        `time` is the time of the session's first row in unix seconds. The earlier processes were of
        a version that writes no rows.
        """
        earlier, started_at = usage_before(log.path, time)
        for model, figures in earlier.items():
            add(account, model, figures)
            self.batch.event(
                f"earlier:{session_id}:{model}",
                session_id=session_id,
                time=started_at,
                model=model,
                requests=figures[0],
                tokens=figures[1],
                running_total=figures,
            )

    def _created(self, session_id: str) -> float:
        """Return the creation time of a session in unix seconds; 0 if the time is unknown."""
        row = self._session_row(session_id)
        return seconds_of_text(row.created_at) if row is not None else 0.0

    def _session_row(self, session_id: str) -> SessionRow | None:
        where, values = "id = ?", (session_id,)
        rows = self.database.find(SESSIONS, SessionRow, where=where, values=values, limit=1)
        return next(rows, None)

    def _describe(
        self, session_id: str, row: UsageRow, log: Log | None, *, time: float, model: str
    ) -> None:
        """Update a session or subagent from a row with one of its requests.

        If there is a log, most facts about the session are read from the log instead.
        """
        new = session_id not in self.batch.sessions
        session = self.batch.session(
            session_id,
            data_path=log.path if log else self.path,
            parent_session_id="" if session_id == row.session_id else row.session_id,
        )
        if time:
            session.observe_time(time)
        session.model = model or session.model
        session.model_effort = row.reasoning_effort or session.model_effort
        if row.initiator != COMPACTION and (session_id == row.agent_id or not row.agent_id):
            session.set_context_used(row.input_tokens + row.output_tokens)
        if new and log is None:
            self.state.undescribed[session_id] = row.session_id
            if len(self.state.undescribed) > UNDESCRIBED_MAX:
                del self.state.undescribed[next(iter(self.state.undescribed))]

    def _describe_by_store(self, session_id: str, main_id: str) -> None:
        """Update a session or subagent from the row of its main session in `sessions`.

        `main_id` is the id of the main session, which has no log.
        """
        known = self._session_row(main_id)
        if known is None:
            return
        del self.state.undescribed[session_id]
        session = self.batch.session(
            session_id, parent_session_id="" if session_id == main_id else main_id
        )
        session.work_in(known.cwd)
        session.git_branch = known.branch
        if session_id == main_id:
            session.set_title(known.summary, SUMMARY_RANK)
            created = seconds_of_text(known.created_at)
            if created:
                session.observe_time(created)


def add(account: Account, model: str, figures: Figures) -> None:
    """Add (requests, tokens) to the totals of a session; ignore a row without tokens."""
    if figures[1].total:
        account.totals[model] = plus(account.totals.get(model, NOTHING), figures)


def read(path: str, cursor: Cursor) -> Batch:
    """Read the rows after `cursor` in one store. Raises OSError."""
    return read_sqlite(NAME, StoreParser, path, cursor)
