"""The sessions of a transcript: its own, those of subagents, and that of a renamed file."""

from agtop_exporter.agents.claude.records import Record
from agtop_exporter.agents.claude.responses import SessionRead
from agtop_exporter.agents.claude.state import TranscriptState
from agtop_exporter.model import SessionUpdate

SUBAGENTS = "subagents"  # the folder of a session's subagents


class Sessions:
    """The sessions that one read of a transcript has found.

    `main_id` is the id of the main session. `main_chain` is false if the last selected record is
    in a subagent's part of its parent's transcript, as versions before 2.0 wrote it.
    """

    def __init__(self, path: str, state: TranscriptState) -> None:
        *folders, name = path.split("/")
        stem = name.removesuffix(".jsonl")
        self.by_id: dict[str, SessionRead] = {}
        self.main_chain = True
        self._path = path
        self._last_active = state.last_active
        self._agent_id = stem.removeprefix("agent-") if stem.startswith("agent-") else ""
        self._file_id = "" if self._agent_id else stem
        self._named = {state.session_id}
        self.main_id = state.session_id or (parent_of(folders) if self._agent_id else stem)

    def select(self, record: Record) -> SessionRead:
        """Return the session of a record."""
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
        """Return whether anything but the name of the file shows that there is this session.

        The first records of a renamed or continued file may have no session id.
        """
        session = self.by_id[session_id]
        has_facts = session.responses or session.first or session.update.title
        return session_id != self._file_id or session_id in self._named or bool(has_facts)

    @property
    def named_id(self) -> str:
        """The id of the main session if a record has it, else ""."""
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
    """Return the session of a subagent, by the folders of `<session>/subagents/**/agent-*.jsonl`.

    It is "" if the path does not show it, as in versions before 2.1: then the records do.
    """
    if SUBAGENTS not in folders[1:]:
        return ""
    return folders[folders.index(SUBAGENTS, 1) - 1]
