"""Finds the sessions that have started a tool process since their last record."""

from collections.abc import Container, Iterator

from agtop_exporter.model import SessionKey
from agtop_exporter.pipeline.candidates import SLACK_SECONDS
from agtop_exporter.processes.facts import Matches, ProcessId, ProcessTable

ACTED_SECONDS = 30.0  # longest time from the end of a tool process to the record of its result


class ToolStarts:
    """Stores, by session, the last start of a tool process."""

    def __init__(self) -> None:
        """Start without tool processes."""
        # By session: time of the last record after which a tool process started, and time at which
        # that process was last seen.
        self._seen: dict[SessionKey, tuple[float, float]] = {}

    def keep_only(self, sessions: Container[SessionKey]) -> None:
        """Delete what is stored of all other sessions."""
        self._seen = {key: seen for key, seen in self._seen.items() if key in sessions}

    def has_started(
        self, session: SessionKey, time: float, *, table: ProcessTable, matches: Matches
    ) -> bool:
        """Return whether a session has started a tool process since its last record.

        `time` is the time of the last record in unix seconds. The result remains True for
        ACTED_SECONDS after the tool process has ended, because the agent records the result of the
        tool a little later. The result is False if the process of the session is a host, because
        the tool may belong to another session.
        """
        binding = matches.bindings.get(session)
        if binding is None or binding.role == "host":
            return False
        starts = list(_starts(binding.process, table, matches))
        now = table.sampled_at
        if any(start >= time for start in starts):
            self._seen[session] = time, now
        acted_after, seen_at = self._seen.get(session, (None, 0.0))
        return any(start >= time - SLACK_SECONDS for start in starts) or (
            acted_after == time and now - seen_at <= ACTED_SECONDS
        )


def _starts(leaf: ProcessId, table: ProcessTable, matches: Matches) -> Iterator[float]:
    """Yield the start (unix seconds) of each tool process of the agent process `leaf`."""
    own = {member.pid for member, root in table.roots.items() if matches.leaves.get(root) == leaf}
    for member, root in table.roots.items():
        process = table.processes[member]
        is_tool = member.pid in own and member not in table.agents
        # A shell that runs one command, another agent, is replaced by that agent.
        is_agent = member == root and member.pid not in own and process.parent_pid in own
        if is_tool or is_agent:
            yield process.started_at
