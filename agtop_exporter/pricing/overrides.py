"""Applies the prices that the user sets. Each field has precedence over the price tables.

Example: `{"claude-*": {"input": 4}, "azure/gpt-5": [{"until": "2026-03-01", "input": 3}, ...]}`.
The name of a model may start with the provider, and may contain the wildcards `*` and `?`.
`override_fields` describes the fields. Rates that the user does not set are computed from the
tables. A cache rate keeps its ratio to the input rate. The rates of long prompts and of service
tiers keep their ratio to the standard rates.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec
from msgspec.structs import asdict

from agtop_exporter.pricing.card import PriceCard, PricePeriod
from agtop_exporter.pricing.names import candidates
from agtop_exporter.pricing.override_fields import Fields, decode, problems_of
from agtop_exporter.pricing.rates import PriceTableError, Rates, Tiers, in_proportion, times

SOURCE = "override"

Override = Rates | Mapping[str, object] | Sequence[Mapping[str, object]]
"""The user's price of a model: `Rates`, a table of fields, or a list of tables with dates."""

_WILDCARDS = "*?["
_CACHE_RATIOS = {"cache_read": (1, 10), "cache_write_5m": (5, 4), "cache_write_1h": (2, 1)}
"""Ratios of Claude's cache rates to the input rate, as numerator and denominator.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing.
"""


class Overrides:
    """The validated prices of the user, by model name.

    A price that lacks a rate is not applied if no price table has that rate. `incomplete` has the
    names of such prices.
    """

    def __init__(self, prices: Mapping[str, Override]) -> None:
        """Validate and decode `prices`. Raises PriceTableError, which names the model."""
        self._prices = {model.lower(): _decoded(model, price) for model, price in prices.items()}
        patterns = [name for name in self._prices if any(sign in name for sign in _WILDCARDS)]
        self._patterns = sorted(patterns, key=lambda name: (-len(name.strip("*?")), name))
        self.incomplete: set[str] = set()

    def __repr__(self) -> str:
        return f"Overrides({sorted(self._prices.items())})"

    def __len__(self) -> int:
        return len(self._prices)

    def apply(
        self, listed: PricePeriod | None, model: str, *, provider: str, at: float
    ) -> PricePeriod | None:
        """Return the price of a model at `at` (unix seconds), after the user's prices are applied.

        `listed` is the price in the tables, or None if no table has the model. The result is None
        if no table and no override has a price of the model.
        """
        start, end = listed[:2] if listed is not None else (float("-inf"), float("inf"))
        base = listed.card if listed is not None else None
        for name, kind in self._matches(model, provider):
            edges = [edge for one in self._prices[name] for edge in (one.start, one.end)]
            start = max([start, *(edge for edge in edges if edge <= at)])
            end = min([end, *(edge for edge in edges if edge > at)])
            active = [one for one in self._prices[name] if one.start <= at < one.end]
            if not active:
                continue
            card = _overridden(base, max(active, key=lambda one: one.start), name, kind, model)
            if card is None:
                self.incomplete.add(name)
                continue
            return PricePeriod(start, end, card)
        return None if listed is None else PricePeriod(start, end, base)

    def ignores_agent_cost(self, model: str, *, provider: str, at: float) -> bool:
        """Return whether the user's price is billed instead of a cost that the agent recorded."""
        for name, _ in self._matches(model, provider):
            for one in self._prices[name]:
                if one.start <= at < one.end:
                    return one.over_agent_cost
        return False

    @property
    def can_ignore_agent_cost(self) -> bool:
        """Whether the user's price of any model is billed instead of a recorded cost."""
        return any(one.over_agent_cost for prices in self._prices.values() for one in prices)

    def _matches(self, model: str, provider: str) -> Iterator[tuple[str, str]]:
        """Yield (name, match kind) of the names in the settings that match a model.

        The most exact name comes first. `PriceCard` explains the match kinds. A name with wildcards
        has the match kind `wildcard`.
        """
        if not self._prices:
            return
        names = candidates(model)
        for name, kind in names:
            for written in (f"{provider.lower()}/{name}", name):
                if written in self._prices:
                    yield written, kind
        for pattern in self._patterns:
            for name, _ in names:
                if fnmatchcase(name, pattern) or fnmatchcase(f"{provider.lower()}/{name}", pattern):
                    yield pattern, "wildcard"
                    break


