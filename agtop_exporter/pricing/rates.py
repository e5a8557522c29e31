"""Token prices: rates by token type, whole-request tiers, and the cost of one request. No I/O."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

import msgspec

from agtop_exporter.model import PICODOLLARS_PER_USD, AgtopError, Cost, TokenCounts

# The most expensive model ever listed costs 0.0006 USD per token. A higher price is an error.
_MAX_USD_PER_TOKEN = 1


class PriceTableError(AgtopError):
    """A price or a price table is not valid."""


class Rates(msgspec.Struct, frozen=True):
    """Prices in picodollars per token, by token type."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int

    def cost(self, tokens: TokenCounts) -> Cost:
        """Return the cost of these tokens."""
        return Cost(
            tokens.input * self.input,
            tokens.cache_read * self.cache_read,
            tokens.cache_write_5m * self.cache_write_5m,
            tokens.cache_write_1h * self.cache_write_1h,
            tokens.output * self.output,
        )


Tiers = tuple[tuple[int, Rates], ...]
"""Pairs of (prompt tokens, rates), ascending; the first has 0 prompt tokens.

A request is charged at the rates of the last pair whose number its prompt tokens exceed.
"""

Series = Mapping[str, Sequence[tuple[int, int]]]
"""By token type: (prompt tokens, picodollars per token) as in `Tiers`; a missing one is unknown."""


class PriceCard(msgspec.Struct, frozen=True):
    """The price of one model during one period, and its origin.

    `match` is how the name of the model was found in the source:

    * `exact`: under the same name;
    * `alias`: under a name that the source lists as another name of the model;
    * `date-stripped`, `prefix-stripped`, `suffix-stripped`: under the name without that part;
    * `maker`: the billing provider has no price for it, so the price of the model's maker applies;
    * `regional`: only a price for a cloud region exists.
    """

    source: str  # "override", "genai-prices" or "litellm"
    match: str
    model: str  # the name in the source
    tiers: Tiers
    speeds: dict[str, Tiers] = {}  # by service tier, if its price differs
    provider: str = ""  # whose price it is; empty if the source does not name it

    def cost(self, tokens: TokenCounts, *, speed: str = "") -> Cost:
        """Return the cost of one request, charged at the rates of the tier of its prompt length.

        The standard rates apply to a `speed` (service tier) for which the source has no price.
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


class PricePeriod(NamedTuple):
    """A price and when it applies: `start` <= time < `end`, in unix seconds.

    `card` is None if the price is unknown during that period.
    """

    start: float
    end: float
    card: PriceCard | None


def always(card: PriceCard | None) -> PricePeriod:
    """Return the period of a price that does not depend on time."""
    return PricePeriod(float("-inf"), float("inf"), card)


def picodollars_per_token(usd: Decimal, *, per_tokens: int) -> int:
    """Convert `usd` per `per_tokens` tokens to picodollars per token, rounded half to even.

    Raises:
        PriceTableError: The price is negative, not finite, above 1 USD per token, or positive but
            rounded to zero.

    """
    if not usd.is_finite() or not 0 <= usd <= _MAX_USD_PER_TOKEN * per_tokens:
        raise PriceTableError(f"not a price: {usd} USD per {per_tokens} tokens")
    exact = usd * PICODOLLARS_PER_USD / per_tokens
    rounded = int(exact.to_integral_value(ROUND_HALF_EVEN))
    if usd and not rounded:
        raise PriceTableError(f"too small for a price: {usd} USD per {per_tokens} tokens")
    return rounded


def make_tiers(series: Series, *, claude: bool) -> Tiers | None:
    """Return the tiers of one model, or None if an input or output rate is missing.

    A rate that the source does not list has the value that the providers bill:

    * cache reads: the input rate;
    * cache writes of Claude models: 1.25 times (5 minutes) and 2 times (1 hour) the input rate
      (https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing);
    * cache writes of other models: the input rate for 5 minutes, and the same for 1 hour.
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
