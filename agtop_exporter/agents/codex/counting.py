"""Which token figures of a Codex rollout are a new response, and what identifies it.

A `token_count` has the thread's running total and is often repeated. Newer versions also write one
`token_usage_record` for each response; the token counts then add nothing.
"""

from operator import gt, lt

from agtop_exporter.agents.codex.records import Payload, TokenInfo, TokenUsage
from agtop_exporter.agents.codex.state import RolloutState
from agtop_exporter.agents.codex.usage import added, growth, vector

FIGURES = "%d:%d:%d:%d:%d:%d"  # of a usage, in the order of its fields


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
    if state.seen.repeats(hash((time, *total, *vector(usage))), time, sum(total)):
        return None
    if not _is_behind(total, state, time):
        state.total = total or added(state.total, vector(usage))
    return usage


def usage_of_count(
    info: TokenInfo, state: RolloutState, time: float
) -> tuple[TokenUsage, tuple[int, ...]] | None:
    """Return the usage by which a token_count has grown, and the running total; () if it has none.

    None if it shows no new response. `time` is in unix seconds.
    """
    total, last = vector(info.total_token_usage), info.last_token_usage
    if _is_repeated(total, vector(last), state, time):
        return None
    usage = last or growth(info.total_token_usage, state.total)
    if _is_behind(total, state, time):
        usage = last  # without one, the growth that was counted contains it
    else:
        _continue_from(total, state)
    if usage is None or not any(vector(usage)) or state.inherits:
        return None
    return usage, total


def _is_repeated(
    total: tuple[int, ...], last: tuple[int, ...], state: RolloutState, time: float
) -> bool:
    """Return whether a token count shows nothing new."""
    if total and total == state.total:
        return True
    has_fallen = bool(total) and any(map(lt, total, state.total))
    if has_fallen and state.has_records:
        return True  # the records are ahead of it
    mark = hash(total + last) if total else hash((time, *last))
    # Several processes that write one rollout repeat their counts; a new run begins with its first.
    is_known = has_fallen and bool(last) and total != last and mark in state.seen.marks
    return is_known or state.seen.repeats(mark, time, sum(total))


def _is_behind(total: tuple[int, ...], state: RolloutState, time: float) -> bool:
    """Return whether a running total is of an earlier record that comes late."""
    return bool(total) and state.seen.is_late(time) and not any(map(gt, total, state.total))


def _continue_from(total: tuple[int, ...], state: RolloutState) -> None:
    """Continue from a running total; note if it has started again."""
    if total and any(map(lt, total, state.total)):
        state.falls += 1
    state.total = total


def record_key(payload: Payload) -> str:
    """Return the event key of a response that has its own record."""
    total = vector(payload.thread_token_usage)
    return f"response:{payload.response_id or f'{payload.turn_id}:{total}'}"


def count_key(usage: TokenUsage, total: tuple[int, ...], owner: str, state: RolloutState) -> str:
    """Return the event key of the response that `usage_of_count` has just found.

    It has the figures, and a number where several responses can have the same figures.
    """
    figures = FIGURES % (total or vector(usage))
    if not total:
        state.without_total += 1
        figures += f":#{state.without_total}"
    elif state.falls:
        figures += f":#{state.falls}"
    return f"count:{owner}:{figures}"
