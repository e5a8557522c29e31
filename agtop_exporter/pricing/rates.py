"""Types and calculations for token prices: rates by token type, tiers by prompt length. No I/O."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import msgspec
from msgspec.structs import astuple

from agtop_exporter.model import PICODOLLARS_PER_USD, AgtopError, Cost, TokenCounts

# The most expensive model ever listed costs 0.0006 USD per token. A higher price is an error.
_MAX_USD_PER_TOKEN = 1
CACHE_TYPES = ("cache_read", "cache_write_5m", "cache_write_1h")


class PriceTableError(AgtopError):
    """A price or a price table is not valid."""


class Rates(msgspec.Struct, frozen=True):
    """Prices in picodollars per token, by token type."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int

    def cost(self, tokens: TokenCounts, *, fees: int = 0) -> Cost:
        """Return the cost of `tokens` and of web searches, whose `fees` are in picodollars."""
        return Cost(
            tokens.input * self.input,
            tokens.cache_read * self.cache_read,
            tokens.cache_write_5m * self.cache_write_5m,
            tokens.cache_write_1h * self.cache_write_1h,
            tokens.output * self.output,
            web_search=fees,
        )

    def times(self, factor: Fraction) -> "Rates":
        """Return the rates multiplied by a factor, rounded half to even."""
        return Rates(*(round(rate * factor) for rate in astuple(self)))


Tiers = tuple[tuple[int, Rates], ...]
"""Rates by prompt length: pairs of (prompt tokens, rates), in ascending order.

The first pair has 0 prompt tokens. All tokens of a request are charged at the rates of one pair:
the last pair whose number of prompt tokens is smaller than that of the request.
"""

Series = Mapping[str, Sequence[tuple[int, int]]]
"""Rates by token type: pairs of (prompt tokens, picodollars per token).

A rate applies to requests with more prompt tokens than the number in its pair, as in `Tiers`. The
rate of a token type that is not a key is unknown.
"""


def rates_at(tiers: Tiers, prompt: float) -> Rates:
    """Return the rates of a request whose prompt has this many tokens."""
    rates = tiers[0][1]
    for above, tier in tiers[1:]:
        if prompt > above:
            rates = tier
    return rates


def times(tiers: Tiers, factor: Fraction) -> Tiers:
    """Return the tiers with all rates multiplied by a factor."""
    return tuple((above, rates.times(factor)) for above, rates in tiers)


def unlisted(series: Series) -> tuple[str, ...]:
    """Return the token types of the cache that have no rate for short prompts in `series`.

    `make_tiers` derives these rates.
    """
    return tuple(name for name in CACHE_TYPES if all(above for above, _ in series.get(name, ())))


def with_cache_rates(tiers: Tiers, names: Sequence[str], *, like: Tiers) -> Tiers:
    """Return `tiers` with new rates of the token types `names`, which are types of the cache.

    A new rate has the same ratio to the input rate as in `like`. A rate that differs from the input
    rate does not change, because the source of `tiers` lists it.
    """
    return tuple(
        (above, _with_cache_rates(own, names, rates_at(like, above + 1))) for above, own in tiers
    )


def _with_cache_rates(own: Rates, names: Sequence[str], like: Rates) -> Rates:
    changed = {
        name: round(Fraction(own.input * getattr(like, name), like.input))
        for name in names
        if like.input and getattr(own, name) == own.input
    }
    return msgspec.structs.replace(own, **changed)


def in_proportion(priced: Tiers, *, to: Tiers, standard: Tiers) -> Tiers:
    """Return the prices of a service tier in proportion to the standard price `standard`.

    `priced` is the price of the service tier when the standard price is `to`. Each rate in the
    result has the same ratio to the rate in `standard` as the rate in `priced` has to the rate in
    `to`. A rate in `priced` does not change if the rate in `to` is 0.
    """
    if to == standard:
        return priced
    starts = sorted({above for tiers in (priced, standard) for above, _ in tiers})
    return tuple(
        (above, _in_proportion(*(rates_at(tiers, above + 1) for tiers in (priced, to, standard))))
        for above in starts
    )


def _in_proportion(priced: Rates, to: Rates, standard: Rates) -> Rates:
    rows = zip(astuple(priced), astuple(to), astuple(standard), strict=True)
    return Rates(*(round(Fraction(own * now, then)) if then else own for own, then, now in rows))


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

    `claude` means that the model is a Claude model. A rate that the source does not list has the
    value that providers bill:

    * cache reads: the input rate;
    * cache writes of Claude models: 1.25 times (5 minutes) and 2 times (1 hour) the input rate
      (https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing);
    * cache writes of other models: the input rate (5 minutes), and the 5-minute rate (1 hour).
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
