"""Reads conversations and their tokens from the database of Cursor's application.

The database has a key-value table of conversations, and a table of settings. Only one setting is
read, which is the kind of subscription. Other settings are not read, because some of them are
credentials.
"""

from collections import deque

import msgspec

from agtop_exporter.agents.cursor.records import (
    BUBBLE,
    CONVERSATION,
    Bubble,
    Conversation,
    session_id_of,
    token_counts,
)
from agtop_exporter.agents.cursor.transcripts import NAME, seconds
from agtop_exporter.model import Batch, Cursor, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import decoder
from agtop_exporter.reading.key_values import value_of
from agtop_exporter.reading.rows import TableRow, Watermark
from agtop_exporter.reading.sqlite import DatabaseParser, read_sqlite
from agtop_exporter.reading.state import ReaderState

TABLE = "cursorDiskKV"
SETTINGS = "ItemTable"
MEMBERSHIP = "cursorAuth/stripeMembershipType"
NAME_RANK = 5
# types of messages: from the user, from the model
KNOWN_TYPES = frozenset({"bubble.1", "bubble.2"})
REMEMBERED = 128  # number of latest rows that can still change in place
REREAD_BYTES = 1024 * 1024  # maximum bytes of these rows that one read repeats
LAST_ROWS = 8  # number of rows in the watermark: Cursor deletes and replaces many of the last rows
SUBSCRIPTIONS = {
    "free": "Free",
    "free_trial": "Free Trial",
    "pro": "Pro",
    "pro_plus": "Pro+",
    "ultra": "Ultra",
    "enterprise": "Enterprise",
}


class Key(TableRow):
    """The key of a row of the key-value table.

    Most values are long. A value is therefore read only when it is needed.
    """

    key: str = ""


class DatabaseState(ReaderState):
    """The reader state: the position in the table, and the keys of rows that can still change."""

    watermark: Watermark = Watermark()
    open: list[str] = msgspec.field(default_factory=list)


