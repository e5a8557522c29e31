"""Explains the price of a model at a time: its source, its rates, and the prices in other sources.

`agtop price --json` and `doctor --json` print the fields of these types without conversion. Prices
are in US dollars per million tokens. Times are RFC 3339 text in UTC.
"""

from collections.abc import Iterable, Mapping

import msgspec

from agtop_exporter.model import PICODOLLARS_PER_USD, PriceSource, time_text
from agtop_exporter.pricing.book import PriceBook, PriceUse
from agtop_exporter.pricing.card import STANDARD_TIERS, PriceCard
from agtop_exporter.pricing.corrections import seller_of
from agtop_exporter.pricing.rates import Rates, Tiers

PICODOLLARS_PER_PRICE = PICODOLLARS_PER_USD // 1_000_000
"""One US dollar per million tokens, in picodollars per token."""


class TierPrice(msgspec.Struct, frozen=True):
    """The rates of requests with more than `above_tokens` prompt tokens."""

    above_tokens: int
    input_usd: float
    cache_read_usd: float
    cache_write_5m_usd: float
    cache_write_1h_usd: float
    output_usd: float


class Listing(msgspec.Struct, frozen=True):
    """The price of a model in one table, without corrections.

    `differs` names the parts of this price that differ from the price that applies. A part is a
    rate such as `input`, `tiers` (the limits of the prompt length), `web_search` or a service tier.
    """

    source: str
    version: str
    date: str | None
    priced_as: str
    tiers: tuple[TierPrice, ...]
    service_tiers: dict[str, tuple[TierPrice, ...]]
    differs: tuple[str, ...]


class Explanation(msgspec.Struct, frozen=True):
    """The price of a model by a provider, with the origin of the price.

    `match` shows how the name of the model was found in the source; see `PriceCard`. `priced_as` is
    the name of the model in the source. `priced_by` is the provider that charges the price.
    `input_usd` to `output_usd` are the rates for short prompts. `derived` names the rates that the
    source does not list. They are computed from the input rate. `corrections` has the public
    sources of the corrections of the price. `listings` has the price of the provider in each table.
    """

    model: str
    provider: str
    source: str
    source_version: str
    source_date: str | None
    match: str
    priced_as: str
    priced_by: str
    corrections: tuple[str, ...]
    valid_from: str | None  # None: no start
    valid_until: str | None
    input_usd: float
    cache_read_usd: float
    cache_write_5m_usd: float
    cache_write_1h_usd: float
    output_usd: float
    derived: tuple[str, ...]
    tiers: tuple[TierPrice, ...]
    service_tiers: dict[str, tuple[TierPrice, ...]]
    web_search_usd: float | None  # of one search
    regions: dict[str, float]  # factors on all rates
    listings: tuple[Listing, ...]

    @property
    def disagreements(self) -> tuple[Listing, ...]:
        """The prices in tables that differ from the price that applies."""
        return tuple(listing for listing in self.listings if listing.differs)

    def tiers_of(self, tier: str) -> tuple[TierPrice, ...] | None:
        """Return the rates of a service tier or speed by prompt length; None if unknown."""
        return self.tiers if tier in STANDARD_TIERS else self.service_tiers.get(tier)


def explain(book: PriceBook, model: str, *, provider: str, at: float) -> Explanation | None:
    """Explain the price of a model at `at` (unix seconds). Return None if it is unknown."""
    period = book.period(model, provider, at)
    if period.card is None:
        return None
    return explain_use(book, PriceUse(model, provider, period), at=at)


def explain_used(book: PriceBook, *, now: float) -> tuple[Explanation, ...]:
    """Explain every price that was looked up. `now` is the current time in unix seconds.

    A price that applies in several periods, such as a price for peak hours, is listed once.
    """
    found: dict[bytes, Explanation] = {}
    for use in book.used():
        key = msgspec.msgpack.encode((use.model, use.provider, _comparable(use.card)))
        if key not in found:
            at = use.period.start if use.period.start >= 0 else min(now, use.period.end - 1)
            found[key] = explain_use(book, use, at=at)
    return tuple(found.values())


def _comparable(card: PriceCard) -> object:
    regions = {region: str(factor) for region, factor in card.regions.items()}
    return msgspec.to_builtins(msgspec.structs.replace(card, regions={})), regions


