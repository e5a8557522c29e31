"""`Ledger`: totals, sessions and cursors in memory, which are stored in a SQLite file."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from agtop_exporter.ledger import counting, hours, past, recovery, repricing, unpublished
from agtop_exporter.ledger.files import LedgerFiles
from agtop_exporter.ledger.merging import Price
from agtop_exporter.ledger.sessions import Key
from agtop_exporter.ledger.unpublished import Additions, Unpublished
from agtop_exporter.model import (
    MAX_SUM,
    Batch,
    Cursor,
    HourlyUsage,
    ParseError,
    RateLimit,
    Series,
    Users,
)

CHECKPOINT_EVENTS = 2_000  # a number that needs little memory and is written quickly
POSTPONED_EVENTS = 50_000  # need about 20 MB of memory and are written in about a second
FOLDED_LABELS = "folded_labels"  # metadata: set at the first publication
CHANGES_MAX = 100  # number of pending changes that are applied together


class Ledger(LedgerFiles):
    """The totals, sessions and cursors of the program. All changes go through `Ledger`."""

    def __init__(
        self,
        directory: Path | None = None,
        *,
        read_only: bool = False,
        brief: bool = False,
        covered: Collection[str] = (),
    ) -> None:
        """Open the ledger in a state directory. Without a directory, the ledger is only in memory.

        If `read_only` is set, the file is never written. Set `brief` in a command that ends soon:
        if the file cannot be written, it is only read. `covered` are the agents whose usage the
        user's plan covers, see `cover`. Raises AgtopError if another process writes to the same
        directory, unless `brief` is set.
        """
        super().__init__(directory, read_only=read_only, brief=brief, covered=covered)
        self._events_max = CHECKPOINT_EVENTS
        self._additions = Additions(self._state) if brief else None

    # --- recording ------------------------------------------------------------------------------

    def record(
        self,
        batch: Batch,
        *,
        price: Price,
        project: Callable[[str], str],
    ) -> tuple[ParseError, ...]:
        """Count the events of one batch, update its sessions and store its cursor.

        `price` returns the cost of an event. `project` returns the project name of a working
        directory. Returns the parse errors of the batch, and one parse error for all events that
        were rejected because of a negative number. If an exception is raised, no event of the batch
        is counted and the cursor is unchanged. The batch can then be read and recorded again.
        """
        state, agent = self._state, batch.agent
        for update in batch.sessions:
            record = state.sessions.update(agent, update)
            if record is not None and not record.project and record.facts.cwd:
                record.project = project(record.facts.cwd)
        errors = batch.errors
        refused = self._with_repair(lambda: counting.count(self._state, batch, price))
        if refused:
            errors = (*errors, ParseError("negative", refused, batch.path))
        if len(state.changes.usage) >= CHANGES_MAX:
            counting.apply(state)
        for created in state.sessions.created:
            is_known = state.sessions.lost or created.agent in state.counts_again
            if not created.facts.parent_session_id and not is_known:
                self.add(("sessions_started", created.agent), 1)
        state.sessions.created.clear()
        for limit in batch.rate_limits:
            self.add_limit(limit)
        self.add(("scan_bytes", agent), batch.bytes_read)
        self.add(("scan_records", agent), batch.records)
        for error in errors:
            self.add(("parse_errors", agent, error.reason), error.count)
        if batch.reset:
            self.add(("source_resets", agent, batch.reset), 1)
        self.set_cursor(agent, batch.path, batch.cursor)
        return errors

    def fold_labels(self) -> None:
        """Before the first publication, add usage of label values without series to `other`."""
        if FOLDED_LABELS not in self._state.metadata:
            counting.apply(self._state)
            self._state.totals.fold()
            self.remember(FOLDED_LABELS, b"1")

    def add_limit(self, limit: RateLimit) -> None:
        """Store a record of a rate-limit window, unless a later record of the window is stored."""
        self._state.add_limit(limit)

    def forget_future_limits(self, now: float) -> None:
        """Delete rate limits that were recorded long after `now` (unix seconds) by a wrong clock.

        Such a record would hide all later records of the same window.
        """
        self._state.forget_future_limits(now)

    def add(self, series: Series, amount: float) -> None:
        """Add to the total of a series. Ignore a negative amount, because totals never decrease."""
        self._state.totals.add(series, amount)

    def remember(self, name: str, data: bytes) -> None:
        """Store metadata: a value of another module, under a name."""
        self._state.remember(name, data)

    def cursor(self, agent: str, path: str) -> Cursor:
        """Return the cursor of a file with its reader state.

        Raises OSError if the ledger cannot be read.
        """
        return self._with_repair(lambda: self._state.cursor(agent, path))

    def set_cursor(self, agent: str, path: str, cursor: Cursor) -> None:
        """Store the cursor of a file."""
        self._state.set_cursor(agent, path, cursor)

    def forget_cursor(self, agent: str, path: str) -> None:
        """Delete the cursor of a removed file. The usage in the file stays counted."""
        self._state.forget_cursor(agent, path)

    def lacks_project(self, agent: str, session_id: str) -> bool:
        """Return whether a session is unknown or has no known project."""
        record = self._state.sessions.get((agent, session_id))
        return record is None or not record.project

    def forget_titles(self, agent: str, paths: Collection[str]) -> None:
        """Delete the titles of an agent's sessions whose transcripts (`paths`) were removed."""
        if self._state.sessions.forget_titles(agent, set(paths)):
            self._state.store.erases = True

    def keep_titles(self, *, wanted: bool) -> None:
        """Set whether session titles are stored on disk. If not, erase the stored titles."""
        state = self._state
        if state.store_titles and not wanted:
            titled = (record for record in state.sessions.values() if record.facts.title)
            state.sessions.unsaved.update(record.id for record in titled)
            state.store.erases = True
        state.store_titles = wanted

    def cover(self, agents: Collection[str]) -> None:
        """Set the agents whose usage the user's plan covers.

        Nothing is added to the billed totals of these agents.
        """
        self._state.covered = self._covered = frozenset(agents)

    def count_by_user(self, users: Users) -> None:
        """Set the owners of the home directories, and count their usage by user.

        Usage that was counted before belongs to the owner of the session's transcript.
        """
        self._state.users = self._users = users
        counting.apply(self._state)
        recovery.complete_users(self._state)

    def reprice(self, price: Price) -> int:
        """Calculate the cost of events without a known price. Return how many have a price now."""
        return self._with_repair(lambda: counting.reprice(self._state, price))

    def reprice_step(
        self, price: Price, prices: str, *, replaces: repricing.Replaces = lambda _event: False
    ) -> bool:
        """Apply the current prices to some counted events. Return whether more events are left.

        `prices` identifies the current price tables and the user's prices. `replaces` returns
        whether a price of the user is billed instead of the cost that the agent recorded. The costs
        and the bills of sessions, and the costs of hours, change. Totals do not change:
        `corrections` has the difference of the costs.
        """
        counting.apply(self._state)
        return self._with_repair(
            lambda: repricing.reprice_step(self._state, price, prices, replaces)
        )

    def assume_priced(self, prices: str) -> None:
        """Store that all events of a new ledger have the prices of the current price tables.

        `prices` identifies these tables. `reprice_step` then has nothing to do.
        """
        self.remember(repricing.PRICED_WITH, prices.encode())

    @property
    def corrections(self) -> dict[str, int]:
        """The cost of the sessions minus the cost in the totals, in picodollars by agent."""
        return repricing.corrections(self._state.metadata)

    def usage_between(self, start: int = 0, end: int = MAX_SUM) -> list[HourlyUsage]:
        """Return the counted usage by session, model and hour, in no particular order.

        The result has the hours from `start` to the one before `end`; see `HourlyUsage.hour`. It
        includes usage that is not on disk yet. It may have several items with the same session,
        model and hour. Costs are at the prices that are known today.
        """
        counting.apply(self._state)
        return self._with_repair(lambda: hours.usage_between(self._state, start, end))

    def bills(self) -> list[HourlyUsage]:
        """Return the billed amounts that agents recorded, minus the costs; see `hours.bills`."""
        counting.apply(self._state)
        return self._with_repair(lambda: hours.bills(self._state))

    def past_totals(self) -> list[past.PastTotal]:
        """Return the past values of the totals that the usage by hour contains; see `past`."""
        usage = self.usage_between()
        return past.past_totals(self._state.totals, self._state.sessions, usage)

    def roll_up(self, before: float) -> bool:
        """Store a part of the data from before a time (unix seconds) in less detail.

        Return whether more data is left for the next call. Sums do not change. If another record of
        an old event is read later, it adds nothing.
        """
        more = self._with_repair(lambda: self._state.store.roll_up(before))
        if self.durable:
            self._state.note_roll_up(before)
        return more

    # --- committing -----------------------------------------------------------------------------

    def commit(self) -> dict[Key, bytes]:
        """Write all changes of a refresh to disk. Return the result of `take_changed`."""
        self.checkpoint()
        return self.take_changed()

    def take_changed(self) -> dict[Key, bytes]:
        """Return the earlier state of each changed session; see `Sessions.take_changed`."""
        counting.apply(self._state)
        self._state.sessions.keep_floors()
        return self._state.sessions.take_changed()

    def take_unpublished(self) -> Unpublished:
        """Return the series and sessions that no daemon has published yet, and forget them.

        Commands add them to the ledger while no daemon runs.
        """
        return unpublished.take(self._state)

    def pack(self, keep: Iterable[Key] = ()) -> None:
        """Encode sessions as bytes to save memory, except those in `keep`; see `Sessions.pack`."""
        self._state.sessions.pack(keep)

    @contextlib.contextmanager
    def written_later(self) -> Iterator[None]:
        """Postpone writing until the end of the context, or until POSTPONED_EVENTS are in memory.

        A command can then show its result before it writes the ledger.
        """
        self._events_max = POSTPONED_EVENTS
        try:
            yield
        finally:
            self._events_max = CHECKPOINT_EVENTS
        self.checkpoint()

    def checkpoint(self) -> None:
        """Write all changes to disk, unless writing is postponed.

        If writing fails, `warning` has the reason. The changes then stay in memory for the next
        attempt.
        """
        counting.apply(self._state)
        self._state.sessions.keep_floors()
        if self._events_max == POSTPONED_EVENTS and not self.needs_checkpoint:
            return
        if self._additions is not None:
            self._additions.note(self._state)
        self._reopen()
        self._with_repair(self._state.flush)
        self._note_repair(self._state.store)

    @property
    def needs_checkpoint(self) -> bool:
        """Whether so many events are only in memory that `checkpoint` should be called now."""
        return self._state.store.waiting_events() >= self._events_max

    # --- restoring ------------------------------------------------------------------------------

    @property
    def files_to_restore(self) -> list[tuple[str, str]]:
        """(agent, path) of each file that must be read again from its start, for `restore`."""
        return sorted(self._state.to_restore)

    def restore(self, batch: Batch, *, price: Price) -> bool:
        """Store again the events of a transcript whose stored events were lost by damage.

        `batch` is the result of reading the transcript again from its start. Returns False, and
        stores nothing, if the transcript has changed since its cursor was stored. The new records
        must then be recorded first.
        """
        state = self._state
        counted = self.cursor(batch.agent, batch.path)
        same = batch.more or batch.cursor.mtime_ns == counted.mtime_ns
        if batch.cursor.offset > counted.offset or not same:
            return False
        self._with_repair(lambda: counting.restore(state, batch, price))
        if not batch.more:
            state.to_restore.discard((batch.agent, batch.path))
        return True

    def end_restoring(self, agents: Collection[str] = ()) -> None:
        """End the restoration of lost usage if `files_to_restore` is empty.

        `agents` are those whose files have been read completely since the start of the program.
        """
        self._with_repair(lambda: recovery.end_restoring(self._state, agents))
