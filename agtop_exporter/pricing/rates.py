"""What a token costs: rates, whole-request tiers, and the cost of one request. No I/O."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

import msgspec

from agtop_exporter.model import PICODOLLARS_PER_USD, AgtopError, Cost, TokenCounts

# The dearest model ever listed costs 0.0006 USD a token; beyond this a table is broken.
_MAX_USD_PER_TOKEN = 1


class PriceTableError(AgtopError):
    """A price, or a whole table, that cannot be meant as one."""


class Rates(msgspec.Struct, frozen=True, gc=False):
    """Picodollars per token, by token type."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int

    def cost(self, tokens: TokenCounts) -> Cost:
        """Return what these tokens cost."""
        return Cost(
            tokens.input * self.input,
            tokens.cache_read * self.cache_read,
            tokens.cache_write_5m * self.cache_write_5m,
            tokens.cache_write_1h * self.cache_write_1h,
            tokens.output * self.output,
        )


Tiers = tuple[tuple[int, Rates], ...]
"""(more prompt tokens than this, rates of the whole request), ascending, the first above 0."""

Series = Mapping[str, Sequence[tuple[int, int]]]
"""By token type: (prompt tokens above, picodollars per token), ascending; missing is unknown."""


class PriceCard(msgspec.Struct, frozen=True):
    """The price of one model during one stretch of time, and where it comes from.

    `match` says how the model's name led to it: `exact`; `alias` (a name that the source itself
    lists); `date-stripped`, `prefix-stripped`, `suffix-stripped` (found under the shorter name);
    `maker` (the billing provider has no price of its own, the model's maker has); `regional` (a
    cloud region's price, for lack of a general one).
    """

    source: str  # "override", "genai-prices" or "litellm"
    match: str
    model: str  # its name in the source
    tiers: Tiers
    speeds: dict[str, Tiers] = {}  # where the source says that a service tier costs otherwise
    provider: str = ""  # whose price it is, where the source says it

    def cost(self, tokens: TokenCounts, *, speed: str = "") -> Cost:
        """Return what one request costs, all of it at the rates of the tier its prompt reached.

        A `speed` that the source has no price for costs the standard rates.
        """
        tiers = self._tiers(speed)
        rates = tiers[0][1]
        if len(tiers) > 1:
            prompt = tokens.prompt
            for above, tier in tiers:
                if prompt > above:
                    rates = tier
        return rates.cost(tokens)

    def _tiers(self, speed: str) -> Tiers:
        return self.speeds.get(speed, self.tiers) if speed else self.tiers


class Window(NamedTuple):
    """A card and the time in which it is the answer: `start` <= time < `end`, unix seconds."""

    start: float
    end: float
    card: PriceCard | None


def always(card: PriceCard | None) -> Window:
    """Return the window of an answer that no date changes."""
    return Window(float("-inf"), float("inf"), card)


def picodollars_per_token(usd: Decimal, *, per_tokens: int) -> int:
    """Return `usd` for `per_tokens` tokens as picodollars for one, rounded half to even.

    Raises PriceTableError for what is no price: negative, not finite, absurdly high, or so small
    that rounding would make it free.
    """
    if not usd.is_finite() or not 0 <= usd <= _MAX_USD_PER_TOKEN * per_tokens:
        raise PriceTableError(f"not a price: {usd} USD per {per_tokens} tokens")
    exact = usd * PICODOLLARS_PER_USD / per_tokens
    rounded = int(exact.to_integral_value(ROUND_HALF_EVEN))
    if usd and not rounded:
        raise PriceTableError(f"too small for a price: {usd} USD per {per_tokens} tokens")
    return rounded


def make_tiers(series: Series, *, claude: bool) -> Tiers | None:
    """Return the tiers that the series of one model make, None without input and output rates.

    What a source leaves out costs, as the providers bill it: cached input the input rate; cache
    writes of a Claude model 1.25 times (5 minutes) and twice (1 hour) the input rate
    (https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing); those of other
    models the input rate, one hour like five minutes.
    """
    starts = sorted({0}.union(*({above for above, _ in steps} for steps in series.values())))
    tiers = tuple((above, _rates(series, above=above, claude=claude)) for above in starts)
    known = tuple((above, rates) for above, rates in tiers if rates is not None)
    return known if len(known) == len(tiers) else None


def _rates(series: Series, *, above: int, claude: bool) -> Rates | None:
    rate = {
        token_type: step[1]
        for token_type, steps in series.items()
        for step in steps
        if step[0] <= above
    }
    if "input" not in rate or "output" not in rate:
        return None
    tokens = rate["input"]
    write_5m = rate.get("cache_write_5m", tokens * 5 // 4 if claude else tokens)
    return Rates(
        input=tokens,
        cache_read=rate.get("cache_read", tokens),
        cache_write_5m=write_5m,
        cache_write_1h=rate.get("cache_write_1h", tokens * 2 if claude else write_5m),
        output=rate["output"],
    )
