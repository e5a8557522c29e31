"""Finds new responses in the token figures of a Codex rollout, and gives them keys.

A `token_count` has the running total of the thread and is often repeated. Newer versions also write
one `token_usage_record` per response; token counts then add nothing.
"""

from operator import lt

from agtop_exporter.agents.codex.records import Payload, TokenInfo, TokenUsage
from agtop_exporter.agents.codex.state import RolloutState
from agtop_exporter.agents.codex.usage import added, growth, vector

FIGURES = "%d:%d:%d:%d:%d:%d"  # index in a usage, in the order of its fields


def usage_of_record(payload: Payload, state: RolloutState) -> TokenUsage | None:
    """Return the usage of a token_usage_record; None if a token_count has already counted it."""
    usage = payload.usage
    if usage is None:
        return None
    total = vector(payload.thread_token_usage)
    state.has_records = True
    if total and total == state.total:
        return None
    state.total = total or added(state.total, vector(usage))
    return usage


def usage_of_count(info: TokenInfo, state: RolloutState) -> TokenUsage | None:
    """Return the growth since the last token_count; None if there is no new response."""
    total = vector(info.total_token_usage)
    if _is_repeated(total, state):
        return None
    usage = info.last_token_usage or growth(info.total_token_usage, state.total)
    state.total = total
    if usage is None or not any(vector(usage)) or state.inherits:
        return None
    return usage


def _is_repeated(total: tuple[int, ...], state: RolloutState) -> bool:
    """Return whether a running total is not new; count in `state` if it has started again."""
    if not total or total == state.total:
        return bool(total)
    if any(map(lt, total, state.total)):
        if state.has_records:
            return True  # usage records have counted more than this total
        state.falls += 1
    return False


def record_key(payload: Payload) -> str:
    """Return the event key of a response that has its own record."""
    total = vector(payload.thread_token_usage)
    return f"response:{payload.response_id or f'{payload.turn_id}:{total}'}"


def count_key(usage: TokenUsage, owner: str, state: RolloutState) -> str:
    """Return the event key of the response that `usage_of_count` returned.

    The key contains the figures, and a number if several responses can have the same figures.
    """
    figures = FIGURES % (state.total or vector(usage))
    if not state.total:
        state.without_total += 1
        figures += f":#{state.without_total}"
    elif state.falls:
        figures += f":#{state.falls}"
    return f"count:{owner}:{figures}"
