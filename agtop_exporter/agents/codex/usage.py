"""Calculations with the token counts of Codex, and their conversion to TokenCounts."""

from operator import add

from msgspec.structs import astuple

from agtop_exporter.agents.codex.records import TokenUsage, TotalUsage
from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import MAX_COUNT

WRITTEN = 2  # position of the written cache tokens in a vector
TOTAL = 5  # position of the sum of all tokens in a vector


def vector(usage: TokenUsage | TotalUsage | None) -> tuple[int, ...]:
    """Return the token counts of a usage; () if `usage` is None.

    They are in the order of the fields up to `total_tokens`.
    """
    if usage is None:
        return ()
    figures: tuple[int, ...] = astuple(usage)
    if figures[-1] or None in figures:  # the last one is TraeX's name of the written tokens
        before, written, after = figures[:WRITTEN], figures[WRITTEN], figures[WRITTEN + 1 : -1]
        return tuple(figure or 0 for figure in (*before, written or figures[-1], *after))
    return figures[:-1]


def added(total: tuple[int, ...], figures: tuple[int, ...]) -> tuple[int, ...]:
    """Return a running total after one more response, whose token counts are `figures`."""
    return tuple(map(add, total, figures)) if total else figures


def growth(total: TotalUsage | None, before: tuple[int, ...]) -> TokenUsage | None:
    """Return the growth of a running total since an earlier running total, `before`.

    Return the whole total if any of its token counts is smaller than before. Return None if there
    is no total, or if a token count of the result exceeds MAX_COUNT.
    """
    now = vector(total)
    if not now:
        return None
    parts = [new - old for new, old in zip(now, before or (0,) * len(now), strict=True)]
    if min(parts) < 0:
        parts = list(now)
    return TokenUsage(*parts) if max(parts) <= MAX_COUNT else None


def token_counts(usage: TokenUsage) -> TokenCounts:
    """Convert a usage to token counts that do not overlap.

    Cache writes, whose lifetime is unknown, are counted with a lifetime of 5 minutes.
    """
    cached = usage.cached_input_tokens or 0
    written = usage.cache_write_input_tokens or usage.cache_creation_input_tokens or 0
    return TokenCounts(
        input=max(0, (usage.input_tokens or 0) - cached - written),
        cache_read=cached,
        cache_write_5m=written,
        output=usage.output_tokens or 0,
        reasoning=usage.reasoning_output_tokens or 0,
    )
