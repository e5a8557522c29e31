"""Validates and decodes the fields of a price that the user sets.

| Field | Value |
|---|---|
| `input`, `cache_read`, `cache_write_5m`, `cache_write_1h`, `output` | USD per million tokens |
| `from` | start of the price: a date or a time, UTC by default |
| `until` | end of the price, exclusive: a date or a time, UTC by default |
| `above` | list of `{tokens = 200000, input = ..., ...}`: rates if the prompt has more tokens |
| `tiers` | by service tier or speed: a table of rates, or a factor on the standard rates |
| `web_search` | USD per web search |
| `over_agent_cost` | true: this price replaces a cost that the agent recorded |
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from fractions import Fraction
from typing import NamedTuple

import msgspec

from agtop_exporter.model import TOKEN_TYPES
from agtop_exporter.pricing.rates import PriceTableError, picodollars_per_token

_NOTHING = object()
_MAX_FACTOR = 1000
KEYS = (*TOKEN_TYPES, "from", "until", "above", "tiers", "web_search", "over_agent_cost")
A_DATE = "a date such as 2026-03-01"
A_PRICE = "a price in US dollars per million tokens"


class Fields(msgspec.Struct, frozen=True):
    """One decoded price of the user. Rates are in picodollars per token, times in unix seconds.

    `above` has (prompt tokens, rates) pairs. `tiers` has the rates of service tiers, and `factors`
    the factors on the standard rates, by service tier. `web_search` is in picodollars per search.
    """

    rates: dict[str, int] = {}
    above: tuple[tuple[int, dict[str, int]], ...] = ()
    tiers: dict[str, dict[str, int]] = {}
    factors: dict[str, Fraction] = {}
    web_search: int | None = None
    start: float = float("-inf")
    end: float = float("inf")
    over_agent_cost: bool = False


class Problem(NamedTuple):
    """A mistake in a price of the user.

    `keys` is the path of keys to the field. `value` is the value of the field, if the value is
    wrong. `text` is then a description of the expected value. Otherwise, `text` is the message.
    """

    keys: tuple[str, ...]
    text: str
    value: object = _NOTHING

    def why(self, shown: Callable[[object], str]) -> str:
        """Return the message about the mistake. `shown` converts a value to text."""
        if self.value is _NOTHING:
            return self.text
        return f"expected {self.text}, got {shown(self.value)}"


def problems_of(prices: object) -> Iterator[Problem]:
    """Yield the mistakes in the price of a model, or in a list of prices of a model."""
    if isinstance(prices, Mapping):
        prices = [prices]
    if not isinstance(prices, Sequence) or isinstance(prices, str) or not prices:
        yield Problem((), "a table of token types", prices)
        return
    for price in prices:
        if not isinstance(price, Mapping):
            yield Problem((), "a table of token types", price)
        elif not price:
            yield Problem((), "a price needs at least one rate, such as input or output")
        else:
            for key, value in price.items():
                yield from _problems_of_field(key, value)
            yield from _problems_of_dates(price)


def _problems_of_field(key: str, value: object) -> Iterator[Problem]:
    if key in _EXPECTED:
        is_valid, expected = _EXPECTED[key]
        if not is_valid(value):
            yield Problem((key,), expected, value)
    elif key == "above":
        yield from _problems_of_steps(value)
    elif key == "tiers":
        yield from _problems_of_tiers(value)
    else:
        meant = get_close_matches(key, KEYS, n=1, cutoff=0.7)
        hint = f"; did you mean {meant[0]}?" if meant else f" (known: {', '.join(KEYS)})"
        yield Problem((key,), f"a price has no such field{hint}")


def _problems_of_steps(steps: object) -> Iterator[Problem]:
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        yield Problem(("above",), "a list of tables with tokens and rates", steps)
        return
    for step in steps:
        tokens = step.get("tokens") if isinstance(step, Mapping) else None
        if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens <= 0:
            yield Problem(("above",), "a table with tokens (a whole number) and rates", step)
        else:
            rates = {key: value for key, value in step.items() if key != "tokens"}
            yield from _problems_of_rates(("above",), rates)


def _problems_of_tiers(tiers: object) -> Iterator[Problem]:
    if not isinstance(tiers, Mapping):
        yield Problem(("tiers",), "a table of service tiers", tiers)
        return
    for name, value in tiers.items():
        if isinstance(value, Mapping):
            yield from _problems_of_rates(("tiers", name), value)
        elif _factor(value) is None:
            yield Problem(("tiers", name), "a table of token types or a factor", value)


def _problems_of_rates(keys: tuple[str, ...], rates: Mapping[str, object]) -> Iterator[Problem]:
    if not rates:
        yield Problem(keys, "a price needs at least one rate, such as input or output")
    for name, value in rates.items():
        if name not in TOKEN_TYPES:
            known = ", ".join(TOKEN_TYPES)
            yield Problem((*keys, name), f"no such token type (known: {known})")
        elif _rate(value) is None:
            yield Problem((*keys, name), A_PRICE, value)


def _problems_of_dates(price: Mapping[str, object]) -> Iterator[Problem]:
    start, end = (_time(price[key]) if key in price else None for key in ("from", "until"))
    if start is not None and end is not None and start >= end:
        yield Problem(("until",), "until must be later than from")


def decode(price: Mapping[str, object]) -> Fields:
    """Decode a price in which `problems_of` finds no mistakes."""
    tiers, steps = price.get("tiers", {}), price.get("above", ())
    start, end = _time(price.get("from")), _time(price.get("until"))
    tables = dict(tiers) if isinstance(tiers, Mapping) else {}
    return Fields(
        rates=_rates(price),
        above=tuple((step["tokens"], _rates(step)) for step in _tables(steps)),
        tiers={name: _rates(one) for name, one in tables.items() if isinstance(one, Mapping)},
        factors={name: each for name, one in tables.items() if (each := _factor(one)) is not None},
        web_search=_rate(price.get("web_search"), per_tokens=1),
        start=float("-inf") if start is None else start,
        end=float("inf") if end is None else end,
        over_agent_cost=price.get("over_agent_cost") is True,
    )


def _tables(value: object) -> list[Mapping[str, int]]:
    found = value if isinstance(value, Sequence) else ()
    return [step for step in found if isinstance(step, Mapping)]


def _rates(price: Mapping[str, object]) -> dict[str, int]:
    found = ((name, _rate(price.get(name))) for name in TOKEN_TYPES)
    return {name: rate for name, rate in found if rate is not None}


def _rate(value: object, *, per_tokens: int = 1_000_000) -> int | None:
    """Return a price in picodollars per token; None if the value is no price.

    `value` is a price in USD of `per_tokens` tokens. It is converted by its text, because the float
    0.1 is not exactly 0.1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        return picodollars_per_token(Decimal(str(value)), per_tokens=per_tokens)
    except (InvalidOperation, PriceTableError):
        return None


def _factor(value: object) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return Fraction(str(value)) if 0 < value <= _MAX_FACTOR else None


def _time(value: object) -> float | None:
    """Convert a date, a time, or the ISO 8601 text of a date or time to unix seconds.

    Return None for any other value.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        return None
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None


_EXPECTED: Mapping[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(TOKEN_TYPES, (lambda value: _rate(value) is not None, A_PRICE)),
    "web_search": (
        lambda value: _rate(value, per_tokens=1) is not None,
        "US dollars per web search",
    ),
    "from": (lambda value: _time(value) is not None, A_DATE),
    "until": (lambda value: _time(value) is not None, A_DATE),
    "over_agent_cost": (lambda value: isinstance(value, bool), "true or false"),
}
"""For each field, a function that checks a value, and a description of valid values."""
