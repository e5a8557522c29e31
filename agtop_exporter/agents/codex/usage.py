"""Token figures of Codex: running totals, their growth, and disjoint counts."""

from operator import add

from msgspec.structs import astuple

from agtop_exporter.agents.codex.records import TokenUsage, TotalUsage
from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import MAX_COUNT


def vector(usage: TokenUsage | TotalUsage | None) -> tuple[int, ...]:
    """Return the figures of a usage in the order of its fields; () if there is no usage."""
    figures = astuple(usage) if usage is not None else ()
    return tuple(figure or 0 for figure in figures) if None in figures else figures


def added(total: tuple[int, ...], figures: tuple[int, ...]) -> tuple[int, ...]:
    """Return a running total after one more response."""
    return tuple(map(add, total, figures)) if total else figures


def growth(total: TotalUsage | None, before: tuple[int, ...]) -> TokenUsage | None:
    """Return the growth of a running total; the whole total if any figure has decreased."""
    now = vector(total)
    if not now:
        return None
    parts = [new - old for new, old in zip(now, before or (0,) * len(now), strict=True)]
    if min(parts) < 0:
        parts = list(now)
    return TokenUsage(*parts) if max(parts) <= MAX_COUNT else None


def token_counts(usage: TokenUsage) -> TokenCounts:
    """Return disjoint counts; a cache write of unknown lifetime counts as 5 minutes."""
    cached = usage.cached_input_tokens or 0
    written = usage.cache_write_input_tokens or 0
    return TokenCounts(
        input=max(0, (usage.input_tokens or 0) - cached - written),
        cache_read=cached,
        cache_write_5m=written,
        output=usage.output_tokens or 0,
        reasoning=usage.reasoning_output_tokens or 0,
    )
