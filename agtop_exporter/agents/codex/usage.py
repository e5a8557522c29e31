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
    reasoning = usage.reasoning_output_tokens or 0
    prompt, output = _whole(usage, cached + written, reasoning)
    return TokenCounts(
        input=max(0, prompt - cached - written),
        cache_read=cached,
        cache_write_5m=written,
        output=output,
        reasoning=min(reasoning, output),
    )


def _whole(usage: TokenUsage, cached: int, reasoning: int) -> tuple[int, int]:
    """Return the number of tokens of the whole prompt and of the whole output of a response.

    `cached` are its read and written cache tokens. OpenAI counts them as input, and `reasoning` as
    output. Some other providers do not, which the sum of all tokens shows (GitHub repository and
    number: router-for-me/CLIProxyAPI 1643 and 5746, UKGovernmentBEIS/inspect_ai 5528).
    """
    prompt, output = usage.input_tokens or 0, usage.output_tokens or 0
    missing = (usage.total_tokens or 0) - prompt - output
    for more_prompt, more_output in ((0, reasoning), (cached, 0), (cached, reasoning)):
        if missing == more_prompt + more_output:
            prompt, output = prompt + more_prompt, output + more_output
            break
    return prompt, output
