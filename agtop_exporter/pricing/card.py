"""The price of one model during one period, and the cost of one response."""

from fractions import Fraction
from typing import NamedTuple

import msgspec

from agtop_exporter.model import Cost, TokenCounts
from agtop_exporter.pricing.rates import Tiers, in_proportion, rates_at, with_cache_rates

STANDARD_TIERS = frozenset({"", "auto", "default", "standard"})
"""Names that agents record for the service tier with the standard price."""

THINKING = "thinking"
"""The name in `PriceCard.speeds` of the price of a response with reasoning tokens."""

LONGEST_TIER = 40  # in a message; a transcript may contain any text

_OPENAI = ("openai", "azure")
_OPENAI_NAMES = {"fast": "priority"}  # two names of one service tier


class PriceCard(msgspec.Struct, frozen=True):
    """The price of one model during one period, and its origin.

    `match` shows how the name of the model was found in the price source:

    * `exact`: the source lists the same name;
    * `alias`: the source lists another name of the model;
    * `date-stripped`, `prefix-stripped`, `suffix-stripped`: the source lists the name without its
      date, prefix or suffix;
    * `maker`: the source has no price of the billing provider, so the price of the model's maker
      applies;
    * `regional`: the source has only a price for a cloud region.
    """

    source: str  # "override", "corrections", "genai-prices" or "litellm"
    match: str
    model: str  # the name in the source
    tiers: Tiers
    speeds: dict[str, Tiers] = {}  # by service tier or speed
    provider: str = ""  # the provider that charges the price; empty if the source does not name it
    web_search: int | None = None  # picodollars per web search; None: unknown
    regions: dict[str, Fraction] = {}  # factors on the rates, by region
    corrections: tuple[str, ...] = ()  # public sources of corrections of the listed price
    derived: tuple[str, ...] = ()  # token types whose rates the source does not list

    def cost(
        self,
        tokens: TokenCounts,
        *,
        speed: str = "",
        region: str = "",
        web_searches: int = 0,
        requests: int = 1,
    ) -> Cost | None:
        """Return the cost of one response at the rates for its prompt length.

        `speed` is the service tier. Without a service tier, a response with reasoning tokens has
        the price of `THINKING` if there is one.

        If `tokens` is the sum of several responses, `requests` is the number of responses, and the
        rates are those for the mean prompt length. If this number is unknown (0), the rates are
        those for a short prompt.

        The result is None if the price of the service tier, of the region or of the web searches is
        unknown. The factor of a region does not apply to the fees of web searches.
        """
        with_reasoning = tokens.reasoning and THINKING in self.speeds and speed in STANDARD_TIERS
        tiers = self.tiers_of(THINKING if with_reasoning else speed)
        if tiers is None:
            return None
        if len(tiers) == 1:
            rates = tiers[0][1]
        else:
            rates = rates_at(tiers, tokens.prompt / requests if requests else 0)
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
        """Return which part of a response has no known price, as text for a message.

        The part is the service tier (`speed`), the region or the web searches. The text is empty if
        all prices are known.
        """
        if self.tiers_of(speed) is None:
            return f"the service tier {speed[:LONGEST_TIER]}"
        if region and region not in self.regions:
            return f"the region {region[:LONGEST_TIER]}"
        return "web searches" if web_searches and self.web_search is None else ""

    def tiers_of(self, speed: str) -> Tiers | None:
        """Return the rates of the service tier `speed` by prompt length, or None if unknown."""
        if speed in STANDARD_TIERS:
            return self.tiers
        alias = _OPENAI_NAMES.get(speed, "") if self.provider in _OPENAI else ""
        return self.speeds.get(speed) or self.speeds.get(alias)

    def completed(self, other: "PriceCard") -> "PriceCard":
        """Return this card, completed with prices that only `other` has.

        `other` is a card of the same model from another source. If only one of the two cards has
        the price of the billing provider, only the fee for web searches is taken from `other`.

        Other prices from `other` are scaled to this card. The prices of a service tier keep their
        ratio to the standard price. The rate of cache reads keeps its ratio to the input rate.
        """
        card = self
        if self.web_search is None and other.web_search is not None:
            card = msgspec.structs.replace(self, web_search=other.web_search)
        if (self.match == "maker") != (other.match == "maker"):
            return card
        if "cache_read" in card.derived and "cache_read" not in other.derived:
            card = with_cache_reads(card, like=other.tiers)
        lacking = {
            speed: in_proportion(tiers, to=other.tiers, standard=card.tiers)
            for speed, tiers in other.speeds.items()
            if speed not in card.speeds
        }
        regions = {**other.regions, **card.regions}
        if not lacking and regions == card.regions:
            return card
        return msgspec.structs.replace(card, speeds={**card.speeds, **lacking}, regions=regions)

    def at_speed(self, speed: str) -> "PriceCard | None":
        """Return a card whose standard price is the price of `speed`; None if that is unknown.

        Such a card applies to a model whose name includes the speed, as in `claude-opus-5-fast`.
        """
        tiers = self.tiers_of(speed)
        if tiers is None:
            return None
        return msgspec.structs.replace(self, tiers=tiers, speeds={}, match="suffix-stripped")


def with_cache_reads(card: PriceCard, *, like: Tiers) -> PriceCard:
    """Return a card whose cache reads have the same ratio to the input rate as in `like`."""
    name = "cache_read"
    return msgspec.structs.replace(
        card,
        tiers=with_cache_rates(card.tiers, [name], like=like),
        speeds={
            speed: with_cache_rates(tiers, [name], like=like)
            for speed, tiers in card.speeds.items()
        },
        derived=tuple(each for each in card.derived if each != name),
    )


class PricePeriod(NamedTuple):
    """A price and the period in which it applies: `start` <= time < `end`, in unix seconds.

    `card` is None if the price is unknown during that period.
    """

    start: float
    end: float
    card: PriceCard | None


def always(card: PriceCard | None) -> PricePeriod:
    """Return the period of a price that does not depend on time."""
    return PricePeriod(float("-inf"), float("inf"), card)