def _decoded(model: str, price: Override) -> tuple[Fields, ...]:
    if isinstance(price, Rates):
        return (Fields(rates=asdict(price)),)
    listed = [price] if isinstance(price, Mapping) else price
    for problem in problems_of(listed):
        place = ".".join((model, *problem.keys))
        raise PriceTableError(f"price of {place}: {problem.why(repr)}")
    return tuple(map(decode, listed))


def _overridden(
    base: PriceCard | None, price: Fields, name: str, kind: str, model: str
) -> PriceCard | None:
    """Return the listed card `base` with the user's price applied.

    The result is None if neither `base` nor the user's price has a rate that is needed.
    """
    tiers = _standard(base, price, claude="claude" in model.lower())
    if tiers is None:
        return None
    first = tiers[0][1]
    if price.above:
        steps = ((above, _replaced(given, first, first)) for above, given in price.above)
        tiers = (tiers[0], *sorted(steps, key=lambda step: step[0]))
    speeds = dict(base.speeds) if base is not None else {}
    if base is not None:
        speeds = {
            speed: in_proportion(own, to=base.tiers, standard=tiers)
            for speed, own in speeds.items()
        }
    for speed, factor in price.factors.items():
        speeds[speed] = times(tiers, factor)
    for speed, given in price.tiers.items():
        speeds[speed] = tuple((above, _replaced(given, first, each)) for above, each in tiers)
    derived = tuple(_CACHE_RATIOS) if base is None or "input" in price.rates else base.derived
    derived = tuple(rate for rate in derived if rate not in price.rates)
    empty = PriceCard(source=SOURCE, match=kind, model=name, tiers=tiers)
    return msgspec.structs.replace(
        base or empty,
        source=SOURCE,
        match=kind,
        model=name,
        tiers=tiers,
        speeds=speeds,
        web_search=(base and base.web_search) if price.web_search is None else price.web_search,
        derived=derived,
    )


def _standard(base: PriceCard | None, price: Fields, *, claude: bool) -> Tiers | None:
    given = price.rates
    if base is not None:
        first = base.tiers[0][1]
        return tuple((above, _replaced(given, first, each)) for above, each in base.tiers)
    if not {"input", "output"} <= given.keys():
        return None
    rates = dict.fromkeys(_CACHE_RATIOS, given["input"])
    if claude:
        rates = {name: given["input"] * n // d for name, (n, d) in _CACHE_RATIOS.items()}
    elif "cache_write_5m" in given:
        rates["cache_write_1h"] = given["cache_write_5m"]
    return ((0, Rates(**{**rates, **given})),)


def _replaced(given: Mapping[str, int], first: Rates, tier: Rates) -> Rates:
    """Return the rates of `tier` after the rates in `given` replace those of `first`.

    `first` has the rates of short prompts. A rate of `tier` that is also in `given` keeps its ratio
    to the same rate of `first`. A cache rate that is not in `given` keeps its ratio to the input
    rate.
    """
    before, now = asdict(first), asdict(tier)
    values = {}
    for name, rate in now.items():
        if name in given:
            values[name] = _ratio(given[name], rate, before[name])
        elif name in _CACHE_RATIOS and "input" in given:
            values[name] = _ratio(given["input"], rate, before["input"])
        else:
            values[name] = rate
    return Rates(**values)


def _ratio(given: int, rate: int, reference: int) -> int:
    return round(given * rate / reference) if reference and rate != reference else given
