"""Assigns one process to each session by the strongest evidence; no I/O.

In this order: the registries of the agents, open files, arguments, the binding of the last round.
The remaining processes are assigned by working directory, start time and recency, all processes of
a directory at once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import msgspec

from agtop_exporter.model import SessionKey, SessionState
from agtop_exporter.processes.evidence import Evidence
from agtop_exporter.processes.facts import (
    Binding,
    Confidence,
    Matches,
    ProcessId,
    ProcessTable,
)
from agtop_exporter.processes.groups import Group, group
from agtop_exporter.processes.match_by_cwd import TELLING_SECONDS, pair_folder
from agtop_exporter.signature import RegistryEntry

_SLACK_SECONDS = 2.0  # the boot time is exact to one second only


def match(
    table: ProcessTable,
    sessions: Mapping[SessionKey, SessionState],
    evidence: Iterable[Evidence],
    *,
    previous: Matches,
    real_path: Callable[[str], str] = str,
) -> Matches:
    """Match the processes of agents to top-level sessions.

    `real_path` resolves the symbolic links of a session's directory; without it, the directory is
    compared as it is. An incomplete table changes nothing.
    """
    if not table.complete:
        return previous
    claims = tuple(evidence)
    named: dict[ProcessId, frozenset[SessionKey]] = defaultdict(frozenset)
    for claim in claims:
        if claim.kind != "argv":
            named[claim.process] |= {claim.session}
    matching = _Round(
        table=table,
        groups=group(table, named),
        sessions=sessions,
        previous=previous,
        real_path=real_path,
    )
    matching.bind_claims(claims)
    matching.keep_previous()
    matching.bind_by_folder()
    matching.bind_hosts_by_folder()
    return matching.outcome()


class _Round:
    """The state of one round of pairing."""

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
        self._now = table.sampled_at
        self._groups = groups
        self._sessions = sessions
        self._previous = previous
        self._group_of = {member: item for item in groups for member in item.members}
        self._bindings: dict[SessionKey, Binding] = {}
        self._taken: dict[ProcessId, SessionKey] = {}  # by leaf, without hosts
        self._duplicates: dict[ProcessId, SessionKey] = {}
        self._clients: dict[ProcessId, SessionKey] = {}
        # The registry names a session of theirs that has no transcript yet.
        self._barred: set[ProcessId] = set()
        # Roots only: an agent that has ended can be a member of another agent's tree.
        alive = set(table.roots.values())
        # A time ahead of the clock was noticed before the clock was set back.
        self._ended = {
            key: min(when, self._now) for key, when in previous.ended.items() if key in sessions
        } | {
            key: self._now
            for key, binding in previous.bindings.items()
            if key in sessions and binding.liveness == "live" and binding.process not in alive
        }
        self._alive = alive
        self._nearby = self._by_place()

    def _by_place(self) -> dict[tuple[str, str], list[SessionState]]:
        """Return the sessions in the processes' directories, except those that are too old."""
        places: dict[tuple[str, str], list[SessionState]] = {
            _place(item): [] for item in self._groups
        }
        oldest = min((item.leaf.started_at for item in self._groups), default=0.0)
        for session in self._sessions.values():
            active = session.facts.last_active
            if active is None or active >= oldest - _SLACK_SECONDS:
                nearby = places.get((session.agent, self._directory(session)))
                if nearby is not None:
                    nearby.append(session)
        return places

    def bind_claims(self, claims: tuple[Evidence, ...]) -> None:
        """Bind the sessions for which there is evidence, the strongest first."""
        kinds: dict[tuple[ProcessId, SessionKey], list[Evidence]] = defaultdict(list)
        for claim in claims:
            owner = self._group_of.get(claim.process)
            if owner is None:
                continue
            if claim.session in self._sessions:
                kinds[owner.leaf.id, claim.session].append(claim)
            elif claim.kind == "registry":
                self._barred.add(owner.leaf.id)
        for (leaf, key), found in sorted(kinds.items(), key=self._precedence):
            self._bind_claim(self._group_of[leaf], key, found=found)

    def _precedence(
        self, item: tuple[tuple[ProcessId, SessionKey], list[Evidence]]
    ) -> tuple[object, ...]:
        (leaf, key), found = item
        held = self._previous.bindings.get(key)
        return (
            -max(claim.strength for claim in found),
            -(self._sessions[key].facts.last_active or 0.0),
            key,
            held is None or held.process != leaf,
            -leaf.start_ticks,
            leaf.pid,
        )

    def _bind_claim(self, owner: Group, key: SessionKey, *, found: list[Evidence]) -> None:
        leaf = owner.leaf.id
        kinds = tuple(dict.fromkeys(claim.kind for claim in found))
        if self._settled(owner) or (leaf in self._barred and "registry" not in kinds):
            return
        if kinds == ("argv",) and self._superseded(owner, key):
            return
        holder = self._bindings.get(key)
        if holder is not None and owner.role != "host":
            (self._clients if holder.role == "host" else self._duplicates)[leaf] = key
        elif holder is None:
            entry = next((claim.entry for claim in found if claim.entry), None)
            self._bind(
                owner,
                key,
                confidence="high",
                evidence=kinds,
                entry=entry,
            )

    def keep_previous(self) -> None:
        """Keep the bindings of the last round, unless there is evidence against them."""
        for key, binding in sorted(self._previous.bindings.items()):
            owner = self._group_of.get(binding.process)
            if (
                owner is not None
                and binding.liveness == "live"
                and binding.role == owner.role == "session"
                and self._free(owner)
                and key in self._sessions
                and key not in self._bindings
                and not self._superseded(owner, key, silence_seconds=TELLING_SECONDS)
            ):
                self._bind(owner, key, confidence=binding.confidence, evidence=binding.evidence)

    def _superseded(
        self, owner: Group, key: SessionKey, *, silence_seconds: float = float("inf")
    ) -> bool:
        """Return whether the process runs another session now (after `/clear`, `/resume`, a fork).

        It does if a session in its directory started after the last record of this one, or has a
        record that is `silence_seconds` newer, and no other process can have written that session.
        """
        last_record = self._sessions[key].facts.last_active or 0.0
        quiet_since = max(last_record, owner.leaf.started_at) - _SLACK_SECONDS
        return any(
            (other.facts.last_active or 0.0) > last_record
            and (
                (other.facts.started_at is not None and other.facts.started_at >= quiet_since)
                or (other.facts.last_active or 0.0) >= last_record + silence_seconds
            )
            and not self._has_other_writer(other, owner)
            for other in self._nearby[_place(owner)]
            if other.key != key and self._may_run(owner, other)
        )

    def _has_other_writer(self, session: SessionState, owner: Group) -> bool:
        return any(
            item.leaf.id != owner.leaf.id and self._free(item) and self._may_run(item, session)
            for item in self._groups
        )

    def _may_run(self, owner: Group, session: SessionState) -> bool:
        """Return whether a process can write a session: the directory and the times agree."""
        key, active = session.key, session.facts.last_active
        if key in self._bindings or key.agent != owner.agent or owner.role == "wrapper":
            return False
        if not session.facts.cwd or self._directory(session) != _folder(owner.leaf.cwd):
            return False
        if active is None:
            return key not in self._ended
        since_end = active > self._ended.get(key, 0.0)
        return since_end and active >= owner.leaf.started_at - _SLACK_SECONDS

    def bind_by_folder(self) -> None:
        """Bind the remaining processes by working directory, start time and recency."""
        folders: dict[tuple[str, str], list[Group]] = defaultdict(list)
        for item in self._groups:
            if item.leaf.cwd and self._free(item):
                folders[_place(item)].append(item)
        for place, owners in sorted(folders.items()):
            for pair in pair_folder(owners, self._nearby[place], may_run=self._may_run):
                self._bind(
                    pair.group,
                    pair.session.key,
                    confidence=pair.confidence,
                    evidence=pair.evidence,
                )

    def bind_hosts_by_folder(self) -> None:
        """Bind a host to the sessions in its directory that no other process runs."""
        for item in self._groups:
            if item.role != "host":
                continue
            keys = sorted(
                session.key
                for session in self._nearby[_place(item)]
                if session.facts.last_active is not None and self._may_run(item, session)
            )
            for key in keys:
                confidence: Confidence = "medium" if len(keys) == 1 else "low"
                self._bind(item, key, confidence=confidence, evidence=("cwd",))

    def _directory(self, session: SessionState) -> str:
        return _folder(self._real_path(session.facts.cwd))

    def _settled(self, owner: Group) -> bool:
        leaf = owner.leaf.id
        return leaf in self._taken or leaf in self._duplicates or leaf in self._clients

    def _free(self, owner: Group) -> bool:
        return (
            owner.role == "session"
            and owner.leaf.id not in self._barred
            and not self._settled(owner)
        )

    def _bind(
        self,
        owner: Group,
        key: SessionKey,
        *,
        confidence: Confidence,
        evidence: tuple[str, ...],
        entry: RegistryEntry | None = None,
    ) -> None:
        leaf = owner.leaf
        if owner.role != "host":
            self._taken[leaf.id] = key
        self._ended.pop(key, None)
        self._bindings[key] = Binding(
            session=key,
            process=leaf.id,
            started_at=leaf.started_at,
            confidence=confidence,
            evidence=evidence,
            role="host" if owner.role == "host" else "session",
            status=entry.status if entry else "",
            waiting_for=entry.waiting_for if entry else "",
        )

    def outcome(self) -> Matches:
        """Return the bindings. One whose process has ended is `stopped`, for this round only."""
        stopped = {
            key: msgspec.structs.replace(binding, liveness="stopped", status="", waiting_for="")
            for key, binding in self._previous.bindings.items()
            if binding.liveness == "live"
            and key in self._sessions
            and key not in self._bindings
            and binding.process not in self._alive
        }
        hosted = {
            (key.agent, self._directory(self._sessions[key])): key
            for key, binding in sorted(self._bindings.items())
            if binding.role == "host" and self._sessions[key].facts.cwd
        }
        orphans: list[ProcessId] = []
        for item in self._groups:
            if item.role != "session" or self._settled(item):
                continue
            if _place(item) in hosted:
                self._clients[item.leaf.id] = hosted[_place(item)]
            else:
                orphans.append(item.leaf.id)
        return Matches(
            bindings=self._bindings | stopped,
            leaves={member: item.leaf.id for item in self._groups for member in item.members},
            duplicates=self._duplicates,
            clients=self._clients,
            orphans=tuple(orphans),
            ended=self._ended,
        )


def _place(item: Group) -> tuple[str, str]:
    return item.agent, _folder(item.leaf.cwd)


def _folder(path: str) -> str:
    return path.rstrip("/\\") or path
