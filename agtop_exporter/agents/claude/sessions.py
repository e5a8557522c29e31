"""Finds the session of each record: the main session, or the session of a subagent."""

from agtop_exporter.agents.claude.records import Record
from agtop_exporter.agents.claude.responses import SessionRead
from agtop_exporter.agents.claude.state import TranscriptState
from agtop_exporter.model import SessionUpdate
from agtop_exporter.reading.identifiers import without_mark

SUBAGENTS = "subagents"  # folder of a session's subagents


class Sessions:
    """The sessions that one read of a transcript has found.

    `main_id` is the id of the main session. `main_chain` is false if the record of the last
    `select` call belongs to a subagent inside its parent's transcript. Only versions before 2.0
    wrote subagents into the transcript of the parent.
    """

    def __init__(self, path: str, state: TranscriptState) -> None:
        *folders, name = path.split("/")
        stem = without_mark(name.partition(".jsonl")[0])
        self.by_id: dict[str, SessionRead] = {}
        self.main_chain = True
        self._path = path
        self._last_active = state.last_active
        self._agent_id = stem.removeprefix("agent-") if stem.startswith("agent-") else ""
        self._file_id = "" if self._agent_id else stem
        self._named = {state.session_id}
        self.main_id = state.session_id or (parent_of(folders) if self._agent_id else stem)

    def select(self, record: Record) -> SessionRead:
        """Return the session of a record; add the session if it is new.

        Set `main_id` and `main_chain` for the record.
        """
        main_id = record.session_id or record.parent_session_id
        if main_id:
            self.main_id = main_id
            self._named.add(main_id)
        agent_id = (record.agent_id if record.is_sidechain else None) or self._agent_id
        self.main_chain = not record.is_sidechain or bool(agent_id)
        own_id = f"agent-{agent_id}" if agent_id else self.main_id
        session = self.by_id.get(own_id) or self._add(own_id)
        if own_id != self.main_id and not session.update.parent_session_id:
            session.update.parent_session_id = self.main_id
        return session

    def is_known(self, session_id: str) -> bool:
        """Return whether it is certain that a session with this id exists.

        The first records of a renamed or continued file can lack a session id. In this case the
        file name alone does not prove that the session exists.
        """
        session = self.by_id[session_id]
        has_facts = session.responses or session.first or session.update.title
        return session_id != self._file_id or session_id in self._named or bool(has_facts)

    @property
    def named_id(self) -> str:
        """The id of the main session, or "" if no record contains this id."""
        return self.main_id if self.main_id in self._named else ""

    def _add(self, session_id: str) -> SessionRead:
        update = SessionUpdate(
            session_id=session_id,
            data_path=self._path,
            last_active=self._last_active.get(session_id),
            subagent=bool(self._agent_id),
        )
        session = self.by_id[session_id] = SessionRead(update)
        return session


def parent_of(folders: list[str]) -> str:
    """Return the id of a subagent's parent session, from the folders of the subagent's transcript.

    The path of the transcript is `<session>/subagents/**/agent-*.jsonl`. Before version 2.1, the
    path has no folder `subagents`. In this case "" is returned, and the records contain the id.
    """
    if SUBAGENTS not in folders[1:]:
        return ""
    return folders[folders.index(SUBAGENTS, 1) - 1]