class ApplicationParser(DatabaseParser[DatabaseState]):
    """Parser of the application's database."""

    state_type = DatabaseState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: DatabaseState) -> None:
        super().__init__(batch, state)
        self._conversation = decoder(Conversation, batch.errors)
        self._bubble = decoder(Bubble, batch.errors)
        self._known: dict[str, Conversation] = {}

    def read(self, database: Database) -> None:
        """Read the rows that may have changed, then the new rows."""
        self.database = database
        known = self._read_again()
        last: deque[tuple[int, str]] = deque(maxlen=LAST_ROWS)
        for rowid, row in database.after(TABLE, self.state.watermark, Key, key="key"):
            last.append((rowid, row.key))
            if row.key not in known:
                self._read_row(row.key)
        for rowid, key in last:
            self.state.watermark = self.state.watermark.moved_to(rowid, key)
        plan = subscription(database) if self.batch.sessions else ""
        for session in self.batch.sessions.values():
            session.subscription = plan

    def _read_again(self) -> set[str]:
        """Read the latest rows again, because they can still change; return their keys.

        At most about REREAD_BYTES bytes are read.
        """
        opened, self.state.open = self.state.open, []
        end = self.database.bytes_read + REREAD_BYTES
        for key in reversed(opened):
            if self.database.bytes_read >= end:
                break
            self._read_row(key)
        self.state.open.reverse()
        return set(self.state.open)

    def _read_row(self, key: str) -> None:
        if key.startswith(CONVERSATION):
            self._describe(key.removeprefix(CONVERSATION))
        elif key.startswith(BUBBLE) and key.count(":") == BUBBLE.count(":") + 1:
            _, composer_id, _ = key.split(":")
            self._add_response(composer_id, key)
        else:
            return
        self.state.open = [*self.state.open, key][-REMEMBERED:]

    def _value(self, key: str) -> memoryview | None:
        value = value_of(self.database, TABLE, key)
        self.database.bytes_read += len(value)
        return memoryview(value) if value else None

    def _look_up(self, composer_id: str) -> Conversation:
        if composer_id not in self._known:
            value = self._value(CONVERSATION + composer_id)
            found = self._conversation(value, 0) if value is not None else None
            self._known[composer_id] = found or Conversation()
        return self._known[composer_id]

    def _describe(self, composer_id: str) -> None:
        """Update the session of a conversation from the conversation's row."""
        conversation = self._look_up(composer_id)
        session_id = session_id_of(composer_id)
        if not session_id:
            return
        session = self.batch.session(session_id)
        for moment in (conversation.created_at, conversation.last_updated_at):
            if time := seconds(moment):
                session.observe_time(time)
        session.set_title(conversation.name or "", NAME_RANK)
        model, breakdown = conversation.model_config, conversation.prompt_token_breakdown
        used = conversation.context_tokens_used
        used = used or (breakdown.total_used_tokens if breakdown else None) or None
        session.model = (model.model_name if model else None) or session.model
        if session.model:
            self.name_model(session_id, session.model)
        session.context_used_tokens = session.context_peak_tokens = used
        session.context_window_tokens = conversation.context_token_limit or None
        workspace, branch = conversation.workspace_identifier, conversation.active_branch
        session.work_in(workspace.directory if workspace else "")
        session.git_branch = (branch.branch_name if branch else None) or session.git_branch
        parent = conversation.subagent_info
        self._relate(composer_id, (parent.parent_composer_id if parent else None) or "")
        for child in conversation.children:
            self._relate(child, composer_id)

    def _relate(self, child: str, parent: str) -> None:
        """Set the parent session of the conversation `child`, if `child` is in the database.

        `child` and `parent` are recorded conversation ids.
        """
        own, above = session_id_of(child), session_id_of(parent)
        if not own or not above or own == above or not self._exists(child):
            return
        session = self.batch.session(own)
        session.parent_session_id = session.parent_session_id or above

    def _exists(self, composer_id: str) -> bool:
        values = (CONVERSATION + composer_id,)
        return any(self.database.find(TABLE, Key, where="key = ?", values=values, limit=1))

    def _add_response(self, composer_id: str, key: str) -> None:
        """Add the event of an answer that has token counts. `key` is the key of the answer's row.

        An answer without token counts may have been billed, but its tokens are unknown. If the user
        duplicates a conversation, or several models answer one prompt, Cursor copies all messages
        to another conversation under new ids. A copy keeps the id of the request and its time.
        """
        value = self._value(key)
        bubble = self._bubble(value, 0) if value is not None else None
        session_id = session_id_of(composer_id)
        if bubble is None or not session_id:
            return
        if bubble.type is not None:
            self.batch.unknown.observe(f"bubble.{bubble.type}")
        if bubble.task:
            self._relate(bubble.task, composer_id)
        tokens = token_counts(bubble.token_count)
        if not tokens.total:
            return
        conversation = self._look_up(composer_id)
        own, default = bubble.model_info, conversation.model_config
        model = (own.model_name if own else None) or (default.model_name if default else None)
        own_time, created_at = seconds(bubble.time), seconds(conversation.created_at)
        time = own_time or seconds(conversation.last_updated_at) or created_at
        is_known = bubble.usage_uuid and own_time
        self.add_response(
            UsageEvent(
                f"usage:{bubble.usage_uuid}:{own_time:.3f}" if is_known else key,
                session_id,
                time,
                model=model or "",
                tokens=tokens,
                requests=1,
                copied=0 < own_time < created_at,
                other_keys=(key,) if is_known else (),
            )
        )
        session = self.batch.session(session_id)
        if time:
            session.observe_time(time)


def subscription(database: Database) -> str:
    """Return the name of the user's subscription; "" if the subscription is unknown."""
    plan = value_of(database, SETTINGS, MEMBERSHIP).decode("utf-8", "replace").strip().strip('"')
    return SUBSCRIPTIONS.get(plan.lower(), plan)


def read(path: str, cursor: Cursor) -> Batch:
    """Read the rows after `cursor` in the database. Raises OSError."""
    return read_sqlite(NAME, ApplicationParser, path, cursor)
