"""Corrections of the price tables: dated, each with a public source, in `corrections.toml`."""

import tomllib
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files

import msgspec

from agtop_exporter.pricing.card import PriceCard, PricePeriod
from agtop_exporter.pricing.names import candidates, known_as
from agtop_exporter.pricing.rates import (
    Rates,
    Tiers,
    in_proportion,
    make_tiers,
    picodollars_per_token,
    times,
)
from agtop_exporter.pricing.schedule import Schedule

SOURCE = "corrections"

_PROVIDERS = {"gemini": "google", "moonshot": "moonshotai", "xai": "x-ai"}  # LiteLLM's names


class _ListedRates(msgspec.Struct, frozen=True, kw_only=True):
    """Rates in USD per million tokens; those that are None are not changed."""

    input: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    output: Decimal | None = None

    def rates(self) -> dict[str, int]:
        """Return the rates in picodollars per token by token type."""
        listed = {name: getattr(self, name) for name in Rates.__struct_fields__}
        return {
            name: picodollars_per_token(usd, per_tokens=1_000_000)
            for name, usd in listed.items()
            if usd is not None
        }


class _LongPrompt(_ListedRates, frozen=True, forbid_unknown_fields=True):
    """The rates of a request with more than `tokens` prompt tokens."""

    tokens: int


class Correction(_ListedRates, frozen=True, forbid_unknown_fields=True):
    """One entry of `corrections.toml`, which describes the fields. Without a time, it is open."""

    provider: str
    models: frozenset[str]
    source: str
    start: datetime | None = None
    end: datetime | None = None
    above: tuple[_LongPrompt, ...] = ()
    peak: Decimal = Decimal(1)
    speeds: dict[str, Decimal] = {}
    regions: dict[str, Decimal] = {}
    same_as: str = ""

    @property
    def period(self) -> tuple[float, float]:
        """Start and end in unix seconds."""
        start = float("-inf") if self.start is None else self.start.timestamp()
        return start, float("inf") if self.end is None else self.end.timestamp()

    @property
    def is_complete(self) -> bool:
        """Whether it has all that a price needs, also without a listed price."""
        return self.input is not None and self.output is not None

    def applies(self, at: float) -> bool:
        """Return whether it changes a price at a time (unix seconds)."""
        start, end = self.period
        return not self.same_as and start <= at < end

    def corrected(self, card: PriceCard, *, is_peak: bool) -> PriceCard:
        """Return the corrected card. `is_peak` selects the price of the hours of the schedule."""
        tiers = self._tiers(card.tiers)
        if is_peak:
            tiers = times(tiers, Fraction(self.peak))
        speeds = {
            speed: in_proportion(own, to=card.tiers, standard=tiers)
            for speed, own in card.speeds.items()
        }
        speeds |= {speed: times(tiers, Fraction(each)) for speed, each in self.speeds.items()}
        regions = {region: Fraction(each) for region, each in self.regions.items()}
        return msgspec.structs.replace(
            card,
            tiers=tiers,
            speeds=speeds,
            regions=card.regions | regions,
            corrections=(*card.corrections, self.source),
        )

    def _tiers(self, listed: Tiers) -> Tiers:
        rates = self.rates()
        if not self.is_complete:
            return tuple((above, msgspec.structs.replace(each, **rates)) for above, each in listed)
        series: dict[str, list[tuple[int, int]]] = {
            name: [(0, each)] for name, each in rates.items()
        }
        for step in self.above:
            for name, rate in step.rates().items():
                series.setdefault(name, []).append((step.tokens, rate))
        claude = any("claude" in model for model in self.models)
        return make_tiers(series, claude=claude) or listed


class Corrections:
    """All corrections. They are empty in a book that shows the tables as they are."""

    def __init__(
        self, corrections: tuple[Correction, ...] = (), schedules: tuple[Schedule, ...] = ()
    ) -> None:
        self._by_model: dict[str, list[Correction]] = {}
        for correction in corrections:
            for model in correction.models:
                self._by_model.setdefault(model, []).append(correction)
        self._schedules = schedules

    def model_at(self, model: str, *, at: float) -> str:
        """Return the model to which a name refers at a time (unix seconds)."""
        for name, _ in candidates(model):
            for correction in self._by_model.get(name, ()):
                start, end = correction.period
                if correction.same_as and start <= at < end:
                    return correction.same_as
        return model

    def apply(
        self, period: PricePeriod | None, names: tuple[str, str], *, provider: str, at: float
    ) -> PricePeriod | None:
        """Return the price with all corrections at a time (unix seconds), and its period.

        `period` is the listed price, or None if no table has the model. `names` are the name in the
        record and that of the model to which it refers.
        """
        card = period.card if period is not None else None
        start, end = period[:2] if period is not None else (float("-inf"), float("inf"))
        seller = (
            _PROVIDERS.get(card.provider, card.provider) if card is not None else known_as(provider)
        )
        for correction in self._of(*names, card.model if card is not None else ""):
            if seller not in {correction.provider, "" if card is None else correction.provider}:
                continue
            edges = [*correction.period, *self._edges(correction, at)]
            start = max([start, *(edge for edge in edges if edge <= at)])
            end = min([end, *(edge for edge in edges if edge > at)])
            if correction.applies(at) and (card is not None or correction.is_complete):
                is_peak = self._is_peak(correction, at)
                card = correction.corrected(card or _unlisted(correction), is_peak=is_peak)
        return None if card is None else PricePeriod(start, end, card)

    def schedules_of(self, provider: str) -> tuple[Schedule, ...]:
        """Return the hours with another price of a provider."""
        return tuple(each for each in self._schedules if each.provider == provider)

    def _of(self, *models: str) -> list[Correction]:
        names = dict.fromkeys(name for model in models for name, _ in candidates(model))
        found = [each for name in names for each in self._by_model.get(name, ())]
        return list({id(each): each for each in found}.values())

    def _edges(self, correction: Correction, at: float) -> list[float]:
        if correction.peak == 1 or not correction.applies(at):
            return []
        schedules = self.schedules_of(correction.provider)
        return [edge for schedule in schedules for edge in schedule.edges(at)]

    def _is_peak(self, correction: Correction, at: float) -> bool:
        schedules = self.schedules_of(correction.provider)
        return correction.peak != 1 and any(schedule.includes(at) for schedule in schedules)


NO_CORRECTIONS = Corrections()


def _unlisted(correction: Correction) -> PriceCard:
    """Return the card of a model that no table has; its rates come from the correction."""
    nothing = Rates(0, 0, 0, 0, 0)
    return PriceCard(
        source=SOURCE,
        match="exact",
        model=min(correction.models),
        tiers=((0, nothing),),
        provider=correction.provider,
    )


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    price: tuple[Correction, ...]
    schedule: tuple[Schedule, ...]


@cache
def bundled_corrections() -> Corrections:
    """Return the corrections of this package. The file is read once."""
    document = decode_corrections(
        files(__package__).joinpath("corrections.toml").read_text("utf-8")
    )
    return Corrections(*document)


def decode_corrections(text: str) -> tuple[tuple[Correction, ...], tuple[Schedule, ...]]:
    """Decode a file of corrections. Raises ValueError if it is not valid."""
    listed = tomllib.loads(text, parse_float=Decimal)
    document = msgspec.convert(listed, _Document)
    return document.price, document.schedule
