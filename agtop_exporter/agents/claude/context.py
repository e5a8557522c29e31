"""Sizes of the context windows of Claude models, from the tables in Claude Code 2.1.332.

A transcript does not record the size of the window. Newer models always have a window of 1,000,000
tokens. Some older models have such a window on request. A transcript shows the larger window of an
older model only when more than 200,000 tokens are in use.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from agtop_exporter.agents.claude.iterations import context_tokens
from agtop_exporter.agents.claude.responses import SessionRead
from agtop_exporter.agents.claude.state import TranscriptState
from agtop_exporter.model import TokenCounts

CONTEXT_TOKENS = 200_000
LONG_CONTEXT_TOKENS = 1_000_000
WIDE_MODELS = 8  # models per transcript in the state
LONG_CONTEXT_MARK = "[1m]"  # suffix of a model name if the large window was requested

# The first version of each family whose window always has 1,000,000 tokens.
LONG_CONTEXT_SINCE = {
    "opus": (4, 7),
    "sonnet": (5, 0),
    "haiku": (5, 0),
    "fable": (0, 0),
    "mythos": (0, 0),
}

_NAME = re.compile(r"claude-([a-z]+)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")


@lru_cache(maxsize=64)
def context_window(model: str) -> int | None:
    """Return the size of a model's context window in tokens; None for models of other vendors."""
    if "claude" not in model:
        return None
    if LONG_CONTEXT_MARK in model:
        return LONG_CONTEXT_TOKENS
    name = _NAME.search(model)
    if name is None or name[1] not in LONG_CONTEXT_SINCE:
        return CONTEXT_TOKENS
    version = int(name[2]), int(name[3] or 0)
    return LONG_CONTEXT_TOKENS if version >= LONG_CONTEXT_SINCE[name[1]] else CONTEXT_TOKENS


def observe_context(
    session: SessionRead, totals: Sequence[TokenCounts], state: TranscriptState
) -> None:
    """Set the size and the use of a session's context window from the responses of this read.

    `totals` are the token counts of `session.responses`, in the same order. `state` stores which
    models have used the larger window. A subagent inside its parent's transcript has a separate
    context, so its responses are ignored.
    """
    update, latest, peak = session.update, session.latest, 0
    for response, total in zip(session.responses, totals, strict=True):
        if not response.main_chain:
            continue
        used = total.total
        if response.usage.iterations:
            used = context_tokens(response.usage, response.model, total)
        peak = max(peak, used)
        if used > CONTEXT_TOKENS and _may_be_wide(response.model, state):
            state.wide_models = [*state.wide_models, response.model][-WIDE_MODELS:]
        if response is latest:
            update.context_used_tokens = used
            update.context_window_tokens = context_window(response.model)
    if latest is not None and update.context_window_tokens and latest.model in state.wide_models:
        update.context_window_tokens = LONG_CONTEXT_TOKENS
    update.context_peak_tokens = peak or None
    if session.compacted_to is not None:
        update.context_used_tokens = session.compacted_to


def _may_be_wide(model: str, state: TranscriptState) -> bool:
    return context_window(model) == CONTEXT_TOKENS and model not in state.wide_models
