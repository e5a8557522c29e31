"""`LedgerFiles`: opens the ledger file, loads it into memory and repairs damage.

A file that could not be written is opened again later. Then the changes
in memory are added to it.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from agtop_exporter.ledger import counting, damage, recovery
from agtop_exporter.ledger.rows import BAD_ROW
from agtop_exporter.ledger.state import LedgerState
from agtop_exporter.ledger.store import Store
from agtop_exporter.ledger.stored import DamagedError
from agtop_exporter.ledger.view import LedgerView
from agtop_exporter.model import NO_USERS

T = TypeVar("T")


class LedgerFiles(LedgerView):
    """The part of the ledger that keeps its file usable after damage or after a full disk."""

    def __init__(
        self, directory: Path | None, *, read_only: bool, brief: bool, covered: Collection[str]
    ) -> None:
        """Open the ledger file. The arguments are those of `Ledger`."""
        self._repairs: list[str] = []
        self._recovered: dict[str, bytes] = {}
        self._covered = frozenset(covered)
        self._users = NO_USERS
        self._state = self._loaded(Store(directory, read_only=read_only, brief=brief))

    def _loaded(self, store: Store) -> LedgerState:
        """Load the rows of a store into memory. Repair damaged rows as far as possible."""
        incomplete = set(store.file.incomplete) if store.file else set()
        state = LedgerState(store, self._covered, self._users)
        try:
            state.load()
        except (DamagedError, *BAD_ROW) as error:
            incomplete |= store.repair(error)
            state = LedgerState(store, self._covered, self._users)
            state.load()
        incomplete |= state.take_incomplete()
        self._note_repair(store)
        if store.has_rows and (
            incomplete or not store.read_only
        ):  # a process that only reads leaves repairs to the writer
            recovery.check(state, set() if state.counts_again else incomplete)
        if store.file is not None:
            store.file.in_memory = damage.IN_MEMORY
        if store.durable is False:
            state.loaded = dict(state.totals.values)
        return state

    def close(self) -> None:
        """Close the file and release its lock. Changes that are not committed are lost."""
        self._state.store.close()

    def take_repairs(self) -> list[str]:
        """Return the messages about the repairs since the last call of `take_repairs`."""
        repairs, self._repairs = self._repairs, []
        return repairs

    def take_recovered(self) -> dict[str, bytes]:
        """Return the metadata that became readable since the last `take_recovered`, by name.

        Metadata becomes readable when a ledger file that could not be read is opened.
        """
        recovered, self._recovered = self._recovered, {}
        return recovered

    def _reopen(self) -> None:
        """Try to open a ledger file that could not be written before.

        If the file can be written now, add the changes in memory to the file.
        """
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
        """Run an action. If it raises DamagedError, repair the file and run the action again."""
        try:
            return action()
        except DamagedError as error:
            state = self._state
            counting.apply(state)
            incomplete = state.store.repair(error)
            self._note_repair(state.store)
            state.mark_all()
            state.remember(damage.INCOMPLETE, b"")
            recovery.after_damage(state, incomplete)
            return action()

    def _note_repair(self, store: Store) -> None:
        if store.file is not None and store.file.repaired:
            self._repairs.append(store.file.repaired)
            store.file.repaired = ""
