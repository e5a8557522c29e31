"""Which records of a Codex rollout are copies from the thread that it was forked from."""

from datetime import datetime, timedelta

from agtop_exporter.agents.codex.records import Payload, Record, Source, Subagent
from agtop_exporter.agents.codex.state import RolloutState

REPLAY = timedelta(seconds=1)  # older forks copy their parent's records within this time


def parent_of(payload: Payload) -> str:
    """Return the id of the thread that spawned a subagent; "" if none did."""
    source = payload.source.subagent if isinstance(payload.source, Source) else None
    spawn = source.thread_spawn if isinstance(source, Subagent) else None
    return payload.parent_thread_id or (spawn.parent_thread_id if spawn else None) or ""


def is_copy(record: Record, state: RolloutState) -> bool:
    """Return whether a record is a copy: by its ordinal, otherwise by its time."""
    if record.ordinal is not None and state.own_ordinal:
        return record.ordinal < state.own_ordinal
    moment, began = record.timestamp, state.began
    if began is None:
        return False
    if state.origin and moment is not None and moment < began:
        return True
    return bool(state.family) and (moment is None or moment < began + REPLAY)


def may_be_repeated(moment: datetime | None, state: RolloutState) -> bool:
    """Return whether a token count may repeat one of the thread that this one began from."""
    return bool(
        state.origin
        and not state.own_ordinal
        and state.began
        and (moment is None or moment < state.began + REPLAY)
    )
