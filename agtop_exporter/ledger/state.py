"""All that the ledger knows, in memory, and what of it is not on disk yet."""

from collections.abc import Iterable, Mapping

from agtop_exporter.ledger import rows
from agtop_exporter.ledger.changes import Changes
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.sessions import Sessions
from agtop_exporter.ledger.store import OF_SESSIONS, Store
from agtop_exporter.ledger.totals import Totals
from agtop_exporter.model import Cursor, RateLimit, Series

GENERATION = "generation"  # metadata: the number of the last commit
RESTORING = "restoring"  # metadata: keys of events were lost, and files are read again for them

Path = tuple[str, str]  # agent, path of a file


class LedgerState:
    """Totals, sessions and cursors over a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.store_titles = True
        self.totals = Totals()
        self.sessions = Sessions()
        self.changes = Changes()  # that the sums do not have yet
        self.adopted = Changes()  # events of lost sessions that were given to others
        self.cursors: dict[str, dict[str, Cursor]] = {}  # by agent and path
        self.changed_cursors: set[Path] = set()
        self.rate_limits: dict[tuple[str, str], RateLimit] = {}
        self.changed_limits = False
        self.metadata: dict[str, bytes] = {}  # of other modules, by name
        self.changed_metadata: set[str] = set()
        self.generation = 0
        self.loaded: Mapping[
            Series, float
        ] = {}  # totals at the start, where they may not be written
        self.to_restore: set[Path] = set()  # files that are read again for lost keys of events

    def load(self) -> None:
        """Read the stored rows. Raises DamagedError or one of rows.BAD_ROW."""
        store = self.store
        found = [rows.session_of(row) for row in store.all("sessions")]
        self.sessions.load(found, count=store.session_count())
        by_id = self.sessions.by_id
        for session, model, usage in map(rows.usage_of, store.all("session_models")):
            by_id[session].models[model] = usage
        for session, tool, calls, errors in map(rows.tool_of, store.all("session_tools")):
            by_id[session].tools.update({tool: calls} if calls else {})
            by_id[session].tool_errors.update({tool: errors} if errors else {})
        for session, tokens, cost in map(rows.floor_of, store.all("session_floors")):
            by_id[session].floor_tokens, by_id[session].floor_cost = tokens, cost
        self.totals.load(map(rows.total_of, store.all("totals")))
        for agent, path, cursor in map(rows.cursor_of, store.all("cursors")):
            self.cursors.setdefault(agent, {})[path] = cursor
        for limit in map(rows.limit_of, store.all("rate_limits")):
            self.rate_limits[limit.agent, limit.window] = limit
        self.metadata.update(map(rows.metadata_of, store.all("metadata")))
        self.generation = int(self.metadata.pop(GENERATION, b"0"))
        if self.metadata.get(RESTORING):
            self.restore_keys()

    # --- files ----------------------------------------------------------------------------------

    def set_cursor(self, agent: str, path: str, cursor: Cursor) -> None:
        """Remember how far a file has been read."""
        self.cursors.setdefault(agent, {})[path] = cursor
        self.changed_cursors.add((agent, path))

    def forget_cursor(self, agent: str, path: str) -> None:
        """Forget a file."""
        self.to_restore.discard((agent, path))
        if self.cursors.get(agent, {}).pop(path, None) is not None:
            self.changed_cursors.add((agent, path))

    def files(self) -> list[Path]:
        """Return every file that has been read."""
        return [(agent, path) for agent, paths in self.cursors.items() for path in paths]

    def restore_keys(self) -> None:
        """Let every file be read again for keys of events that were lost."""
        self.to_restore.update(self.files())
        self.remember(RESTORING, b"1")

    def remember(self, name: str, data: bytes) -> None:
        """Keep metadata under a name."""
        self.metadata[name] = data
        self.changed_metadata.add(name)

    # --- writing --------------------------------------------------------------------------------

    def flush(self) -> bool:
        """Write what is not on disk yet; return whether it is there now. Raises DamagedError."""
        if not self._is_changed() and self.store.is_settled():
            return True
        sessions = self.sessions.unsaved
        written = self.store.flush(self._rows(), sessions=sessions, gone=self._gone())
        if written:
            self.generation += 1
            self.sessions.unsaved.clear()
            self.totals.changed.clear()
            self.changed_cursors.clear()
            self.changed_metadata.clear()
            self.changed_limits = False
        return written

    def mark_all(self) -> None:
        """Let the next flush write all that is in memory."""
        self.sessions.unsaved.update(range(len(self.sessions.by_id)))
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
            record = self.sessions.by_id[number]
            if not self.store_titles:
                record = record.without_title()
            for table, new in rows.session_rows(record).items():
                found[table] += new
        generation = str(self.generation + 1).encode()
        return {
            **found,
            "totals": [rows.total_row(s, self.totals.values[s]) for s in self.totals.changed],
            "cursors": [
                rows.cursor_row(agent, path, cursor)
                for agent, path in self.changed_cursors
                if (cursor := self.cursors.get(agent, {}).get(path)) is not None
            ],
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
            if path not in self.cursors.get(agent, {})
        ]
