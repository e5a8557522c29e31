"""Applies the corrections in `corrections.toml` to prices from the price tables.

Each correction has a public source, and may have a start and an end.
"""

import tomllib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files

import msgspec

from agtop_exporter import __version__
from agtop_exporter.model import PICODOLLARS_PER_USD, PriceSource
from agtop_exporter.pricing.card import PriceCard, PricePeriod, with_cache_reads
from agtop_exporter.pricing.names import bare, candidates, known_as
from agtop_exporter.pricing.rates import (
    CACHE_TYPES,
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
    """Rates in USD per million tokens. None means that the correction does not change the rate."""

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
    """One correction of a price. The comment in `corrections.toml` describes the fields.

    Without `start`, the correction applies from the earliest time. Without `end`, it does not end.
    """

    provider: str
    models: frozenset[str]
    source: str
    start: datetime | None = None
    end: datetime | None = None
    cached_input: Decimal | None = None
    above: tuple[_LongPrompt, ...] = ()
    peak: Decimal = Decimal(1)
    web_search: Decimal | None = None
    speeds: dict[str, Decimal] = {}
    regions: dict[str, Decimal] = {}
    same_as: str = ""
    open_weights: bool = False

    @property
    def period(self) -> tuple[float, float]:
        """Start and end of the correction in unix seconds; infinite if not set."""
        start = float("-inf") if self.start is None else self.start.timestamp()
        return start, float("inf") if self.end is None else self.end.timestamp()

    @property
    def is_complete(self) -> bool:
        """Whether the correction has all rates that a price needs, so no listed price is needed."""
        return self.input is not None and self.output is not None

    def applies(self, at: float) -> bool:
        """Return whether the correction changes rates at `at` (unix seconds).

        A correction with `same_as` changes no rates. Such a correction makes a model name refer to
        another model.
        """
        start, end = self.period
        return not self.same_as and start <= at < end

    def corrected(self, card: PriceCard, *, is_peak: bool) -> PriceCard:
        """Return the corrected card. `is_peak` means that the rates are multiplied by `peak`."""
        card = self._with_cache_reads(card)
        tiers = self._tiers(card.tiers)
        if is_peak:
            tiers = times(tiers, Fraction(self.peak))
        speeds = {
            speed: in_proportion(own, to=card.tiers, standard=tiers)
            for speed, own in card.speeds.items()
        }
        speeds |= {speed: times(tiers, Fraction(each)) for speed, each in self.speeds.items()}
        web_search = card.web_search
        if self.web_search is not None:
            web_search = picodollars_per_token(self.web_search, per_tokens=1)
        regions = {region: Fraction(each) for region, each in self.regions.items()}
        return msgspec.structs.replace(
            card,
            tiers=tiers,
            speeds=speeds,
            regions=card.regions | regions,
            web_search=web_search,
            corrections=(*card.corrections, self.source),
            derived=tuple(name for name in card.derived if name not in self.rates()),
        )

    def _with_cache_reads(self, card: PriceCard) -> PriceCard:
        """Return a card whose cache reads cost `cached_input`, unless a table lists their rate."""
        if self.cached_input is None or "cache_read" not in card.derived:
            return card
        share = Rates(PICODOLLARS_PER_USD, round(PICODOLLARS_PER_USD * self.cached_input), 0, 0, 0)
        return with_cache_reads(card, like=((0, share),))

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
    """A set of corrections and schedules. Without corrections, the listed prices do not change.

    `date` is the day of the set, or None if it has no date.
    """

    def __init__(
        self,
        corrections: tuple[Correction, ...] = (),
        schedules: tuple[Schedule, ...] = (),
        date: date | None = None,
    ) -> None:
        self.date = date
        self._by_model: dict[str, list[Correction]] = {}
        for correction in corrections:
            for model in correction.models:
                self._by_model.setdefault(model, []).append(correction)
        self._schedules = schedules

    def model_at(self, model: str, *, listed: PriceCard | None, at: float) -> str:
        """Return the model to which the name `model` refers at `at` (unix seconds).

        A name refers to another model if a correction with `same_as` applies. `listed` is the price
        that the tables list for the name, or None. A correction does not apply if another
        provider than its `provider` charges the price `listed`. A name with a price of its own in a
        correction refers to no other model.
        """
        seller = seller_of(listed) if listed is not None else ""
        is_listed = listed is not None and bare(listed.model) == bare(model)
        names = [
            name
            for name, kind in candidates(model)
            if not (is_listed and kind == "date-stripped")  # the version has its own price
        ]
        for name in (*names, *([listed.model.lower()] if listed is not None else ())):
            for correction in self._by_model.get(name, ()):
                start, end = correction.period
                if seller not in ("", correction.provider) or not start <= at < end:
                    continue
                if correction.same_as or correction.is_complete:
                    return correction.same_as or model
        return model

    def apply(
        self, period: PricePeriod | None, names: tuple[str, str], *, provider: str, at: float
    ) -> PricePeriod | None:
        """Return the price with all corrections at `at` (unix seconds), and its period.

        `period` is the price in the tables, or None if no table has the model. `names` has the
        recorded name of the model, and the name of the model to which the recorded name refers. The
        result is None if no table and no correction has the model. If only corrections for other
        times exist, the result is a period with an unknown price. If no table has the model and
        `provider` is not its maker, the price of the maker applies. Of several corrections with all
        rates, the first one applies: that of the recorded name.
        """
        card = period.card if period is not None else None
        start, end = period[:2] if period is not None else (float("-inf"), float("inf"))
        corrections = self._of(*names, card.model if card is not None else "")
        if period is None and not corrections:
            return None
        seller = known_as(provider) if card is None else seller_of(card)
        resells = card is None and all(seller != each.provider for each in corrections)
        is_whole = False
        for correction in corrections:
            if seller != correction.provider and not resells:
                continue
            is_other = bool(provider) or "/" in names[0]
            if resells and (correction.input == 0 or (correction.open_weights and is_other)):
                continue  # perhaps another seller, with a price of its own
            edges = [*correction.period, *self._edges(correction, at)]
            start = max([start, *(edge for edge in edges if edge <= at)])
            end = min([end, *(edge for edge in edges if edge > at)])
            if not correction.applies(at) or (is_whole and correction.is_complete):
                continue
            if card is None and correction.is_complete:
                card = _unlisted(correction, names, "maker" if resells and provider else "exact")
                seller, resells = correction.provider, False
            if card is not None:
                card = correction.corrected(card, is_peak=self._is_peak(correction, at))
                is_whole = is_whole or correction.is_complete
        return PricePeriod(start, end, card)

    @property
    def price_source(self) -> PriceSource | None:
        """The set as a price source, with the version of this package; None if it has no date."""
        if self.date is None:
            return None
        start_of_day = datetime.combine(self.date, time(), UTC)
        return PriceSource(SOURCE, __version__, start_of_day.timestamp())

    def schedules_of(self, provider: str) -> tuple[Schedule, ...]:
        """Return the schedules of a provider: the hours of the day at which its price differs."""
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


def seller_of(card: PriceCard) -> str:
    """Return the provider that charges a price, with its name in `corrections.toml`."""
    return _PROVIDERS.get(card.provider, card.provider)


NO_CORRECTIONS = Corrections()


def _unlisted(correction: Correction, names: tuple[str, str], match: str) -> PriceCard:
    """Return a card for a model that no table has. Its rates are 0 until it is corrected."""
    nothing = Rates(0, 0, 0, 0, 0)
    return PriceCard(
        source=SOURCE,
        match=match,
        model=min(correction.models & {name for each in names for name, _ in candidates(each)}),
        tiers=((0, nothing),),
        provider=correction.provider,
        derived=CACHE_TYPES,
    )


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    price: tuple[Correction, ...]
    schedule: tuple[Schedule, ...]
    day: date = msgspec.field(name="date")


@cache
def bundled_corrections() -> Corrections:
    """Return the corrections in this package. The file `corrections.toml` is read once."""
    document = decode_corrections(
        files(__package__).joinpath("corrections.toml").read_text("utf-8")
    )
    return Corrections(*document)


def decode_corrections(text: str) -> tuple[tuple[Correction, ...], tuple[Schedule, ...], date]:
    """Return the corrections, schedules and date in `text`, the content of `corrections.toml`.

    Raises ValueError if the text is not valid.
    """
    listed = tomllib.loads(text, parse_float=Decimal)
    document = msgspec.convert(listed, _Document)
    return document.price, document.schedule, document.day
