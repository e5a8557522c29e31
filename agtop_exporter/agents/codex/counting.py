"""Finds new responses in the token figures of a Codex rollout, and gives them keys.

A `token_count` has the running total of the thread and is often repeated. Newer versions also write
one `token_usage_record` per response; token counts then add nothing.
"""

from operator import gt, lt

from agtop_exporter.agents.codex.records import Payload, TokenInfo, TokenUsage
from agtop_exporter.agents.codex.state import RolloutState
from agtop_exporter.agents.codex.usage import added, growth, vector

FIGURES = "%d:%d:%d:%d:%d:%d"  # index in a usage, in the order of its fields


def usage_of_record(payload: Payload, state: RolloutState, time: float) -> TokenUsage | None:
    """Return the usage of a token_usage_record; None if it has been counted.

    `time` is in unix seconds.
    """
    usage = payload.usage
    if usage is None:
        return None
    total = vector(payload.thread_token_usage)
    state.has_records = True
    if total and total == state.total:
        return None
    is_late = state.seen.is_late(time)
    mark = hash((time, *total, *vector(usage)))
    if state.seen.repeats(mark, time, total[0] if total else 0):
        return None
    if not (is_late and _is_behind(total, state)):
        state.total = total or added(state.total, vector(usage))
    return usage


def usage_of_count(
    info: TokenInfo, state: RolloutState, time: float
) -> tuple[TokenUsage, tuple[int, ...]] | None:
    """Return the usage by which a token_count has grown, and the running total; () if it has none.

    None if it shows no new response. `time` is in unix seconds.
    """
    total, last = vector(info.total_token_usage), info.last_token_usage
    if total and total == state.total:
        return None
    has_fallen = bool(total) and any(map(lt, total, state.total))
    if has_fallen and state.has_records:
        return None  # usage records have counted more than this total
    is_late = has_fallen and state.seen.is_late(time)
    if _is_known(total, last, state, time):
        return None
    usage = last or growth(info.total_token_usage, state.total)
    if is_late and _is_behind(total, state):
        usage = last  # without one, the growth that was counted contains it
    else:
        if has_fallen:
            state.falls += 1
            state.run_began = time if total == vector(last) else state.run_began
        state.total = total
    if usage is None or not any(vector(usage)) or state.inherits:
        return None
    return usage, total


def _is_known(
    total: tuple[int, ...], last: TokenUsage | None, state: RolloutState, time: float
) -> bool:
    """Return whether a token count has been seen; remember it if not."""
    mark = hash(total or (time, *vector(last)))
    # If several processes write one rollout, one repeats its count after those of another. But the
    # first count of a run can have the same figures as that of another run.
    may_be_of_other = bool(state.falls and total and last)
    if may_be_of_other and state.seen.has(mark, state.run_began) and total != vector(last):
        return True
    return state.seen.repeats(mark, time, total[0] if total else 0)


def _is_behind(total: tuple[int, ...], state: RolloutState) -> bool:
    """Return whether a running total contains nothing that the present one does not."""
    return bool(total) and not any(map(gt, total, state.total))


def record_key(payload: Payload) -> str:
    """Return the event key of a response that has its own record."""
    total = vector(payload.thread_token_usage)
    return f"response:{payload.response_id or f'{payload.turn_id}:{total}'}"


def count_key(usage: TokenUsage, total: tuple[int, ...], owner: str, state: RolloutState) -> str:
    """Return the event key of the response that `usage_of_count` returned.

    The key contains the figures, and a number if several responses can have the same figures.
    """
    figures = FIGURES % (total or vector(usage))
    if not total:
        state.without_total += 1
        figures += f":#{state.without_total}"
    elif state.falls:
        figures += f":#{state.falls}"
    return f"count:{owner}:{figures}"