def explain_use(book: PriceBook, use: PriceUse, *, at: float) -> Explanation:
    """Explain a price. `at` is a time (unix seconds) in the period of the price."""
    card, tables = use.card, {table.source: table for table in book.sources()}
    table = tables.get(card.source)
    standard = _tiers(card.tiers)
    return Explanation(
        model=use.model,
        provider=use.provider,
        source=card.source,
        source_version=table.version if table else "",
        source_date=time_text(table.updated_at if table else None),
        match=card.match,
        priced_as=card.model,
        priced_by=card.provider,
        corrections=tuple(dict.fromkeys(card.corrections)),
        valid_from=time_text(use.period.start),
        valid_until=time_text(use.period.end),
        input_usd=standard[0].input_usd,
        cache_read_usd=standard[0].cache_read_usd,
        cache_write_5m_usd=standard[0].cache_write_5m_usd,
        cache_write_1h_usd=standard[0].cache_write_1h_usd,
        output_usd=standard[0].output_usd,
        derived=card.derived,
        tiers=standard,
        service_tiers={name: _tiers(tiers) for name, tiers in sorted(card.speeds.items())},
        web_search_usd=None if card.web_search is None else card.web_search / PICODOLLARS_PER_USD,
        regions={region: float(factor) for region, factor in sorted(card.regions.items())},
        listings=_listings(
            card, book.listings(use.model, provider=use.provider, at=at), tables=tables
        ),
    )


def _listings(
    used: PriceCard, cards: Iterable[PriceCard], *, tables: Mapping[str, PriceSource]
) -> tuple[Listing, ...]:
    return tuple(
        Listing(
            source=card.source,
            version=tables[card.source].version if card.source in tables else "",
            date=time_text(tables[card.source].updated_at) if card.source in tables else None,
            priced_as=card.model,
            tiers=_tiers(card.tiers),
            service_tiers={name: _tiers(tiers) for name, tiers in sorted(card.speeds.items())},
            differs=differences(used, card),
        )
        for card in cards
        if _has_same_seller(used, card)
    )


def _has_same_seller(used: PriceCard, other: PriceCard) -> bool:
    if "maker" not in (used.match, other.match):
        return True  # both of the billing provider
    return used.match == other.match and seller_of(used) == seller_of(other)


def differences(used: PriceCard, other: PriceCard) -> tuple[str, ...]:
    """Return the names of the parts that both prices have and that differ.

    A part is a rate, `tiers` (the limits of the prompt length), `web_search` or a service tier. A
    limit of 199,999 prompt tokens and a limit of 200,000 prompt tokens count as the same limit.
    """
    found: dict[str, None] = {}
    limits = zip(used.tiers, other.tiers, strict=False)
    if len(used.tiers) != len(other.tiers) or any(abs(a[0] - b[0]) > 1 for a, b in limits):
        found["tiers"] = None
    for (_, ours), (_, theirs) in zip(used.tiers, other.tiers, strict=False):
        found.update(dict.fromkeys(_differing_rates(ours, theirs)))
    if None not in (used.web_search, other.web_search) and used.web_search != other.web_search:
        found["web_search"] = None
    for name in sorted(used.speeds.keys() & other.speeds.keys()):
        ours, theirs = used.speeds[name][0][1], other.speeds[name][0][1]
        if _differing_rates(ours, theirs):
            found[name] = None
    return tuple(found)


def _differing_rates(ours: Rates, theirs: Rates) -> list[str]:
    """Return the names of the rates that differ.

    A cache rate that equals the input rate is not compared, because the source may not list it.
    """
    found = []
    for name in Rates.__struct_fields__:
        own, other = getattr(ours, name), getattr(theirs, name)
        unlisted = name.startswith("cache") and (own == ours.input or other == theirs.input)
        if own != other and not unlisted:
            found.append(name)
    return found


def _tiers(tiers: Tiers) -> tuple[TierPrice, ...]:
    return tuple(
        TierPrice(above, *(usd(rate) for rate in msgspec.structs.astuple(rates)))
        for above, rates in tiers
    )


def usd(rate: int) -> float:
    """Convert picodollars per token to US dollars per million tokens."""
    return rate / PICODOLLARS_PER_PRICE
