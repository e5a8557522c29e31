"""Which records of a Codex rollout are copies from the thread that it was forked from.

A fork or a subagent can begin with a replay: the records of its origin. Versions differ in what
they replay and whether the copies have new times. What tells the end of a replay, the best first:

* ordinals: newer rollouts of subagents name the first record of their own;
* ids of turns, which newer versions make as UUIDs of version 7 and which have a time
  (RFC 9562, 5.7): those of the origin are older than the thread;
* the start of a turn in `task_started`;
* the thread's own `session_meta` once more;
* a pause: a replay is written at once, and the first response of a model takes longer.
"""

from datetime import datetime
from functools import lru_cache
from uuid import UUID

from agtop_exporter.agents.codex.records import Payload, Record, Source, Subagent
from agtop_exporter.agents.codex.state import RolloutState

PAUSE_SECONDS = 3.0
ID_SKEW_SECONDS = 3600.0  # an id whose time is further off has another meaning
UUID_WITH_TIME = 7
TURN_BEGINNINGS = frozenset({"task_started", "turn_started"})


def parent_of(payload: Payload) -> str:
    """Return the id of the thread that spawned a subagent; "" if none did."""
    if not isinstance(payload.source, Source):
        return payload.parent_thread_id or ""
    source = payload.source.subagent
    spawn = source.thread_spawn if isinstance(source, Subagent) else None
    parent = payload.parent_thread_id or (spawn.parent_thread_id if spawn else None)
    if parent or source is None or payload.id is None:
        return parent or ""
    root = payload.session_id or ""  # a review has no other link to its thread
    return root if root != payload.id else ""


def may_replay(state: RolloutState) -> bool:
    """Return whether the next record can be a copy, so that each must be looked at."""
    return not state.is_own and bool(state.own_ordinal or state.family or state.origin)


def is_copy(record: Record, state: RolloutState) -> bool:
    """Return whether a record is a copy; note in `state` when the replay ends."""
    moment, began = record.timestamp, state.began
    if state.is_own:
        return _is_late_copy(record, state)
    if began is None or not may_replay(state):
        return False
    if record.ordinal is not None and state.own_ordinal:
        if record.ordinal >= state.own_ordinal:
            _end_replay(record, state)
        return not state.is_own
    if moment is not None and moment < began:
        state.keeps_times = state.keeps_times or record.type != "session_meta"
        return True
    if _is_own(record, state):
        _end_replay(record, state)
        state.inherits = state.inherits and not state.total
        return False
    if moment is not None and (state.previous is None or moment > state.previous):
        state.previous = moment
    return bool(state.family)


def _end_replay(record: Record, state: RolloutState) -> None:
    """Note that from this record on, all are the thread's own, except copies that come again."""
    state.is_own = True
    state.own_since = record.timestamp.timestamp() if record.timestamp else 0.0


def _is_late_copy(record: Record, state: RolloutState) -> bool:
    """Return whether a record after the replay is one of the replay that was written again."""
    if record.ordinal is not None and state.own_ordinal:
        return record.ordinal < state.own_ordinal
    return record.timestamp is not None and record.timestamp.timestamp() < state.own_since


def has_late_copies(records: list[Record], state: RolloutState) -> bool:
    """Return whether any of several records after the replay is a copy."""
    return bool(state.own_since) and any(_is_late_copy(record, state) for record in records)


def is_certain(record: Record, state: RolloutState) -> bool:
    """Return whether a record that `is_copy` calls a copy can be nothing else."""
    if state.is_own:
        return False  # the clock may have been set back
    moment, began = record.timestamp, state.began
    is_older = moment is not None and began is not None and moment < began
    return bool(state.own_ordinal or state.has_dated_turns or is_older)


def may_be_repeated(state: RolloutState) -> bool:
    """Return whether a token count may repeat one of the thread that this one began from."""
    return bool(state.origin and not state.own_ordinal and not state.is_own)


def _is_own(record: Record, state: RolloutState) -> bool:
    """Return whether a record that is not older than the thread shows that the replay has ended."""
    payload, moment = record.payload, record.timestamp
    if payload is None or moment is None:
        return False
    begun = _turn_begun_at(payload, moment, state)
    if begun is not None and state.created:
        state.has_dated_turns = True
        return begun >= state.created
    if record.type == "session_meta":
        is_later = state.began is not None and moment > state.began  # no copy of the first record
        return is_later and bool(state.family) and payload.id == state.thread_id
    if state.has_dated_turns or state.began is None:
        return False
    pause = moment - (state.previous or state.began)
    return state.keeps_times or pause.total_seconds() >= PAUSE_SECONDS


def _turn_begun_at(payload: Payload, moment: datetime, state: RolloutState) -> float | None:
    """Return when the turn of a record began, in unix seconds; None if the record does not tell.

    A turn whose start is recorded in full seconds began at the end of that second at the latest.
    """
    made = None
    if payload.turn_id and state.has_dated_ids:
        made = _uuid_time(payload.turn_id)
        if made is not None and made > moment.timestamp() + ID_SKEW_SECONDS:
            made = None
    if made is None and payload.type in TURN_BEGINNINGS and bytes(payload.started_at).isdigit():
        made = int(bytes(payload.started_at)) + 1.0
    return made


def note_creation(thread_id: str, moment: datetime | None, state: RolloutState) -> None:
    """Note when a thread was created, by its id; by its record if the two do not agree.

    Ids of turns tell times only if the thread's own id does.
    """
    if moment is not None:
        made, recorded = _uuid_time(thread_id), moment.timestamp()
        state.has_dated_ids = made is not None and abs(made - recorded) < ID_SKEW_SECONDS
        state.created = made if made is not None and state.has_dated_ids else recorded


@lru_cache(maxsize=64)
def _uuid_time(name: str) -> float | None:
    """Return the time in a UUID of version 7, in unix seconds; None for any other name."""
    try:
        uuid = UUID(name)
    except ValueError:
        return None
    return (uuid.int >> 80) / 1000 if uuid.version == UUID_WITH_TIME else None
