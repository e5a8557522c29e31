"""The price of one model during one period, and the cost of one response."""

from fractions import Fraction
from typing import NamedTuple

import msgspec

from agtop_exporter.model import Cost, TokenCounts
from agtop_exporter.pricing.rates import Tiers, in_proportion, rates_at

STANDARD_TIERS = frozenset({"", "auto", "default", "standard"})
"""Names of the service tier with the standard price."""

LONGEST_TIER = 40  # in a message; a transcript may contain any text

_OPENAI = ("openai", "azure")
_OPENAI_NAMES = {"fast": "priority"}  # two names of one service tier


class PriceCard(msgspec.Struct, frozen=True):
    """The price of one model during one period, and its origin.

    `match` is how the name of the model was found in the source:

    * `exact`: under the same name;
    * `alias`: under a name that the source lists as another name of the model;
    * `date-stripped`, `prefix-stripped`, `suffix-stripped`: under the name without that part;
    * `maker`: the billing provider has no price for it, so the price of the model's maker applies;
    * `regional`: only a price for a cloud region exists.
    """

    source: str  # "override", "corrections", "genai-prices" or "litellm"
    match: str
    model: str  # the name in the source
    tiers: Tiers
    speeds: dict[str, Tiers] = {}  # by service tier or speed
    provider: str = ""  # whose price it is; empty if the source does not name it
    web_search: int | None = None  # picodollars per web search; None: unknown
    regions: dict[str, Fraction] = {}  # factors on the rates, by region
    corrections: tuple[str, ...] = ()  # public sources of corrections of the listed price
    derived: tuple[str, ...] = ()  # token types whose rates the source does not list

    def cost(
        self, tokens: TokenCounts, *, speed: str = "", region: str = "", web_searches: int = 0
    ) -> Cost | None:
        """Return the cost of one response, charged at the rates of the tier of its prompt length.

        None if the price of its service tier (`speed`), of its region or of its searches is
        unknown. The factor of a region does not apply to fees.
        """
        tiers = self.tiers_of(speed)
        if tiers is None:
            return None
        rates = tiers[0][1] if len(tiers) == 1 else rates_at(tiers, tokens.prompt)
        if region:
            if region not in self.regions:
                return None
            rates = rates.times(self.regions[region])
        if not web_searches:
            return rates.cost(tokens)
        if self.web_search is None:
            return None
        return rates.cost(tokens, fees=web_searches * self.web_search)

    def unknown(self, *, speed: str, region: str, web_searches: int) -> str:
        """Return what of a response has no known price, for people; empty if all has one."""
        if self.tiers_of(speed) is None:
            return f"the service tier {speed[:LONGEST_TIER]}"
        if region and region not in self.regions:
            return f"the region {region[:LONGEST_TIER]}"
        return "web searches" if web_searches and self.web_search is None else ""

    def tiers_of(self, speed: str) -> Tiers | None:
        """Return the tiers of a service tier, or None if its price is unknown."""
        if speed in STANDARD_TIERS:
            return self.tiers
        alias = _OPENAI_NAMES.get(speed, "") if self.provider in _OPENAI else ""
        return self.speeds.get(speed) or self.speeds.get(alias)

    def completed(self, other: "PriceCard") -> "PriceCard":
        """Return the card with what only another card of the same model has.

        The prices of service tiers keep their ratio to the standard price of the other card.
        """
        lacking = {
            speed: in_proportion(tiers, to=other.tiers, standard=self.tiers)
            for speed, tiers in other.speeds.items()
            if speed not in self.speeds
        }
        web_search = other.web_search if self.web_search is None else self.web_search
        regions = {**other.regions, **self.regions}
        if not lacking and (web_search, regions) == (self.web_search, self.regions):
            return self
        return msgspec.structs.replace(
            self, speeds={**self.speeds, **lacking}, web_search=web_search, regions=regions
        )

    def at_speed(self, speed: str) -> "PriceCard | None":
        """Return the card of a model whose name includes the speed; None if it is unknown."""
        tiers = self.tiers_of(speed)
        if tiers is None:
            return None
        return msgspec.structs.replace(self, tiers=tiers, speeds={}, match="suffix-stripped")


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
