"""The ledger: totals, sessions and cursors in memory, stored in a SQLite file."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

from agtop_exporter.ledger import counting, recovery, repricing
from agtop_exporter.ledger.merging import Price
from agtop_exporter.ledger.rows import BAD_ROW
from agtop_exporter.ledger.sessions import Key
from agtop_exporter.ledger.state import RESTORING, LedgerState
from agtop_exporter.ledger.store import Store
from agtop_exporter.ledger.stored import DamagedError
from agtop_exporter.ledger.view import LedgerView
from agtop_exporter.model import Batch, Cursor, ParseError, Series, hour_of

CHECKPOINT_EVENTS = 2_000  # so few that writing them delays no scrape and takes little memory
CHANGES_MAX = 100  # number of pending changes that are applied together

T = TypeVar("T")


class Ledger(LedgerView):
    """The totals, sessions and cursors. All changes of them go through this class."""

    def __init__(
        self,
        directory: Path | None = None,
        *,
        read_only: bool = False,
        covered: Collection[str] = (),
    ) -> None:
        """Open the ledger of a state directory, or one in memory. See `cover` for `covered`.

        Raises AgtopError where another daemon writes to the same directory.
        """
        self._repairs: list[str] = []
        self._recovered: dict[str, bytes] = {}
        self._covered = frozenset(covered)
        self._state = self._loaded(Store(directory, read_only=read_only))

    def _loaded(self, store: Store) -> LedgerState:
        """Load the stored rows; repair damaged ones as far as possible."""
        incomplete = set(store.file.incomplete) if store.file else set()
        state = LedgerState(store, self._covered)
        try:
            state.load()
        except (DamagedError, *BAD_ROW) as error:
            incomplete |= store.repair(error)
            state = LedgerState(store, self._covered)
            state.load()
        self._note_repair(store)
        if store.has_rows and (
            incomplete or not store.read_only
        ):  # a process that only reads leaves repairs to the writer
            recovery.check(state, incomplete)
        if store.durable is False:
            state.loaded = dict(state.totals.values)
        return state

    def close(self) -> None:
        """Close the file and release its lock. Changes that are not committed are lost."""
        self._state.store.close()

    def take_repairs(self) -> list[str]:
        """Return messages about repairs since the last call."""
        repairs, self._repairs = self._repairs, []
        return repairs

    def take_recovered(self) -> dict[str, bytes]:
        """Return stored metadata that became readable since the last call."""
        recovered, self._recovered = self._recovered, {}
        return recovered

    # --- recording ------------------------------------------------------------------------------

    def record(
        self,
        batch: Batch,
        *,
        price: Price,
        project: Callable[[str], str],
    ) -> tuple[ParseError, ...]:
        """Record one batch. `project` returns the project name of a working directory.

        Returns the parse errors of the batch, and one for its rejected events. If an exception is
        raised, nothing of the batch is counted and the cursor is unchanged. The batch can then be
        read and recorded again.
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
            if not created.facts.parent_session_id and not state.sessions.lost:
                self.add(("sessions_started", created.agent), 1)
        state.sessions.created.clear()
        for limit in batch.rate_limits:
            state.add_limit(limit)
        self.add(("scan_bytes", agent), batch.bytes_read)
        self.add(("scan_records", agent), batch.records)
        for error in errors:
            self.add(("parse_errors", agent, error.reason), error.count)
        if batch.reset:
            self.add(("source_resets", agent, batch.reset), 1)
        self.set_cursor(agent, batch.path, batch.cursor)
        return errors

    def forget_future_limits(self, now: float) -> None:
        """Drop rate limits from the distant future, which would hide all later ones."""
        self._state.forget_future_limits(now)

    def add(self, series: Series, amount: float) -> None:
        """Increase a total. A negative amount is ignored, because totals never decrease."""
        self._state.totals.add(series, amount)

    def remember(self, name: str, data: bytes) -> None:
        """Store a value of another module under a name."""
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
        """Delete the cursor of a removed file. Its usage stays counted."""
        self._state.forget_cursor(agent, path)

    def lacks_project(self, agent: str, session_id: str) -> bool:
        """Return whether the project of a session is still unknown."""
        record = self._state.sessions.get((agent, session_id))
        return record is None or not record.project

    def forget_titles(self, agent: str, paths: Collection[str]) -> None:
        """Delete the titles of sessions whose transcripts were removed."""
        if self._state.sessions.forget_titles(agent, set(paths)):
            self._state.store.erases = True

    def keep_titles(self, *, wanted: bool) -> None:
        """Set whether titles are stored. If not, stored titles are erased."""
        state = self._state
        if state.store_titles and not wanted:
            titled = (record for record in state.sessions.values() if record.facts.title)
            state.sessions.unsaved.update(record.id for record in titled)
            state.store.erases = True
        state.store_titles = wanted

    def cover(self, agents: Collection[str]) -> None:
        """Say of which agents the user's plan covers the usage: nothing is billed for it."""
        self._state.covered = self._covered = frozenset(agents)

    def reprice(self, price: Price) -> int:
        """Price the events that had no known price; return how many have a price now."""
        return self._with_repair(lambda: counting.reprice(self._state, price))

    def reprice_step(self, price: Price, prices: str) -> bool:
        """Give some counted events the prices called `prices`; return whether more are left.

        Sessions and hours change. Totals do not, and `corrections` has the difference.
        """
        counting.apply(self._state)
        return self._with_repair(lambda: repricing.reprice_step(self._state, price, prices))

    def assume_priced(self, prices: str) -> None:
        """Say that all events of a new ledger will be counted with the prices called `prices`."""
        self.remember(repricing.PRICED_WITH, prices.encode())

    @property
    def corrections(self) -> dict[str, int]:
        """By agent, what the sessions cost more than the totals say, in picodollars."""
        return repricing.corrections(self._state.metadata)

    def cost_since(self, start: float) -> dict[tuple[str, str], int]:
        """Return the list price in picodollars by agent and project, since a time.

        The hour of the time is included.
        """
        state = self._state
        counting.apply(state)
        costs: dict[tuple[str, str], int] = {}
        stored = self._with_repair(lambda: state.store.cost_since(hour_of(start)))
        for number, cost in stored.items():
            record = state.sessions.numbered(number)
            key = record.agent, record.project
            costs[key] = costs.get(key, 0) + cost
        return costs

    def roll_up(self, before: float) -> bool:
        """Store data from before a time in less detail; return whether more is left to do.

        Sums do not change, and old events are still recognized.
        """
        return self._with_repair(lambda: self._state.store.roll_up(before))

    # --- committing -----------------------------------------------------------------------------

    def commit(self) -> dict[Key, bytes]:
        """Write all changes of a refresh; return the changed sessions as `take_changed` does."""
        self.checkpoint()
        return self.take_changed()

    def take_changed(self) -> dict[Key, bytes]:
        """Return the sessions that changed since the last call, with their earlier states.

        `unpacked` decodes a state. The state of a new session is empty.
        """
        counting.apply(self._state)
        self._state.sessions.keep_floors()
        return self._state.sessions.take_changed()

    def pack(self, keep: Iterable[Key] = ()) -> None:
        """Pack sessions to save memory, except those in `keep` and the recently changed ones."""
        self._state.sessions.pack(keep)

    def checkpoint(self) -> None:
        """Write all changes to disk.

        If that fails, `warning` has the reason, and the changes stay in memory for the next
        attempt.
        """
        counting.apply(self._state)
        self._state.sessions.keep_floors()
        self._reopen()
        self._with_repair(self._state.flush)
        self._note_repair(self._state.store)

    @property
    def needs_checkpoint(self) -> bool:
        """Whether the changes in memory should be written before the end of the refresh."""
        return self._state.store.waiting_events() >= CHECKPOINT_EVENTS

    # --- damage ---------------------------------------------------------------------------------

    def _reopen(self) -> None:
        """Open a file that could not be written before, and merge the changes in memory into it."""
        state = self._state
        file = state.store.reopened()
        if file is None:
            return
        stored = self._loaded(Store.for_file(file))
        if stored.generation == state.generation and not file.incomplete:
            state.store.use(file)  # the file has the state that was read at the start
            return
        found = dict(stored.metadata)
        recovery.join(stored, state)
        for name, data in state.metadata.items():
            stored.remember(name, data)
        state.store.close()
        stored.store_titles = state.store_titles
        state.sessions.replace_by(stored.sessions)
        stored.sessions = state.sessions
        self._recovered = {} if state.generation else found
        self._state = stored

    def _with_repair(self, action: Callable[[], T]) -> T:
        """Run an action; if the file is damaged, repair it and run the action again."""
        try:
            return action()
        except DamagedError as error:
            state = self._state
            counting.apply(state)
            incomplete = state.store.repair(error)
            self._note_repair(state.store)
            state.mark_all()
            recovery.after_damage(state, incomplete)
            return action()

    def _note_repair(self, store: Store) -> None:
        if store.file is not None and store.file.repaired:
            self._repairs.append(store.file.repaired)
            store.file.repaired = ""

    @property
    def files_to_restore(self) -> list[tuple[str, str]]:
        """The (agent, path) of files that must be read again from the start for `restore`."""
        return sorted(self._state.to_restore)

    def restore(self, batch: Batch, *, price: Price) -> bool:
        """Store the keys of events that were counted before the ledger was damaged.

        `batch` is the result of reading the file again from its start. Returns False if the file
        has grown since it was counted. It must then be read up to its end first.
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

    def end_restoring(self) -> None:
        """Mark the restoration as finished if no file is left."""
        if not self._state.to_restore and self._state.metadata.get(RESTORING):
            self._state.remember(RESTORING, b"")
