"""Lookup of one price in several sources: each completes what the sources before it lack."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from agtop_exporter.pricing.card import PriceCard, PricePeriod
from agtop_exporter.pricing.corrections import Corrections
from agtop_exporter.pricing.names import without_speed


class Source(Protocol):
    """A function that returns the price of a model at a time (unix seconds), None if unknown."""

    def __call__(self, model: str, *, provider: str, at: float) -> PricePeriod | None:
        """Return the price of `model` by `provider`, which is empty if it is unknown."""


class Sources(NamedTuple):
    """Price tables in order of precedence, the corrections of them, and a last resort."""

    tables: tuple[Source, ...]
    corrections: Corrections
    fallback: Source

    def period(self, model: str, *, provider: str, at: float) -> PricePeriod | None:
        """Return the price of a model, or None if no source knows it.

        The first table with the model has precedence, but the price of the provider itself has
        precedence over that of the model's maker. The other tables add the service tiers, regions
        and fees that it lacks. The period is the one during which none of them changes.
        """
        found = self._corrected(model, provider, at)
        if found is not None and found.card is not None:
            return found
        return (
            self._with_speed(model, provider, at)
            or self.fallback(model, provider=provider, at=at)
            or found
        )

    def listings(self, model: str, provider: str, at: float) -> Iterator[PriceCard]:
        """Yield what each table lists for a model, without corrections."""
        listed = self._listed(model, provider, at)
        card = listed.card if listed is not None else None
        name = self.corrections.model_at(model, listed=card, at=at)
        for card, _ in self._cards(name, provider, at):
            yield card

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
        found.sort(key=lambda each: each[0].match == "maker")  # stable
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
        """Return the price of a model whose name has its speed, such as `claude-opus-5-fast`."""
        name, speed = without_speed(model)
        found = self._corrected(name, provider, at) if speed else None
        if found is None or found.card is None:
            return None
        card = found.card.at_speed(speed)
        return None if card is None else found._replace(card=card)
