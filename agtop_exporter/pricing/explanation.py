"""Explains the price of a model at a time: its source, every rate, and what other sources list.

The values are plain: `agtop price --json` and `doctor --json` print them as they are. Prices are in
US dollars per million tokens, times are RFC 3339 text in UTC.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from agtop_exporter.model import PICODOLLARS_PER_USD, PriceSource
from agtop_exporter.pricing.book import PriceBook, PriceUse
from agtop_exporter.pricing.card import STANDARD_TIERS, PriceCard
from agtop_exporter.pricing.rates import Rates, Tiers

PICODOLLARS_PER_PRICE = PICODOLLARS_PER_USD // 1_000_000
"""A price of one US dollar per million tokens, in picodollars per token."""


class TierPrice(msgspec.Struct, frozen=True):
    """The rates of requests with more than `above_tokens` prompt tokens."""

    above_tokens: int
    input_usd: float
    cache_read_usd: float
    cache_write_5m_usd: float
    cache_write_1h_usd: float
    output_usd: float


class Listing(msgspec.Struct, frozen=True):
    """What one table lists for the model, without corrections.

    `differs` names what is not as in the price that applies: rates, `tiers` (other limits of the
    prompt length), `web_search` or a service tier.
    """

    source: str
    version: str
    date: str | None
    priced_as: str
    tiers: tuple[TierPrice, ...]
    service_tiers: dict[str, tuple[TierPrice, ...]]
    differs: tuple[str, ...]


class Explanation(msgspec.Struct, frozen=True):
    """The price of a model by a provider, with its origin.

    `match` is how the name of the model was found, see `PriceCard`. The rates without a tier are
    those of short prompts. `derived` names rates that the source does not list: they follow from
    the ratios of the maker. `corrections` are the public sources of corrections of what the table
    lists.
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
    valid_from: str | None  # null: always
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
        """What tables list otherwise."""
        return tuple(listing for listing in self.listings if listing.differs)

    def tiers_of(self, tier: str) -> tuple[TierPrice, ...] | None:
        """Return the rates of a service tier or speed; None if they are unknown."""
        return self.tiers if tier in STANDARD_TIERS else self.service_tiers.get(tier)


def explain(book: PriceBook, model: str, *, provider: str, at: float) -> Explanation | None:
    """Return the price of a model at a time (unix seconds), or None if it is unknown."""
    period = book.period(model, provider, at)
    if period.card is None:
        return None
    return explain_use(book, PriceUse(model, provider, period), at=at)


def explain_used(book: PriceBook, *, now: float) -> tuple[Explanation, ...]:
    """Return every price that was used; one that recurs, as in peak hours, is listed once."""
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
    """Return a price with its origin; `at` is a time (unix seconds) in its period."""
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
    )


def differences(used: PriceCard, other: PriceCard) -> tuple[str, ...]:
    """Return the names of what differs in two prices and is listed in both.

    Tiers that start at 200,000 and above 199,999 prompt tokens are the same tier.
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
    """Return the rates that differ. A cache rate that is the input rate may be an unlisted one."""
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


def time_text(seconds: float | None) -> str | None:
    """Return unix seconds as RFC 3339 text in UTC; None if there is no such time."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # infinite: the price has no start or no end
        return None
