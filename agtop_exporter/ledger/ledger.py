"""The ledger: what is known in memory, over what is on disk."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from agtop_exporter.labels import SeriesLimit
from agtop_exporter.ledger import counting, recovery, repricing
from agtop_exporter.ledger.counting import Price
from agtop_exporter.ledger.rows import BAD_ROW
from agtop_exporter.ledger.sessions import Key
from agtop_exporter.ledger.state import RESTORING, LedgerState
from agtop_exporter.ledger.store import Store
from agtop_exporter.ledger.stored import DamagedError
from agtop_exporter.model import Batch, Cursor, ParseError, RateLimit, Series, SessionState, hour_of

CHECKPOINT_EVENTS = 2_000  # so few that writing them delays no scrape and takes little memory
CHANGES_MAX = 100  # gather before they are brought into the sums

T = TypeVar("T")


class Ledger:
    """The totals, the sessions and the cursors; the one place that changes them."""

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
        self._news: list[str] = []
        self._recovered: dict[str, bytes] = {}
        self._covered = frozenset(covered)
        self._state = self._loaded(Store(directory, read_only=read_only))

    def _loaded(self, store: Store) -> LedgerState:
        """Read the stored rows; of damaged ones, those that can be read or added up again."""
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
        ):  # a reader leaves it to the writer
            recovery.check(state, incomplete)
        if store.durable is False:
            state.loaded = dict(state.totals.values)
        return state

    def close(self) -> None:
        """Give the file and its lock back; what was not committed is forgotten."""
        self._state.store.close()

    # --- what is known --------------------------------------------------------------------------

    @property
    def totals(self) -> dict[Series, int | float]:
        """Every running total; none of them ever decreases."""
        counting.apply(self._state)
        return self._state.totals.values

    @property
    def sessions(self) -> Mapping[Key, SessionState]:
        """Every session by its agent and id. The caller does not change them."""
        counting.apply(self._state)
        return self._state.sessions

    @property
    def session_counts(self) -> Mapping[str, int]:
        """The number of sessions by agent."""
        return self._state.sessions.count_by_agent

    def folded_labels(self) -> dict[SeriesLimit, int]:
        """Return how many models, tools and projects share the label value `other`."""
        counting.apply(self._state)
        return self._state.totals.folded()

    @property
    def cursors(self) -> dict[str, dict[str, Cursor]]:
        """How far each file has been read, by agent and path. `cursor` adds the reader's state."""
        return self._state.cursors

    @property
    def rate_limits(self) -> dict[tuple[str, str], RateLimit]:
        """The latest record of each rate-limit window, by agent and window."""
        return self._state.rate_limits

    @property
    def metadata(self) -> dict[str, bytes]:
        """What other modules asked to remember, by name."""
        return self._state.metadata

    @property
    def warning(self) -> str:
        """Why the ledger is not being kept on disk; empty where it is."""
        return self._state.store.warning

    @property
    def durable(self) -> bool | None:
        """Whether the last commit is on disk; None for a ledger that is not kept there."""
        return self._state.store.durable

    @property
    def is_new(self) -> bool:
        """Nothing has ever been counted."""
        return not self.totals

    def size_bytes(self) -> int:
        """Return the size of the ledger on disk."""
        return self._state.store.size_bytes()

    def problem(self) -> str:
        """Return what is wrong with the ledger on disk, with a check of all its pages; or ""."""
        return self.warning or self._state.store.damage()

    def take_news(self) -> list[str]:
        """Return what was repaired since the last call, for people."""
        news, self._news = self._news, []
        return news

    def take_recovered(self) -> dict[str, bytes]:
        """Return stored metadata that could not be read before, once."""
        recovered, self._recovered = self._recovered, {}
        return recovered

    # --- learning -------------------------------------------------------------------------------

    def record(
        self,
        batch: Batch,
        *,
        price: Price,
        project: Callable[[str], str],
    ) -> tuple[ParseError, ...]:
        """Take in what one read found. `project` names the project of a working directory.

        Returns what could not be used, of the file and of the events that were made of it. An
        exception counts nothing of the batch and leaves the cursor where it was: the batch can be
        read and recorded again, and is then counted once.
        """
        state, agent = self._state, batch.agent
        for update in batch.sessions:
            record = state.sessions.update(agent, update)
            if record is not None and not record.project and record.facts.cwd:
                record.project = project(record.facts.cwd)
        errors = batch.errors
        refused = self._mending(lambda: counting.count(self._state, batch, price))
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
        """Forget rate limits from a distant future. Each would hide all later ones."""
        self._state.forget_future_limits(now)

    def add(self, series: Series, amount: float) -> None:
        """Increase a total; a negative amount is ignored, since totals never decrease."""
        self._state.totals.add(series, amount)

    def remember(self, name: str, data: bytes) -> None:
        """Keep metadata of another module under a name."""
        self._state.remember(name, data)

    def cursor(self, agent: str, path: str) -> Cursor:
        """Return how far a file has been read. Raises OSError if the ledger cannot be read."""
        return self._mending(lambda: self._state.cursor(agent, path))

    def set_cursor(self, agent: str, path: str, cursor: Cursor) -> None:
        """Remember how far a file has been read."""
        self._state.set_cursor(agent, path, cursor)

    def forget_cursor(self, agent: str, path: str) -> None:
        """Forget a file that is gone; what it held stays counted."""
        self._state.forget_cursor(agent, path)

    def lacks_project(self, agent: str, session_id: str) -> bool:
        """Return whether the working directory of a session still needs to get a project."""
        record = self._state.sessions.get((agent, session_id))
        return record is None or not record.project

    def forget_titles(self, agent: str, paths: Collection[str]) -> None:
        """Forget the titles of the sessions whose files are gone: they quote what was in them."""
        if self._state.sessions.forget_titles(agent, set(paths)):
            self._state.store.erases = True

    def keep_titles(self, *, wanted: bool) -> None:
        """Say whether titles are stored; if not, those that are stored are erased."""
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
        """Price what no price was known for; return how many events now have one."""
        return self._mending(lambda: counting.reprice(self._state, price))

    def reprice_step(self, price: Price, prices: str) -> bool:
        """Give some counted events the prices called `prices`; return whether more are left.

        Sessions and hours change. Totals do not, and `corrections` has the difference.
        """
        counting.apply(self._state)
        return self._mending(lambda: repricing.reprice_step(self._state, price, prices))

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
        for number, cost in self._mending(lambda: state.store.cost_since(hour_of(start))).items():
            record = state.sessions.numbered(number)
            key = record.agent, record.project
            costs[key] = costs.get(key, 0) + cost
        return costs

    def roll_up(self, before: float) -> bool:
        """Store what is from before a time with less detail; return whether more is left to do.

        Sums do not change, and nothing that is stored so is counted again.
        """
        return self._mending(lambda: self._state.store.roll_up(before))

    # --- committing -----------------------------------------------------------------------------

    def commit(self) -> dict[Key, bytes]:
        """End a refresh: make its changes durable, and return the sessions that it changed."""
        self.checkpoint()
        return self.take_changed()

    def take_changed(self) -> dict[Key, bytes]:
        """Return the sessions that changed since the last call, whether they are durable or not.

        The values are the states before the change, for `unpacked`; that of a new session is empty.
        """
        counting.apply(self._state)
        self._state.sessions.keep_floors()
        return self._state.sessions.take_changed()

    def pack(self, keep: Iterable[Key] = ()) -> None:
        """Save memory: keep only the sessions of `keep` and the latest changed ones as objects."""
        self._state.sessions.pack(keep)

    def checkpoint(self) -> None:
        """Make all that is known so far durable.

        What cannot be written stays in memory and is tried again next time; `warning` says why.
        """
        counting.apply(self._state)
        self._state.sessions.keep_floors()
        self._reopen()
        self._mending(self._state.flush)
        self._note_repair(self._state.store)

    @property
    def wants_checkpoint(self) -> bool:
        """So much is waiting in memory that it should not wait for the end of the refresh."""
        return self._state.store.waiting_events() >= CHECKPOINT_EVENTS

    # --- damage ---------------------------------------------------------------------------------

    def _reopen(self) -> None:
        """Go on with a file that could not be written before, if it can be now."""
        state = self._state
        file = state.store.reopened()
        if file is None:
            return
        stored = self._loaded(Store.over(file))
        if stored.generation == state.generation and not file.incomplete:
            state.store.use(file)  # it holds what was read at the start
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

    def _mending(self, action: Callable[[], T]) -> T:
        """Do something with the file; if it is damaged, repair it and try once more."""
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
            self._news.append(store.file.repaired)
            store.file.repaired = ""

    @property
    def files_to_restore(self) -> list[tuple[str, str]]:
        """The files, by agent and path, that are to be read from their start for `restore`."""
        return sorted(self._state.to_restore)

    def restore(self, batch: Batch, *, price: Price) -> bool:
        """Remember events of a file that were counted before a damage of the ledger.

        `batch` is of a read from the start of the file. Return False where it may hold more than
        has been counted: the file must be read on first.
        """
        state = self._state
        counted = self.cursor(batch.agent, batch.path)
        same = batch.more or batch.cursor.mtime_ns == counted.mtime_ns
        if batch.cursor.offset > counted.offset or not same:
            return False
        self._mending(lambda: counting.restore(state, batch, price))
        if not batch.more:
            state.to_restore.discard((batch.agent, batch.path))
        return True

    def end_restoring(self) -> None:
        """Note that no file is left to be restored, if that is so."""
        if not self._state.to_restore and self._state.metadata.get(RESTORING):
            self._state.remember(RESTORING, b"")
