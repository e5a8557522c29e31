"""Finds new responses in the token counts of a Codex transcript, and derives their event keys.

A `token_count` record contains the running total of the thread (session) and is often repeated.
Newer versions also write one `token_usage_record` for each response, before its `token_count`. Such
a `token_count` adds no usage.

The two kinds of records can have different running totals: that of the usage records does not
include the responses of older versions, and that of the token counts does not include compactions.
Therefore a token count is also compared with the usage of the latest usage records
(antiburn/antiburn 505, openai/codex 47003).
"""

from operator import gt, lt

from agtop_exporter.agents.codex.records import Payload, TokenInfo, TokenUsage
from agtop_exporter.agents.codex.state import RolloutState
from agtop_exporter.agents.codex.usage import TOTAL, WRITTEN, added, growth, vector
from agtop_exporter.reading.identifiers import is_random

UNPAIRED_RECORDS = 64  # maximum number of usage records whose token count may follow
FIGURES = "%d:%d:%d:%d:%d:%d"  # the token counts of a usage, in the order of its fields


def usage_of_record(payload: Payload, state: RolloutState, time: float) -> TokenUsage | None:
    """Return the usage in a `token_usage_record`.

    Return None if the usage is missing or has been counted before. `time` is the time of the record
    in unix seconds.
    """
    usage = payload.usage
    if usage is None:
        return None
    total = vector(payload.thread_token_usage)
    state.has_records = True
    # The token count of a repeated record is repeated too.
    state.unpaired = [*state.unpaired, _figures(usage)][-UNPAIRED_RECORDS:]
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
    """Return the usage of the new response that a `token_count` shows, and the running total.

    Return None if there is no new response. The running total is () if the record has none. `info`
    is the content of the record, and `time` is its time in unix seconds.
    """
    total, last = vector(info.total_token_usage), info.last_token_usage
    before, state.counted = state.counted, total or state.counted
    if _are_equal(total, before) or _is_paired(last, state) or _are_equal(total, state.total):
        return None
    has_fallen = bool(total) and any(map(lt, total, state.total))
    if has_fallen and state.has_records and not _continues(before, total, last):
        return None  # the responses in this total have been counted from usage records
    is_late = has_fallen and state.seen.is_late(time)
    if _is_known(total, last, state, time):
        return None
    usage = last or growth(info.total_token_usage, state.total)
    if is_late and _is_behind(total, state):
        usage = last  # if it is None, the responses of this total have been counted
    else:
        if has_fallen:
            state.falls += 1
            state.run_began = time if total == vector(last) else state.run_began
        state.total = total
    # A total alone is an estimate of the context, such as that of an imported conversation.
    if usage is None or not any(vector(usage)[:TOTAL]) or state.inherits:
        return None
    return usage, total


def _continues(before: tuple[int, ...], total: tuple[int, ...], last: TokenUsage | None) -> bool:
    """Return whether `total` is a running total `before` and one more response, `last`.

    Both are totals of token counts. An older version of Codex, which writes no usage records, can
    continue a thread. Its total continues that of the latest token count. It is smaller than the
    total of the usage records if they include compactions, or cache writes that the older version
    does not know.
    """
    return bool(before) and last is not None and _are_equal(total, added(before, vector(last)))


def _are_equal(total: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether two running totals are known and equal, except for their cache writes.

    Version 0.130 does not know cache writes. If it continues the thread of a newer version, it
    repeats the latest token count without them.
    """
    return bool(total) and _without_writes(total) == _without_writes(other)


def _is_paired(last: TokenUsage | None, state: RolloutState) -> bool:
    """Return whether a usage record has shown the response of a token count.

    `last` is the usage of the response. If the usage record is found, it is removed from the state.
    """
    figures = _figures(last)
    if figures not in state.unpaired:
        return False
    state.unpaired.remove(figures)
    return True


def _figures(usage: TokenUsage | None) -> tuple[int, ...]:
    """Return the token counts of a usage that both kinds of records have; () if it is None."""
    return _without_writes(vector(usage))


def _without_writes(figures: tuple[int, ...]) -> tuple[int, ...]:
    return figures[:WRITTEN] + figures[WRITTEN + 1 :]


def _is_known(
    total: tuple[int, ...], last: TokenUsage | None, state: RolloutState, time: float
) -> bool:
    """Return whether a token count has been read before. If not, store the token count.

    `total` is its running total. `last` is the usage of the last response. `time` is the time of
    the record in unix seconds.
    """
    mark = hash(total or (time, *vector(last)))
    # If several processes write one rollout, a process can repeat its count after the counts of
    # another process. But the first counts of two processes can be equal without a repetition.
    may_be_of_other = bool(state.falls and total and last)
    if may_be_of_other and state.seen.has(mark, state.run_began) and total != vector(last):
        return True
    return state.seen.repeats(mark, time, total[0] if total else 0)


def _is_behind(total: tuple[int, ...], state: RolloutState) -> bool:
    """Return whether each token count in `total` is at most the same count in `state.total`.

    Both are running totals; `state.total` is the present one. Return False if `total` is empty.
    """
    return bool(total) and not any(map(gt, total, state.total))


def record_keys(payload: Payload, state: RolloutState) -> tuple[str, ...]:
    """Return the event key of a response from its `token_usage_record`, and its other keys.

    The key is the id of the response. If there is no id, or several responses may have this id, the
    key also contains the thread, the turn and the token counts, which copies of the record have in
    common. Earlier versions of this program gave the other key to the response.

    Local servers number their responses (maximhq/bifrost 5319), and a proxy can give one random id
    to all responses of a connection (lidge-jun/opencodex 940).
    """
    response_id, before = payload.response_id or "", state.response_id
    state.response_id = response_id
    repeats = response_id == before
    if is_random(response_id) and not repeats:
        return (f"response:{response_id}",)
    total = vector(payload.thread_token_usage)
    figures = f"{payload.turn_id}:{total or vector(payload.usage)}"
    key = f"response:{response_id}:{payload.thread_id or state.thread_id}:{figures}"
    if repeats and response_id:
        return (key,)
    return (key, f"response:{response_id or f'{payload.turn_id}:{total}'}")


def count_key(usage: TokenUsage, total: tuple[int, ...], owner: str, state: RolloutState) -> str:
    """Return the event key of a response that `usage_of_count` has found.

    `owner` is the id of the response's turn or thread. The key contains `owner` and the token
    counts of `total`, or of `usage` if `total` is empty. If several responses can have the same
    token counts, the key also contains a number.
    """
    figures = FIGURES % (total or vector(usage))
    if not total:
        state.without_total += 1
        figures += f":#{state.without_total}"
    elif state.falls:
        figures += f":#{state.falls}"
    return f"count:{owner}:{figures}"
