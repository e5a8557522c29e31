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

        The first table with the model has precedence. The others add the service tiers, regions and
        fees that it lacks. The period is the one during which none of them changes.
        """
        return (
            self._corrected(model, provider, at)
            or self._with_speed(model, provider, at)
            or self.fallback(model, provider=provider, at=at)
        )

    def listings(self, model: str, provider: str, at: float) -> Iterator[PriceCard]:
        """Yield what each table lists for a model, without corrections."""
        for period in self._periods(self.corrections.model_at(model, at=at), provider, at):
            if period.card is not None:
                yield period.card

    def _corrected(self, model: str, provider: str, at: float) -> PricePeriod | None:
        name = self.corrections.model_at(model, at=at)
        listed = self._listed(name, provider, at)
        return self.corrections.apply(listed, (model, name), provider=provider, at=at)

    def _listed(self, model: str, provider: str, at: float) -> PricePeriod | None:
        found = self._periods(model, provider, at)
        first = next(found, None)
        if first is None:
            return None
        start, end, card = first
        for other in found:
            if card is not None and other.card is not None:
                card = card.completed(other.card)
                start, end = max(start, other.start), min(end, other.end)
        return PricePeriod(start, end, card)

    def _periods(self, model: str, provider: str, at: float) -> Iterator[PricePeriod]:
        for table in self.tables:
            period = table(model, provider=provider, at=at)
            if period is not None and period.card is not None:
                yield period

    def _with_speed(self, model: str, provider: str, at: float) -> PricePeriod | None:
        """Return the price of a model whose name has its speed, such as `claude-opus-5-fast`."""
        name, speed = without_speed(model)
        found = self._corrected(name, provider, at) if speed else None
        if found is None or found.card is None:
            return None
        card = found.card.at_speed(speed)
        return None if card is None else found._replace(card=card)
