"""The state of one round of matching: which processes and sessions are already matched. No I/O."""

from collections.abc import Callable, Iterable, Mapping

from agtop_exporter.model import SessionKey, SessionState
from agtop_exporter.processes.facts import (
    Binding,
    Confidence,
    Matches,
    ProcessId,
    ProcessTable,
    Written,
)
from agtop_exporter.processes.groups import Group
from agtop_exporter.signature import RegistryEntry

START_SLACK_SECONDS = 0.5  # largest error of the computed start time of a process

Place = tuple[str, str]  # agent, working directory


class Round:
    """The processes and sessions of one round, and the bindings that have been found so far.

    A group has the agent processes that run one session. Its leaf is the process that does the
    work. `running` has the root processes of all agents. `bound` maps each leaf that has a session
    to its session, except the leaves of hosts (processes that run many sessions). `barred` has the
    leaves that certainly run a session that is not in `sessions`. `ended` maps each session whose
    process has ended since the last record to the time at which the end was noticed, in unix
    seconds. `nearby` maps an agent and a directory to the sessions of that agent in that directory.
    """

    def __init__(
        self,
        *,
        table: ProcessTable,
        groups: tuple[Group, ...],
        sessions: Mapping[SessionKey, SessionState],
        previous: Matches,
        real_path: Callable[[str], str],
    ) -> None:
        self._real_path = real_path
        self.now = table.sampled_at
        self.groups = groups
        self.sessions = sessions
        self.previous = previous
        self.group_of = {member: item for item in groups for member in item.members}
        self.bindings: dict[SessionKey, Binding] = {}
        self.bound: dict[ProcessId, SessionKey] = {}
        self.duplicates: dict[ProcessId, SessionKey] = {}
        self.clients: dict[ProcessId, SessionKey] = {}
        self.contested: dict[SessionKey, frozenset[ProcessId]] = {}
        self.barred: set[ProcessId] = set()
        # Roots only: an agent that has ended can be a member of another agent's tree.
        self.running = set(table.roots.values())
        self.ended = self._all_ended()
        self.former_wrappers = self._all_former_wrappers()
        self.nearby = self._by_place()
        self.written = {
            item.leaf.id: Written(sample.written_characters, sample.written_bytes)
            for item in groups
            if (sample := table.samples.get(item.leaf.id))
        }

    def _all_ended(self) -> dict[SessionKey, float]:
        # A time in the future was stored before the clock was set back.
        ended = {key: min(when, self.now) for key, when in self.previous.ended.items()}
        for key, binding in self.previous.bindings.items():
            if binding.liveness == "live" and binding.process not in self.running:
                ended[key] = self.now
        for key, contestants in self.previous.contested.items():
            if not contestants <= self.running:  # the process that ended may have run this session
                ended[key] = self.now
        return {key: when for key, when in ended.items() if key in self.sessions}

    def _all_former_wrappers(self) -> dict[ProcessId, float]:
        """Return the wrappers whose agent process has ended, with the time the end was noticed."""
        ended = {
            process: self.now
            for process, leaf in self.previous.leaves.items()
            if process != leaf and leaf not in self.running
        }
        wrappers = ended | dict(self.previous.former_wrappers)
        return {
            process: min(when, self.now)
            for process, when in wrappers.items()
            if process in self.running
        }

    def _by_place(self) -> dict[Place, list[SessionState]]:
        """Return the sessions in the directories of agent processes, by agent and directory.

        Sessions whose last record is older than all agent processes are left out.
        """
        places: dict[Place, list[SessionState]] = {item.place: [] for item in self.groups}
        oldest = min((item.leaf.started_at for item in self.groups), default=0.0)
        for session in self.sessions.values():
            active = session.facts.last_active
            if active is None or active >= oldest - START_SLACK_SECONDS:
                nearby = places.get((session.agent, self.directory(session)))
                if nearby is not None:
                    nearby.append(session)
        return places

    def directory(self, session: SessionState) -> str:
        """Return the real path of a session's directory, without a separator at its end."""
        return folder(self._real_path(session.facts.cwd))

    def settled(self, owner: Group) -> bool:
        """Return whether the session of the agent processes in `owner` is already known."""
        leaf = owner.leaf.id
        return leaf in self.bound or leaf in self.duplicates or leaf in self.clients

    def free(self, owner: Group) -> bool:
        """Return whether the agent processes in `owner` can still be bound to a session.

        The processes must have the role `session`, and must not run another session.
        """
        return (
            owner.role == "session" and owner.leaf.id not in self.barred and not self.settled(owner)
        )

    def may_run(self, owner: Group, session: SessionState) -> bool:
        """Return whether the agent processes in `owner` can run a session that has no process yet.

        They can run `session` if the agent and the directory are the same, and if the start of the
        process does not contradict the times of the session.
        """
        key, active = session.key, session.facts.last_active
        if key in self.bindings or key.agent != owner.agent or owner.role == "wrapper":
            return False
        if not session.facts.cwd or self.directory(session) != owner.place[1]:
            return False
        # A directory in a container is not the directory with the same path outside.
        if owner.leaf.container or self.is_idle_wrapper(owner, session):
            return False
        if active is None:
            return key not in self.ended
        since_end = active > self.ended.get(key, 0.0)
        return since_end and active >= owner.leaf.started_at - START_SLACK_SECONDS

    def is_idle_wrapper(self, owner: Group, session: SessionState) -> bool:
        """Return whether `owner` is only a wrapper whose agent process has ended.

        The agent process must have ended after the last record of `session`. Such a wrapper ends
        soon after its child, and does not write to the session.
        """
        ended = self.former_wrappers.get(owner.leaf.id)
        return ended is not None and (session.facts.last_active or 0.0) <= ended

    def bind(
        self,
        owner: Group,
        key: SessionKey,
        *,
        confidence: Confidence,
        evidence: Iterable[str],
        entry: RegistryEntry | None = None,
    ) -> None:
        """Bind the session `key` to the leaf of `owner`, the process that does the work.

        `entry` is the entry of the process in the agent's registry, or None.
        """
        leaf = owner.leaf
        if owner.role != "host":
            self.bound[leaf.id] = key
        self.ended.pop(key, None)
        self.bindings[key] = Binding(
            session=key,
            process=leaf.id,
            started_at=leaf.started_at,
            confidence=confidence,
            evidence=tuple(evidence),
            role="host" if owner.role == "host" else "session",
            status=entry.status if entry else "",
            waiting_for=entry.waiting_for if entry else "",
        )


def folder(path: str) -> str:
    """Return the path of a directory without a separator at its end."""
    return path.rstrip("/\\") or path
