"""Finds the messages that MiMo Code imported from Claude Code, Codex and OpenCode.

An import copies the messages of another agent with their token counts. MiMo Code has not made these
requests. The table `external_import` has one row for each imported session, with the ids of the
imported messages. A user can continue an imported session; the new messages are not in the row.
Earlier versions have the table `claude_import` without ids: all messages of its sessions count as
imported.

Sources: https://github.com/XiaomiMiMo/MiMo-Code, `packages/opencode/src/session/claude-import.ts`
and `opencode-import.ts`; xiufengsun/TokenTracker issue 629 (imported usage was counted again).
"""

from collections.abc import Collection
from functools import cached_property

import msgspec

from agtop_exporter.agents.opencode.queries import V1_MESSAGES
from agtop_exporter.agents.opencode.rows import IdRow, ImportRow, SessionIdRow
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import UNDECODABLE, Errors

TABLES = ("external_import", "claude_import")

_decode = msgspec.json.Decoder(frozenset[str]).decode


class Imported:
    """Looks up imported messages in a database. The databases of other agents have none."""

    def __init__(self, database: Database, errors: Errors) -> None:
        self._database = database
        self._errors = errors
        self._ids: dict[str, Collection[str] | None] = {}

    def has(self, session_id: str, message_id: str) -> bool:
        """Return whether a message of a session is imported."""
        if session_id not in self._sessions:
            return False
        if session_id not in self._ids:
            self._ids[session_id] = self._look_up(session_id)
        ids = self._ids[session_id]
        return ids is None or message_id in ids

    def covers(self, session_id: str) -> bool:
        """Return whether all messages of a session are imported."""
        if session_id not in self._sessions:
            return False
        rows = self._database.find(V1_MESSAGES, IdRow, where="session_id = ?", values=(session_id,))
        return all(self.has(session_id, row.id) for row in rows)

    @cached_property
    def _sessions(self) -> frozenset[str]:
        """The ids of the sessions that have imported messages."""
        find = self._database.find
        return frozenset(
            row.session_id
            for table in TABLES
            for row in find(table, SessionIdRow, where="1", values=())
        )

    def _look_up(self, session_id: str) -> Collection[str] | None:
        """Return the ids of the imported messages of a session; None if all are imported."""
        ids: set[str] = set()
        for table in TABLES:
            where, values = "session_id = ?", (session_id,)
            for row in self._database.find(table, ImportRow, where=where, values=values):
                try:
                    ids |= _decode(row.message_ids)
                except UNDECODABLE:  # the earlier table has no ids
                    self._errors.add("schema", 0, int(bool(row.message_ids)))
                    return None
        return ids
