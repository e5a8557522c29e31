"""Looks up a price in several sources.

Each source supplies the parts of the price that the sources before it lack.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from agtop_exporter.pricing.card import PriceCard, PricePeriod, always
from agtop_exporter.pricing.corrections import SOURCE as CORRECTIONS
from agtop_exporter.pricing.corrections import Corrections
from agtop_exporter.pricing.litellm import MAKERS
from agtop_exporter.pricing.litellm import SOURCE as LITELLM
from agtop_exporter.pricing.names import free_at, has_region, is_local, without_speed
from agtop_exporter.pricing.rates import Rates

_FREE_VARIANTS = {
    "openrouter": "https://openrouter.ai/docs/guides/routing/model-variants/free",
    "kilo": "https://github.com/Kilo-Org/cloud",
    "opencode": "https://opencode.ai/docs/zen/#pricing",
    "opencode-go": "https://opencode.ai/docs/zen/#pricing",
}
"""The public sources of the price of a seller's free variants."""


class Source(Protocol):
    """A function that returns the price of a model at `at` (unix seconds), or None if unknown."""

    def __call__(self, model: str, *, provider: str, at: float) -> PricePeriod | None:
        """Return the price of `model` by `provider`. `provider` is empty if unknown."""


class Sources(NamedTuple):
    """Looks up prices in tables, in order of precedence, and applies corrections.

    `fallback` is called if the tables and corrections have no price.
    """

    tables: tuple[Source, ...]
    corrections: Corrections
    fallback: Source

    def period(self, model: str, *, provider: str, at: float) -> PricePeriod | None:
        """Return the price of a model, or None if no source has it.

        A price of the billing provider has precedence over a price of the model's maker. If the
        name contains a cloud region, a price that is listed under the whole name has precedence.
        Among such prices, the price in the first table has precedence. The other tables add the
        cache reads, service tiers, regions and fees that the chosen price lacks. No table changes
        the price during the period. A local model has no price. The price of a free variant
        is 0.
        """
        if is_local(provider, model):
            return None
        if seller := free_at(provider, model):
            return always(_free(model, seller))
        found = self._of_seller_in_name(model, at) if not provider else None
        found = found or self._corrected(model, provider, at)
        if found is not None and found.card is not None:
            return found
        return (
            self._with_speed(model, provider, at)
            or self.fallback(model, provider=provider, at=at)
            or found
        )

    def listings(self, model: str, provider: str, at: float) -> Iterator[PriceCard]:
        """Yield the price of a model in each table that has the model, before corrections."""
        if is_local(provider, model):
            return
        listed = self._listed(model, provider, at)
        card = listed.card if listed is not None else None
        name = self.corrections.model_at(model, listed=card, at=at)
        for card, _ in self._cards(name, provider, at):
            yield card

    def _of_seller_in_name(self, model: str, at: float) -> PricePeriod | None:
        """Return the price of the seller in a name such as `deepinfra/moonshotai/Kimi-K2.6`.

        The result is None if no table has the seller's price. If the name begins with a maker of
        models, as in `dashscope/deepseek-v4-pro`, LiteLLM's table must have the whole name.
        """
        seller, _, name = model.partition("/")
        if not name or has_region(model):
            return None
        found = self._corrected(name, seller, at)
        if found is None or found.card is None or found.card.match == "maker":
            return None
        is_listed = seller.lower() not in MAKERS or found.card.model == model.lower()
        return found if "/" in name or (found.card.source == LITELLM and is_listed) else None

    def _corrected(self, model: str, provider: str, at: float) -> PricePeriod | None:
        listed = self._listed(model, provider, at)
        card = listed.card if listed is not None else None
        name = self.corrections.model_at(model, listed=card, at=at)
        if name != model:
            listed = self._listed(name, provider, at)
        return self.corrections.apply(listed, (model, name), provider=provider, at=at)

    def _listed(self, model: str, provider: str, at: float) -> PricePeriod | None:
        found = list(self._cards(model, provider, at))
        if not found:
            return None
        regional = has_region(model)
        found.sort(
            key=lambda each: (each[0].match == "maker", regional and each[0].match != "exact")
        )  # stable
        card = found[0][0]
        for other, _ in found[1:]:
            card = card.completed(other)
        start = max(period.start for _, period in found)
        return PricePeriod(start, min(period.end for _, period in found), card)

    def _cards(
        self, model: str, provider: str, at: float
    ) -> Iterator[tuple[PriceCard, PricePeriod]]:
        for table in self.tables:
            period = table(model, provider=provider, at=at)
            if period is not None and period.card is not None:
                yield period.card, period

    def _with_speed(self, model: str, provider: str, at: float) -> PricePeriod | None:
        """Return the price of a model whose name includes the speed, such as `claude-opus-5-fast`.

        The result is None if the name has no speed, or if the price is unknown.
        """
        name, speed = without_speed(model)
        found = self._corrected(name, provider, at) if speed else None
        if found is None or found.card is None:
            return None
        card = found.card.at_speed(speed)
        return None if card is None else found._replace(card=card)


def _free(model: str, seller: str) -> PriceCard:
    return PriceCard(
        source=CORRECTIONS,
        match="exact",
        model=model.lower(),
        tiers=((0, Rates(0, 0, 0, 0, 0)),),
        provider=seller,
        corrections=(_FREE_VARIANTS[seller],),
    )
