"""`LedgerState`: the ledger in memory, and which of its values are not on disk yet."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Generic, TypeVar

import msgspec

from agtop_exporter.ledger import damage, limits, rows
from agtop_exporter.ledger.changes import Changes
from agtop_exporter.ledger.cursors import Cursors
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.sessions import Sessions
from agtop_exporter.ledger.store import Store
from agtop_exporter.ledger.stored import OF_SESSIONS
from agtop_exporter.ledger.totals import Owner, Totals
from agtop_exporter.model import (
    NO_USERS,
    Cursor,
    RateLimit,
    Series,
    SessionState,
    SessionUpdate,
    Users,
)

GENERATION = "generation"  # metadata: the number of the last commit
RESTORING = "restoring"  # metadata: set while files are read again because event keys were lost
ROLLED_UP_BEFORE = "rolled_up_before"  # metadata: unix seconds; older events are only keys
BILLED = "billed"  # metadata, one name per session: billed amount minus cost, by model

Path = tuple[str, str]  # agent, path of a file

STORED = b"\xc1 on disk"
"""The value in memory that stands for a reader state that is only on disk.

No reader has this value as its state. Reader states would take a third of the memory per file, and
they are needed only to read new records of a file.
"""

NO_CURSORS: Mapping[str, Cursor] = {}

T = TypeVar("T")


class LedgerState:
    """Totals, sessions, cursors, rate limits and metadata, and the store that writes them."""

    def __init__(
        self, store: Store, covered: frozenset[str] = frozenset(), users: Users = NO_USERS
    ) -> None:
        self.store = store
        self.covered = covered  # agents whose usage the user's plan covers
        self.users = users
        self.store_titles = True
        self.totals = Totals()
        self.sessions = Sessions()
        self.changes = Changes()  # not yet added to sums and totals
        self.adopted = Changes()  # changes of sums that do not change the totals
        self.cursors: dict[str, Cursors] = {}  # by agent
        self.changed_cursors: set[Path] = set()
        self.rate_limits: dict[limits.Key, RateLimit] = {}
        self.changed_limits = False
        self.metadata: dict[str, bytes] = {}  # values of other modules, by name
        self.changed_metadata: set[str] = set()
        self.generation = 0
        self.loaded: Mapping[Series, float] = {}  # totals at the start, if they cannot be written
        self.to_restore: set[Path] = set()  # files to read again because event keys were lost

    def owners_of(self, record: SessionState) -> tuple[tuple[Owner, str], ...]:
        """Return the account of a session, and its user if the homes have several owners."""
        account: tuple[Owner, str] = ("account", record.facts.account)
        if not self.users:
            return (account,)
        return (account, ("user", self.users.owner_of(record.facts.data_path)))

    def load(self) -> None:
        """Load the stored rows. Raises DamagedError or one of rows.BAD_ROW."""
        store = self.store
        self.metadata.update(map(rows.metadata_of, store.all("metadata")))
        self.sessions.load(self._stored_sessions())
        self.totals.load(map(rows.total_of, store.all("totals")))
        for agent, path, cursor in map(rows.cursor_of, store.all("cursors")):
            self.cursors.setdefault(agent, Cursors())[path] = _without_state(cursor)
        for limit in map(rows.limit_of, store.all("rate_limits")):
            self.rate_limits[limit.agent, limit.account, limit.window] = limit
        self.generation = int(self.metadata.pop(GENERATION, b"0"))
        if self.metadata.get(RESTORING):
            self.restore_keys()

    def _stored_sessions(self) -> Iterator[SessionState]:
        """Yield the stored sessions in the order of their numbers.

        For a missing number, yield a lost session, which has no agent.
        """
        store = self.store
        sessions = _Table(map(rows.session_of, store.by_session("sessions")), lambda s: s.id)
        models = _Table(map(rows.usage_of, store.by_session("session_models")), itemgetter(0))
        tools = _Table(map(rows.tool_of, store.by_session("session_tools")), itemgetter(0))
        floors = _Table(map(rows.floor_of, store.by_session("session_floors")), itemgetter(0))
        for number in range(store.session_count()):
            lost = SessionState(number, "", str(number), SessionUpdate(""))
            record = next(iter(sessions.of(number)), lost)
            record.models = {model: usage for _, model, usage in models.of(number)}
            for _, tool, calls, errors in tools.of(number):
                record.tools.update({tool: calls} if calls else {})
                record.tool_errors.update({tool: errors} if errors else {})
            for _, tokens, cost in floors.of(number):
                record.floor_tokens, record.floor_cost = tokens, cost
            record.billed = self._stored_bill(record)
            yield record

    def _stored_bill(self, record: SessionState) -> dict[str, int]:
        """Return the stored `SessionState.billed` of a session. It is stored as metadata."""
        try:
            return msgspec.json.decode(self.metadata.get(_bill(record), b"{}"), type=dict[str, int])
        except msgspec.MsgspecError:
            return {}

    def remember_bill(self, record: SessionState) -> None:
        """Store `SessionState.billed` of a session as metadata."""
        self.remember(_bill(record), msgspec.json.encode(record.billed))

    # --- files ----------------------------------------------------------------------------------

    def cursor(self, agent: str, path: str) -> Cursor:
        """Return the cursor of a file with its reader state.

        If the stored row of the cursor is lost, the cursor is at the start of the file. Raises
        DamagedError. Raises OSError if the ledger file cannot be read at all. The counted events
        are then unknown, so that no transcript may be read again.
        """
        cursor = self._known(agent, path) or Cursor()
        if cursor.state != STORED:
            return cursor
        if not self.store.has_rows:
            raise OSError(errno.EIO, "the ledger cannot be read", path)
        state = self.store.reader_state(agent, path)
        return Cursor() if state is None else msgspec.structs.replace(cursor, state=state)

    def _known(self, agent: str, path: str) -> Cursor | None:
        return self.cursors.get(agent, NO_CURSORS).get(path)

    def set_cursor(self, agent: str, path: str, cursor: Cursor) -> None:
        """Store the cursor of a file."""
        self.cursors.setdefault(agent, Cursors())[path] = cursor
        self.changed_cursors.add((agent, path))

    def forget_cursor(self, agent: str, path: str) -> None:
        """Delete the cursor of a file."""
        self.to_restore.discard((agent, path))
        if self._known(agent, path) is not None:
            del self.cursors[agent][path]
            self.changed_cursors.add((agent, path))

    def files(self) -> list[Path]:
        """Return (agent, path) of every file that has a cursor."""
        return [(agent, path) for agent, paths in self.cursors.items() for path in paths]

    def restore_keys(self) -> None:
        """Mark every file to be read again from its start, because event keys were lost."""
        self.to_restore.update(self.files())
        self.remember(RESTORING, b"1")

    def add_limit(self, limit: RateLimit) -> None:
        """Store a record of a rate-limit window; see `limits.add`."""
        self.changed_limits |= limits.add(self.rate_limits, limit)

    def forget_future_limits(self, now: float) -> None:
        """Delete rate limits that were recorded long after `now`; see `limits.forget_future`."""
        self.changed_limits |= limits.forget_future(self.rate_limits, now)

    def remember(self, name: str, data: bytes) -> None:
        """Store metadata: a value of another module, under a name."""
        self.metadata[name] = data
        self.changed_metadata.add(name)

    @property
    def rolled_up_before(self) -> float:
        """The time before which events have been replaced by their keys, in unix seconds."""
        try:
            return float(self.metadata.get(ROLLED_UP_BEFORE, b"0"))
        except ValueError:
            return 0.0

    def note_roll_up(self, before: float) -> None:
        """Store that events from before a time (unix seconds) have been replaced by their keys."""
        if before > self.rolled_up_before:
            self.remember(ROLLED_UP_BEFORE, repr(before).encode())

    @property
    def counts_again(self) -> frozenset[str]:
        """The agents whose usage is counted again because of damage. Their totals do not grow."""
        return damage.decode_names(self.metadata.get(damage.COUNTING_AGAIN, b""))

    def take_incomplete(self) -> set[str]:
        """Return the tables that lost rows in a repair. The next `flush` deletes this note."""
        names = damage.decode_names(self.metadata.get(damage.INCOMPLETE, b""))
        if names:
            self.remember(damage.INCOMPLETE, b"")
        return set(names)

    # --- writing --------------------------------------------------------------------------------

    def flush(self) -> bool:
        """Write all changes to disk. Return whether this succeeded. Raises DamagedError."""
        if not self._is_changed() and self.store.is_settled():
            return True
        sessions = self.sessions.unsaved
        written = self.store.flush(self._rows(), sessions=sessions, gone=self._gone())
        if written:
            self.generation += 1
            self.sessions.unsaved.clear()
            self.totals.changed.clear()
            if self.store.has_rows:
                self._drop_reader_states()
            self.changed_cursors.clear()
            self.changed_metadata.clear()
            self.changed_limits = False
        return written

    def _drop_reader_states(self) -> None:
        for agent, path in self.changed_cursors:
            cursor = self._known(agent, path)
            if cursor is not None:
                self.cursors[agent][path] = _without_state(cursor)

    def mark_all(self) -> None:
        """Mark all values in memory as changed, so that the next `flush` writes all of them."""
        self.sessions.unsaved.update(self.sessions.numbers())
        self.totals.changed.update(self.totals.values)
        self.changed_cursors.update(self.files())
        self.changed_metadata.update(self.metadata)
        self.changed_limits = True

    def _is_changed(self) -> bool:
        return bool(
            self.sessions.unsaved
            or self.totals.changed
            or self.changed_cursors
            or self.changed_metadata
            or self.changed_limits
        )

    def _rows(self) -> dict[str, Iterable[Row]]:
        found: dict[str, list[Row]] = {table: [] for table in ("sessions", *OF_SESSIONS)}
        for number in self.sessions.unsaved:
            record = self.sessions.numbered(number)
            if not self.store_titles:
                record = record.without_title()
            for table, new in rows.session_rows(record).items():
                found[table] += new
        generation = str(self.generation + 1).encode()
        return {
            **found,
            "totals": [rows.total_row(s, self.totals.values[s]) for s in self.totals.changed],
            "cursors": (  # lazy: without a file, reader states cannot be read
                rows.cursor_row(agent, path, self.cursor(agent, path))
                for agent, path in self.changed_cursors
                if path in self.cursors.get(agent, NO_CURSORS)
            ),
            "rate_limits": [rows.limit_row(limit) for limit in self.rate_limits.values()],
            "metadata": [
                (GENERATION, generation),
                *((name, self.metadata[name]) for name in self.changed_metadata),
            ],
        }

    def _gone(self) -> list[Path]:
        return [
            (agent, path)
            for agent, path in self.changed_cursors
            if path not in self.cursors.get(agent, NO_CURSORS)
        ]


def _bill(record: SessionState) -> str:
    return f"{BILLED}/{record.agent}/{record.session_id}"


def _without_state(cursor: Cursor) -> Cursor:
    return msgspec.structs.replace(cursor, state=STORED) if cursor.state else cursor


class _Table(Generic[T]):
    """Reads the rows of one session after another from rows that are sorted by session number."""

    def __init__(self, found: Iterator[T], number_of: Callable[[T], int]) -> None:
        self._found = found
        self._number_of = number_of
        self._next = next(found, None)

    def of(self, number: int) -> Iterator[T]:
        """Yield the rows of the session `number`. The number must increase from call to call."""
        while (row := self._next) is not None and self._number_of(row) <= number:
            self._next = next(self._found, None)
            if self._number_of(row) == number:
                yield row
