"""Detects the records of a Codex rollout that are copies from another thread.

A thread is a session of Codex, and a rollout is the transcript of a thread. The rollout of a forked
thread or of a subagent can begin with a replay: copies of the records of another thread, the
origin. The origin is the thread from which the thread was forked, or the parent of the subagent.

Versions of Codex differ in the records that they replay, and in whether the copies have new times.
The following properties show the end of a replay, the most reliable property first:

* Ordinals: in newer versions, the first record contains the ordinal of the first record that is not
  a copy.
* Ids of turns: in newer versions, these ids are UUIDs of version 7, which contain a time (RFC 9562,
  5.7). The turns of the origin are older than the thread.
* The start time of a turn in `task_started`.
* A second `session_meta` of the thread.
* A pause: Codex writes a replay at once, while the first response of a model takes longer.
"""

from datetime import datetime
from functools import lru_cache
from uuid import UUID

from agtop_exporter.agents.codex.ids import is_imported, recorded
from agtop_exporter.agents.codex.records import Payload, Record, Source, Subagent
from agtop_exporter.agents.codex.state import RolloutState

PAUSE_SECONDS = 3.0
ID_SKEW_SECONDS = 3600.0  # an id contains no time if it differs from the record by more
UUID_WITH_TIME = 7
TURN_BEGINNINGS = frozenset({"task_started", "turn_started"})


def parent_of(payload: Payload) -> str:
    """Return the id of the parent thread from a `session_meta`; "" if there is no parent."""
    if not isinstance(payload.source, Source):
        return payload.parent_thread_id or ""
    source = payload.source.subagent
    spawn = source.thread_spawn if isinstance(source, Subagent) else None
    parent = payload.parent_thread_id or (spawn.parent_thread_id if spawn else None)
    if parent or source is None or payload.id is None:
        return parent or ""
    root = payload.session_id or ""  # a review has no other reference to its thread
    return root if root != payload.id else ""


def may_replay(state: RolloutState) -> bool:
    """Return whether the next record can be a copy from another thread.

    If so, `is_copy` must be called for each record.
    """
    return not state.is_own and bool(state.own_ordinal or state.family or state.origin)


def is_copy(record: Record, state: RolloutState) -> bool:
    """Return whether a record is a copy from another thread.

    A rollout can begin with such copies. If the record shows that they have ended, this is stored
    in `state`.
    """
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
    return bool(state.family or state.has_dated_turns)


def _end_replay(record: Record, state: RolloutState) -> None:
    """Store in `state` that the copies at the start of the rollout end before a record.

    Later records are copies only if the same copies are written to the rollout again.
    """
    state.is_own = True
    state.own_since = record.timestamp.timestamp() if record.timestamp else 0.0


def _is_late_copy(record: Record, state: RolloutState) -> bool:
    """Return whether a record is a copy that was written to the rollout a second time.

    Call it only after the copies at the start of the rollout have ended.
    """
    if record.ordinal is not None and state.own_ordinal:
        return record.ordinal < state.own_ordinal
    return record.timestamp is not None and record.timestamp.timestamp() < state.own_since


def has_imports(records: list[Record], state: RolloutState) -> bool:
    """Return whether any of several records belongs to an imported conversation.

    If so, `is_imported_record` must be called for each record.
    """
    return state.imports or any(
        record.payload is not None and is_imported(record.payload.turn_id) for record in records
    )


def is_imported_record(record: Record, state: RolloutState) -> bool:
    """Return whether a record belongs to a conversation that was imported from another program.

    Such a conversation is at the start of a rollout. The first turn of Codex ends it, which is
    stored in `state`.
    """
    payload = record.payload
    if payload is not None and payload.type in TURN_BEGINNINGS:
        state.imports = is_imported(payload.turn_id)
    return state.imports


def has_late_copies(records: list[Record], state: RolloutState) -> bool:
    """Return whether any of several records is a copy that was written a second time.

    The records follow the copies at the start of the rollout.
    """
    return state.is_own and any(_is_late_copy(record, state) for record in records)


def is_certain(record: Record, state: RolloutState) -> bool:
    """Return whether a record is certainly a copy from another thread.

    Call it only for a record for which `is_copy` has returned True.
    """
    if state.is_own:
        return False  # the clock may have been set back
    moment, began = record.timestamp, state.began
    is_older = moment is not None and began is not None and moment < began
    return bool(state.own_ordinal or state.has_dated_turns or is_older)


def may_be_repeated(state: RolloutState) -> bool:
    """Return whether the current token count may be a copy from another thread.

    The other thread is the one from which this thread was forked, or the parent of this subagent.
    """
    return bool(state.origin and not state.own_ordinal and not state.is_own)


def _is_own(record: Record, state: RolloutState) -> bool:
    """Return whether a record shows that the copies at the start of the rollout have ended.

    The caller must check first that the record is not older than the thread.
    """
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
    """Return the start of a record's turn in unix seconds; None if the record does not show it.

    `moment` is the time of the record. If the start is recorded in whole seconds, 1 second is
    added. If Codex added the turn when it rewrote the rollout, its start is not known.
    """
    made = None
    if payload.turn_id and state.has_dated_ids:
        made = _uuid_time(payload.turn_id)
        if made is not None and made > moment.timestamp() + ID_SKEW_SECONDS:
            made = None
    is_dated = payload.type in TURN_BEGINNINGS and bytes(payload.started_at).isdigit()
    if made is None and is_dated and recorded(payload.turn_id):
        made = int(bytes(payload.started_at)) + 1.0
    return made


def note_creation(thread_id: str, moment: datetime | None, state: RolloutState) -> None:
    """Set the creation time of a thread in `state`.

    `moment` is the time in the first record of the thread. If the id of the thread contains a time
    near `moment`, the creation time is the time in the id, and the times in ids of turns are used
    too. Otherwise the creation time is `moment`.
    """
    if moment is not None:
        made, recorded = _uuid_time(thread_id), moment.timestamp()
        state.has_dated_ids = made is not None and abs(made - recorded) < ID_SKEW_SECONDS
        state.created = made if made is not None and state.has_dated_ids else recorded


@lru_cache(maxsize=64)
def _uuid_time(name: str) -> float | None:
    """Return the time in a UUID of version 7 in unix seconds; None for any other string."""
    try:
        uuid = UUID(name)
    except ValueError:
        return None
    return (uuid.int >> 80) / 1000 if uuid.version == UUID_WITH_TIME else None
