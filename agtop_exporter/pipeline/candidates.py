"""Selects the sessions that are compared with the running processes.

A session is old if its last activity was before the start of the oldest agent process. Old sessions
are left out, because there may be very many. An old session is nevertheless compared if a process
names the session or has the file of the session open.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping

from agtop_exporter.ledger import Key
from agtop_exporter.model import SessionKey, SessionState
from agtop_exporter.processes.evidence import session_ids_in_path
from agtop_exporter.processes.facts import ProcessTable
from agtop_exporter.signature import RegistryEntry

SESSIONS_OF_FILE = 2  # sessions that are stored for one file; two show that it is ambiguous
SLACK_SECONDS = 2.0  # the start time of a process has a resolution of one second

Dated = Callable[[SessionState], SessionState]
"""A function that returns a session whose times in the future have been corrected."""


class Candidates:
    """Selects the top-level sessions that may have a process, and stores them in `known`."""

    def __init__(self) -> None:
        self.known: dict[SessionKey, SessionState] = {}
        self._oldest_start = math.inf  # the start of the oldest agent process
        self._latest_left_out = -math.inf  # latest activity of a session that was left out
        self._of_file: dict[int, tuple[Key, ...]] = {}  # by the hash of the path of the file

    def add(self, key: Key, record: SessionState) -> None:
        """Add a new or changed session to `known`, if a process may run the session.

        A subagent is skipped, because a subagent runs in the process of its parent.
        """
        if record.facts.parent_session_id:
            return
        path = hash(record.facts.data_path)
        known = self._of_file.get(path, ())
        if len(known) < SESSIONS_OF_FILE and key not in known:
            self._of_file[path] = (*known, key)
        if record.key in self.known or not self._is_old(record):
            self.known[record.key] = record
        else:
            self._leave_out(record)

    def remove_old(self, open_sessions: Collection[Key], bound: Collection[SessionKey]) -> None:
        """Remove the sessions whose last activity was before the oldest agent process started.

        Sessions in `open_sessions` remain. Sessions in `bound`, which are bound to a process, also
        remain.
        """
        for key, session in tuple(self.known.items()):
            is_open = (key.agent, key.session_id) in open_sessions
            if not is_open and key not in bound and self._is_old(session):
                self._leave_out(session)
                del self.known[key]

    def add_possible(
        self,
        table: ProcessTable,
        registry: Iterable[RegistryEntry],
        sessions: Mapping[Key, SessionState],
        dated: Dated,
    ) -> None:
        """Add each session in `sessions` that was left out as old, but that a process may run now.

        `table` has the running processes. `registry` has the live processes that the agents list.
        """
        starts = (table.processes[process].started_at for process in table.agents)
        self._oldest_start = min(starts, default=math.inf) - SLACK_SECONDS
        names = self._names(table, registry)
        if self._oldest_start <= self._latest_left_out:
            self._latest_left_out = self._oldest_start
            names |= {key for key, each in sessions.items() if not self._is_old(dated(each))}
        for name in names:
            session = sessions.get(name)
            if session is not None and not session.facts.parent_session_id:
                self.known.setdefault(session.key, dated(session))

    def _names(self, table: ProcessTable, registry: Iterable[RegistryEntry]) -> set[Key]:
        """Return the keys of the sessions that the running processes or the registry name.

        A process names a session by its arguments or by a file that the process has open.
        """
        names = {(entry.agent, entry.session_id) for entry in registry}
        for process, recognized in table.agents.items():
            agent = recognized.agent
            names.add((agent, recognized.session_id))
            for path in table.open_files.get(process, ()):
                names |= {(agent, word) for word in session_ids_in_path(path)}
                names.update(self._of_file.get(hash(path), ()))
        return names

    def _is_old(self, session: SessionState) -> bool:
        active = session.facts.last_active
        return active is not None and active < self._oldest_start

    def _leave_out(self, session: SessionState) -> None:
        self._latest_left_out = max(self._latest_left_out, session.facts.last_active or 0.0)
