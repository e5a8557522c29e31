"""Decodes the prices in one entry of LiteLLM's table.

Prices are in USD per token. A key that contains `_above_<N>k_tokens` has the rate of all tokens of
a request whose prompt is longer than N thousand tokens. A key that ends in `_priority`, `_flex`,
`_ultrafast` or `_batches` has the rate of that service tier. `output_cost_per_reasoning_token`, if
it exceeds the output rate, is the output rate of responses with reasoning tokens
(https://www.alibabacloud.com/help/en/model-studio/model-pricing). Some entries list their rates by
prompt length in `tiered_pricing` instead. `search_context_cost_per_query` has the price of a web
search. `provider_specific_entry` has factors on the rates for the fast mode and for the region
`us`.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from agtop_exporter.model import PICODOLLARS_PER_USD
from agtop_exporter.pricing.card import THINKING
from agtop_exporter.pricing.rates import (
    PriceTableError,
    Tiers,
    make_tiers,
    picodollars_per_token,
    times,
    unlisted,
    with_cache_rates,
)

Entry = dict[str, object]
"""One decoded entry of the table. Its numbers are int or Decimal."""

_KEY = re.compile(
    r"(?P<field>input_cost_per_token|output_cost_per_token|cache_read_input_token_cost"
    r"|output_cost_per_reasoning_token|cache_creation_input_token_cost(?:_above_1hr)?)"
    r"(?:_above_(?P<thousands>\d{1,6})k_tokens)?(?:_(?P<speed>[a-z]+))?"
)
_TOKEN_TYPES = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "output",
}
_REASONING = "output_cost_per_reasoning_token"
_SPEEDS = {"batches": "batch"}
_MODES = {"chat", "completion", "responses", None}
_REGIONS = ("us",)  # keys of `provider_specific_entry`
_SEARCH_SIZE = "search_context_size_medium"  # the default of all providers
_MAX_FACTOR = 100  # a sanity bound
_MAX_RATE = PICODOLLARS_PER_USD // 100
"""The highest credible price of a token, in USD.

The most expensive model ever listed costs 0.0006 USD per token.
"""


def tiers_of(entry: Entry, *, claude: bool) -> dict[str, Tiers]:
    """Return the rates by prompt length (`Tiers`) of each service tier. "" is the standard tier.

    The result is empty if the entry has no standard price. A service tier is left out if the entry
    does not have both its input and its output rate. Its other rates, if they are not listed, have
    the same ratio to the input rate as in the standard tier. `claude` is true if the model is a
    Claude model.
    """
    if entry.get("mode") not in _MODES:
        return {}
    series = _series(entry)
    listed = series.pop("", {})
    standard = make_tiers(listed, claude=claude)
    if standard is None:
        return {}
    thinking = make_tiers({**listed, **series.pop(THINKING, {})}, claude=claude)
    tiers = {"": standard}
    for speed, own in series.items():
        steps = make_tiers(own, claude=claude)
        if steps is not None:
            tiers[speed] = with_cache_rates(steps, unlisted(own), like=standard)
    if thinking is not None and thinking[0][1].output > standard[0][1].output:
        tiers[THINKING] = thinking  # a lower rate is of the reasoning tokens alone
    fast = _factor(entry, "fast")
    if fast is not None:
        tiers["fast"] = times(standard, fast)
    return tiers


def derived_of(entry: Entry) -> tuple[str, ...]:
    """Return the token types of the cache for which the entry has no standard rates."""
    return unlisted(_series(entry).get("", {}))


def web_search_of(entry: Entry) -> int | None:
    """Return the price of a web search in picodollars, or None if it is unknown."""
    listed = entry.get("search_context_cost_per_query")
    usd = listed.get(_SEARCH_SIZE) if isinstance(listed, dict) else None
    return _rate(usd)


def regions_of(entry: Entry) -> dict[str, Fraction]:
    """Return the factors by which the rates of an entry are multiplied, by region."""
    factors = {region: _factor(entry, region) for region in _REGIONS}
    return {region: factor for region, factor in factors.items() if factor is not None}


def _rate(value: object) -> int | None:
    """Return a price in picodollars, or None if the value is no price.

    The result is None for 0 too, because the table has 0 for an unknown price.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    try:
        return picodollars_per_token(Decimal(value), per_tokens=1) or None
    except PriceTableError:
        return None


def _token_rate(value: object) -> int | None:
    """Return the price of a token in picodollars, or None if the value is no credible price."""
    rate = _rate(value)
    return None if rate is None or rate > _MAX_RATE else rate


def _listed_prices(entry: Entry) -> Iterator[tuple[str, int, str, int]]:
    """Yield (token type, prompt tokens, service tier, picodollars per token) of each price.

    The price applies to requests with more than that number of prompt tokens.
    """
    for key, value in entry.items():
        found = _KEY.fullmatch(key)
        rate = _token_rate(value) if found else None
        if found is not None and rate is not None:
            speed = found["speed"] or (THINKING if found["field"] == _REASONING else "")
            above = int(found["thousands"] or 0) * 1000
            yield _TOKEN_TYPES[found["field"]], above, _SPEEDS.get(speed, speed), rate
    tiered = entry.get("tiered_pricing")
    for step in tiered if isinstance(tiered, list) else ():
        limits = step.get("range") if isinstance(step, dict) else None
        if not isinstance(limits, list) or not limits or not isinstance(limits[0], int | Decimal):
            continue
        for key, token_type in _TOKEN_TYPES.items():
            rate = _token_rate(step.get(key))
            if rate is not None:
                speed = THINKING if key == _REASONING else ""
                yield token_type, int(limits[0]), speed, rate


def _series(entry: Entry) -> dict[str, dict[str, list[tuple[int, int]]]]:
    """Return the price series (`rates.Series`) of an entry by service tier."""
    series: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for token_type, above, speed, rate in _listed_prices(entry):
        series.setdefault(speed, {}).setdefault(token_type, []).append((above, rate))
    for steps in series.values():
        for rates in steps.values():
            rates.sort()
    return series


def _factor(entry: Entry, name: str) -> Fraction | None:
    """Return the factor `name` on the standard price, or None if the entry has no valid factor."""
    specific = entry.get("provider_specific_entry")
    factor = specific.get(name) if isinstance(specific, dict) else None
    if isinstance(factor, int | Decimal) and Decimal(factor).is_finite():
        return Fraction(factor) if 1 <= factor <= _MAX_FACTOR else None
    return None
