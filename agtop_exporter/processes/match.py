"""Assigns one process to each session by the strongest evidence. Performs no I/O.

The order of precedence is: the registries of the agents, open files, arguments, the bytes that the
processes have written since the last round, and the bindings of the last round. The remaining
processes are assigned by working directory, start time and recency of the sessions. All processes
of one directory are assigned together.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from agtop_exporter.model import SessionKey, SessionState
from agtop_exporter.processes.evidence import Evidence
from agtop_exporter.processes.facts import Confidence, Matches, ProcessId, ProcessTable
from agtop_exporter.processes.groups import Group, group
from agtop_exporter.processes.match_by_cwd import TELLING_SECONDS, pair_folder
from agtop_exporter.processes.outcome import outcome
from agtop_exporter.processes.round import START_SLACK_SECONDS, Round
from agtop_exporter.processes.writers import growth, writer

ROUND_SECONDS = 0.5  # longest time that reading the processes of one round takes
RECORD_DELAY_SECONDS = 600.0
"""Longest delay between the timestamp of a record and the time at which the record is written.

The timestamp may be the start of a response. The record is written after the response has ended.
"""


def match(
    table: ProcessTable,
    sessions: Mapping[SessionKey, SessionState],
    evidence: Iterable[Evidence],
    *,
    previous: Matches,
    real_path: Callable[[str], str] = str,
) -> Matches:
    """Match the agent processes in a table with top-level sessions.

    `previous` is the result of the last round. It is returned if the table is not complete.
    `real_path` resolves the symbolic links of a session's directory. By default, links are not
    resolved.
    """
    if not table.complete:
        return previous
    claims = tuple(evidence)
    named: dict[ProcessId, frozenset[SessionKey]] = defaultdict(frozenset)
    for claim in claims:
        if claim.kind != "argv":
            named[claim.process] |= {claim.session}
    this = Round(
        table=table,
        groups=group(table, named),
        sessions=sessions,
        previous=previous,
        real_path=real_path,
    )
    _bind_claims(this, claims)
    _bind_writers(this)
    _keep_previous(this)
    _bind_by_folder(this)
    _bind_hosts_by_folder(this)
    return outcome(this)


# --- by evidence ----------------------------------------------------------------------------


def _bind_claims(this: Round, claims: tuple[Evidence, ...]) -> None:
    """Bind sessions to processes by evidence. The strongest evidence is applied first."""
    kinds: dict[tuple[ProcessId, SessionKey], list[Evidence]] = defaultdict(list)
    for claim in claims:
        owner = this.group_of.get(claim.process)
        if owner is None:
            continue
        if claim.session in this.sessions:
            kinds[owner.leaf.id, claim.session].append(claim)
        elif claim.kind in {"registry", "open_file"}:
            this.barred.add(owner.leaf.id)

    def precedence(
        item: tuple[tuple[ProcessId, SessionKey], list[Evidence]],
    ) -> tuple[object, ...]:
        (leaf, key), found = item
        held = this.previous.bindings.get(key)
        return (
            -max(claim.strength for claim in found),
            -(this.sessions[key].facts.last_active or 0.0),
            key,
            held is None or held.process != leaf,
            -leaf.start_ticks,
            leaf.pid,
        )

    for (leaf, key), found in sorted(kinds.items(), key=precedence):
        _bind_claim(this, this.group_of[leaf], key, found=found)


def _bind_claim(this: Round, owner: Group, key: SessionKey, *, found: list[Evidence]) -> None:
    leaf = owner.leaf.id
    kinds = tuple(dict.fromkeys(claim.kind for claim in found))
    if this.settled(owner) or (leaf in this.barred and "registry" not in kinds):
        return
    if kinds == ("argv",) and (
        this.is_idle_wrapper(owner, this.sessions[key]) or _superseded(this, owner, key)
    ):
        return
    holder = this.bindings.get(key)
    if holder is not None and owner.role != "host":
        (this.clients if holder.role == "host" else this.duplicates)[leaf] = key
    elif holder is None:
        entry = next((claim.entry for claim in found if claim.entry), None)
        this.bind(owner, key, confidence="high", evidence=kinds, entry=entry)


def _bind_writers(this: Round) -> None:
    """Bind a session to the only process in its directory that can have written its last record.

    Only records that are new in this round are evidence. A record older than RECORD_DELAY_SECONDS
    is no evidence, because it may be new for another reason, for example because its file was
    copied.

    Each round reads transcripts before processes. The last round may therefore have counted the
    bytes of a record that it had not read. For a record that is not later than the last round, the
    bytes written since the round before the last round are compared.
    """
    after = this.previous.sampled_at + ROUND_SECONDS
    latest = growth(this.previous.written, this.written)
    earlier = growth(this.previous.written_before, this.written)
    recent = [
        session
        for sessions in this.nearby.values()
        for session in sessions
        if (session.facts.last_active or 0.0) > this.now - RECORD_DELAY_SECONDS
        and session.facts.last_active != this.previous.seen.get(session.key)
    ]
    # The latest first, because one process can have written several.
    for session in sorted(recent, key=lambda item: (-(item.facts.last_active or 0.0), item.key)):
        able = {
            item.leaf.id: item
            for item in this.groups
            if (this.free(item) or item.role == "host") and this.may_run(item, session)
        }
        new = session.key not in this.previous.seen
        later = (session.facts.last_active or 0.0) > after
        found = writer(able.keys(), latest if later else earlier, new=new)
        if found is None or able[found].role == "host":
            continue
        held = this.previous.bindings.get(session.key)
        if held is None or held.process != found:
            this.bind(able[found], session.key, confidence="medium", evidence=("cwd", "writes"))
        else:
            this.bind(
                able[found],
                session.key,
                confidence="high" if held.confidence == "high" else "medium",
                evidence=dict.fromkeys((*held.evidence, "writes")),
            )


# --- by the last round ----------------------------------------------------------------------


def _keep_previous(this: Round) -> None:
    """Keep each binding of the last round for which there is no evidence to the contrary.

    A new session in the directory of a process is evidence that the process has changed to the new
    session. If several bound processes can have written the new session, the new session gets no
    process. These processes keep their sessions, with low confidence. A process cannot have written
    the new session if its bound session has a record after the start of the new session.
    """
    kept = [
        (key, binding, owner)
        for key, binding in sorted(this.previous.bindings.items())
        if (owner := this.group_of.get(binding.process)) is not None
        and binding.liveness == "live"
        and binding.role == owner.role == "session"
        and this.free(owner)
        and key in this.sessions
        and key not in this.bindings
    ]
    own_record = {
        owner.leaf.id: this.sessions[key].facts.last_active or 0.0 for key, _, owner in kept
    }
    held = {key for key, _, _ in kept}
    moves: set[SessionKey] = set()
    doubtful: set[ProcessId] = set()
    for key, _, owner in kept:
        for other in _successors(this, owner, key, silence_seconds=TELLING_SECONDS):
            if other.key in held:
                continue
            began = other.facts.started_at or other.facts.last_active or 0.0
            rivals = frozenset(
                item.leaf.id
                for item in _rivals(this, other, owner)
                if own_record.get(item.leaf.id, 0.0) <= began
            )
            if not rivals:
                moves.add(key)
            elif rivals <= own_record.keys():
                this.contested[other.key] = rivals | {owner.leaf.id}
                doubtful |= this.contested[other.key]
    for key, binding, owner in kept:
        if key not in moves:
            unsure = owner.leaf.id in doubtful
            this.bind(
                owner,
                key,
                confidence="low" if unsure else binding.confidence,
                evidence=binding.evidence,
            )


def _superseded(this: Round, owner: Group, key: SessionKey) -> bool:
    """Return whether the process has probably changed from the session `key` to a later session.

    This is the case if a later session exists that no other process can have written.
    """
    return any(not any(_rivals(this, other, owner)) for other in _successors(this, owner, key))


def _successors(
    this: Round, owner: Group, key: SessionKey, *, silence_seconds: float = float("inf")
) -> Iterator[SessionState]:
    """Yield the sessions that a process may run now instead of the session `key`.

    A process changes its session after `/clear`, `/resume` or a fork. The yielded sessions are in
    the directory of the process and have records after the last record of the session `key`. They
    started after that last record, or have a record at least `silence_seconds` after it.
    """
    last_record = this.sessions[key].facts.last_active or 0.0
    quiet_since = max(last_record, owner.leaf.started_at) - START_SLACK_SECONDS
    for other in this.nearby[owner.place]:
        active, started = other.facts.last_active or 0.0, other.facts.started_at
        later = (started is not None and started >= quiet_since) or (
            active >= last_record + silence_seconds
        )
        if other.key != key and active > last_record and later and this.may_run(owner, other):
            yield other


def _rivals(this: Round, session: SessionState, owner: Group) -> Iterator[Group]:
    """Yield the other agent processes without a session that can have written `session`.

    Each is yielded as the group of the process and its wrappers. `owner` is not yielded.
    """
    for item in this.groups:
        if item.leaf.id != owner.leaf.id and this.free(item) and this.may_run(item, session):
            yield item


# --- by working directory -------------------------------------------------------------------


def _bind_by_folder(this: Round) -> None:
    """Bind the remaining processes by working directory, start time and recency of the sessions."""
    folders: dict[tuple[str, str], list[Group]] = defaultdict(list)
    for item in this.groups:
        if item.leaf.cwd and this.free(item):
            folders[item.place].append(item)
    for place, owners in sorted(folders.items()):
        sessions = [item for item in this.nearby[place] if item.key not in this.contested]
        for pair in pair_folder(owners, sessions, may_run=this.may_run):
            this.bind(
                pair.group,
                pair.session.key,
                confidence=pair.confidence,
                evidence=pair.evidence,
            )


def _bind_hosts_by_folder(this: Round) -> None:
    """Bind each host to the unbound sessions in its directory. A host runs many sessions."""
    for item in this.groups:
        if item.role != "host":
            continue
        keys = sorted(
            session.key
            for session in this.nearby[item.place]
            if session.facts.last_active is not None and this.may_run(item, session)
        )
        for key in keys:
            confidence: Confidence = "medium" if len(keys) == 1 else "low"
            this.bind(item, key, confidence=confidence, evidence=("cwd",))
