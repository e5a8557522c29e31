"""The sessions of the ledger in memory, and which of them have changed."""

from agtop_exporter.ledger.records import merge_facts
from agtop_exporter.model import ModelUsage, SessionState, SessionUpdate

Key = tuple[str, str]  # agent, session id


class Sessions:
    """Sessions by (agent, session id) and by number.

    `unsaved` has the numbers of the sessions that are not on disk yet. `lost` has the numbers of
    the sessions whose names a damaged file no longer holds. Their events move to the session in
    whose transcript they are found.
    """

    def __init__(self) -> None:
        self.by_key: dict[Key, SessionState] = {}
        self.by_id: list[SessionState] = []
        self.created: list[SessionState] = []  # since the caller last cleared it
        self.before: dict[int, ModelUsage] = {}  # usage of changed sessions at the last commit
        self.unsaved: set[int] = set()
        self.lost: set[int] = set()

    def load(self, found: list[SessionState], *, count: int) -> None:
        """Add the stored sessions. Missing numbers below `count` are lost sessions."""
        by_id = {record.id: record for record in found}
        for number in range(max([count, *(id_ + 1 for id_ in by_id)])):
            record = by_id.get(number)
            if record is None or not record.agent:
                record = record or SessionState(number, "", str(number), SessionUpdate(""))
                self.lost.add(number)
            else:
                self.by_key[record.agent, record.session_id] = record
            self.by_id.append(record)

    def find(self, agent: str, session_id: str) -> SessionState:
        """Return a session. Create it if it does not exist."""
        record = self.by_key.get((agent, session_id))
        if record is None:
            facts = SessionUpdate(session_id=session_id)
            record = SessionState(len(self.by_id), agent, session_id, facts)
            self.by_key[agent, session_id] = record
            self.by_id.append(record)
            self.created.append(record)
            self.touch(record)
        return record

    def update(self, agent: str, update: SessionUpdate) -> SessionState | None:
        """Merge the facts of a transcript into a session. Return the session if it changed."""
        record = self.find(agent, update.session_id)
        if update.parent_session_id:
            self.find(agent, update.parent_session_id)  # the parent may have no records of its own
        facts = merge_facts(record.facts, update)
        if facts == record.facts:
            return None
        self.touch(record)
        record.facts = facts
        return record

    def touch(self, record: SessionState) -> None:
        """Note the usage of a session before this refresh changes it."""
        if record.id not in self.before:
            self.before[record.id] = record.usage.bounded()

    def keep_floors(self) -> None:
        """Store the published usage of sessions that lost events to another session."""
        for number, before in self.before.items():
            record = self.by_id[number]
            now = record.usage
            if now.tokens.max(before.tokens) != now.tokens:
                record.floor_tokens = record.floor_tokens.max(before.tokens)
                record.floor_cost = record.floor_cost.max(before.cost)
        self.unsaved.update(self.before)

    def replace_by(self, other: "Sessions") -> None:
        """Replace all sessions by those of another object, and mark all of them as changed."""
        self.by_key.clear()
        self.by_key.update(other.by_key)
        self.by_id[:] = other.by_id
        self.lost = other.lost
        for record in self.by_key.values():
            self.touch(record)
