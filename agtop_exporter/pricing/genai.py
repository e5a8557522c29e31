"""Looks up prices in the tables of genai-prices.

The prices have dates and tiers by prompt length, and are in USD per million tokens. The package
https://github.com/pydantic/genai-prices contains a table, so no download is needed. Importing this
module takes 0.1 to 0.3 s, so import it only when a price is needed.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceContext,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from agtop_exporter.pricing.card import STANDARD_TIERS, PriceCard, PricePeriod
from agtop_exporter.pricing.corrections import NO_CORRECTIONS, Corrections
from agtop_exporter.pricing.genai_table import decode_providers
from agtop_exporter.pricing.names import candidates, known_as, providers_named_in
from agtop_exporter.pricing.provider_index import (
    Listing,
    ProviderIndex,
    all_prices,
    has_hours,
    without_hours,
)
from agtop_exporter.pricing.rates import (
    PriceTableError,
    Tiers,
    in_proportion,
    make_tiers,
    picodollars_per_token,
    unlisted,
)

SOURCE = "genai-prices"

# Makers of models, looked up if the billing provider is unknown or has no price.
_MAKERS = (
    "anthropic",
    "openai",
    "google",
    "x-ai",
    "deepseek",
    "moonshotai",
    "zai",
    "minimax",
    "mistral",
    "cursor",
    "cohere",
    "meta",
    "aws",
    "github-copilot",
)

# The models of other makers in Mistral's table. Mistral has its own names for them.
_RESOLD_BY_MISTRAL = ("deepseek-", "zai-")
_MICROSOFTS = "mai-"  # the only models of Microsoft in the table of `github-copilot`

_PRICE_KEYS = (
    ("input", "input_mtok"),
    ("cache_read", "cache_read_mtok"),
    ("cache_write_5m", "cache_write_mtok"),
    ("cache_write_5m", "cache_write_5m_mtok"),  # replaces the line above
    ("cache_write_1h", "cache_write_1h_mtok"),
    ("output", "output_mtok"),
)
_SPEED_KEYS = ("speed", "service_tier", "processing")  # keys of a price variant's condition
_PER_TOKENS = 1_000_000
_DAY_SECONDS = 86400


class GenaiPrices:
    """Looks up prices in a newer download, if there is one, and then in the bundled table."""

    def __init__(
        self, download: bytes | None = None, *, corrections: Corrections = NO_CORRECTIONS
    ) -> None:
        """Load the tables. Raises PriceTableError if the download is not a valid table.

        A table lists prices for certain hours of the day; `corrections` has the days on which these
        prices apply.
        """
        self._corrections = corrections
        tables = [get_snapshot().providers]
        if download is not None:
            tables.insert(0, decode_providers(download, is_valid=_has_valid_prices))
        self._tables = [ProviderIndex(table) for table in tables]
        self._found: dict[tuple[str, str], Listing | None] = {}

    def period(self, model: str, *, provider: str, at: float) -> PricePeriod | None:
        """Return the price in force at `at` (unix seconds), or None if the price is unknown."""
        found = self.find(model, provider=provider)
        return None if found is None else self._period_of(found, at)

    def _period_of(self, found: Listing, at: float) -> PricePeriod | None:
        try:
            return self._price(found, at)
        except PriceTableError:
            return None

    def openrouter_period(self, model: str, *, provider: str, at: float) -> PricePeriod | None:  # noqa: ARG002 - the provider has no price
        """Return OpenRouter's price of a model at `at` (unix seconds), or None if unknown.

        The name of the model must start with the name of its maker (`qwen/...`).
        """
        if "/" not in model:
            return None
        for table in self._tables:
            for found in table.find("openrouter", candidates(model)[:1]):
                return self._period_of(found._replace(match="maker"), at)
        return None

    def context_window(self, model: str) -> int | None:
        """Return the size of the model's context window in tokens, or None if unknown."""
        found = self.find(model)
        return found.info.context_window if found else None

    def find(self, model: str, *, provider: str = "") -> Listing | None:
        """Return the entry of a model in the tables, or None if no table has a price of the model.

        The entry of the billing provider has precedence over the entry of the model's maker.
        """
        key = (model, provider)
        if key not in self._found:
            if len(self._found) > 4096:  # noqa: PLR2004 - transcripts may name any number of models
                self._found.clear()
            self._found[key] = next(self._all(model, provider), None)
        return self._found[key]

    def _all(self, model: str, provider: str) -> Iterator[Listing]:
        names = candidates(model)
        hints = tuple(map(known_as, filter(None, (provider, *providers_named_in(model)))))
        for table in self._tables:
            for hint in hints:
                for found in table.find(hint, names):
                    sold = not provider or table.is_same(hint, known_as(provider))
                    has_price = sold and not table.resells(found)
                    yield found if has_price else found._replace(match="maker")
        for table in self._tables:
            for maker in _MAKERS:
                for found in table.find(maker, names):
                    if _is_of_maker(found):
                        yield found._replace(match="maker") if provider else found

    def _price(self, found: Listing, at: float) -> PricePeriod | None:
        schedules = self._corrections.schedules_of(found.provider.id)
        if not schedules or not has_hours(found.info):
            return _price(found, found.info, at)
        is_day = any(schedule.applies_on(at) for schedule in schedules)
        period = _price(found, found.info if is_day else without_hours(found.info), at)
        if period is None:
            return None
        edges = [edge for schedule in schedules for edge in schedule.edges(at)]
        start = max([period.start, *(edge for edge in edges if edge <= at)])
        return period._replace(start=start, end=min([period.end, *(e for e in edges if e > at)]))


def _is_of_maker(found: Listing) -> bool:
    """Return whether a model in the table of a maker is a model or a name of this maker."""
    if found.provider.id == "github-copilot":
        return found.info.id.startswith(_MICROSOFTS)
    is_resold = found.provider.id == "mistral" and found.info.id.startswith(_RESOLD_BY_MISTRAL)
    return not is_resold or found.match == "exact"


def _price(found: Listing, info: ModelInfo, at: float) -> PricePeriod | None:
    when = datetime.fromtimestamp(at, UTC)
    claude = "claude" in info.id.lower()
    price = info.get_prices(when)
    series = _series(price)
    tiers = make_tiers(series, claude=claude)
    if tiers is None:
        return None
    card = PriceCard(
        source=SOURCE,
        match=found.match,
        model=info.id,
        tiers=tiers,
        speeds=_speeds(found, info, when=when, standard=tiers, claude=claude),
        provider=found.provider.id,
        web_search=_fee(price) if found.is_own else None,  # a resold model: another fee
        derived=unlisted(series),
    )
    return PricePeriod(*_period(info, at), card)


def _fee(price: ModelPrice) -> int | None:
    """Return the price of a web search in picodollars, or None if it is unknown."""
    per_thousand = price.web_searches_kcount
    if per_thousand is None or isinstance(per_thousand, TieredPrices):
        return None
    return picodollars_per_token(per_thousand, per_tokens=1000)


def _series(price: ModelPrice) -> dict[str, list[tuple[int, int]]]:
    return {
        token_type: _steps(value)
        for token_type, key in _PRICE_KEYS
        if (value := getattr(price, key)) is not None
    }


def _tiers(price: ModelPrice, *, claude: bool) -> Tiers | None:
    return make_tiers(_series(price), claude=claude)


def _steps(price: Decimal | TieredPrices) -> list[tuple[int, int]]:
    if isinstance(price, TieredPrices):
        steps = [(0, price.base), *((tier.start, tier.price) for tier in price.tiers)]
    else:
        steps = [(0, price)]
    return [(above, picodollars_per_token(usd, per_tokens=_PER_TOKENS)) for above, usd in steps]


def _speeds(
    found: Listing, info: ModelInfo, *, when: datetime, standard: Tiers, claude: bool
) -> dict[str, Tiers]:
    """Return the prices of the service tiers at the time `when`.

    The table lists the price of a service tier only from the day on which its editors verified the
    price. For an earlier time, the price has the same ratio to the standard price as on that day.
    `standard` is the standard price at `when`.
    """
    if not found.is_own:
        return {}  # a resold model: the service tiers are those of another provider
    starts: dict[str, datetime] = {}
    for variant in info.price_variants or ():
        for key, speed in variant.when.items():
            if key in _SPEED_KEYS and speed not in STANDARD_TIERS:
                start = _start(variant.constraint)
                starts[speed] = min(start, starts.get(speed, start))
    priced: dict[str, Tiers] = {}
    for speed, start in sorted(starts.items()):
        known = max(when, start)
        context: PriceContext = dict.fromkeys(_SPEED_KEYS, speed)
        own = _tiers(info.get_prices(known, context), claude=claude)
        then = standard if known == when else _tiers(info.get_prices(known), claude=claude)
        if own is not None and then is not None:
            priced[speed] = in_proportion(own, to=then, standard=standard)
    return priced


def _start(constraint: StartDateConstraint | TimeOfDateConstraint | None) -> datetime:
    if isinstance(constraint, StartDateConstraint):
        return datetime.combine(constraint.start_date, time(), UTC)
    return datetime.fromtimestamp(0, UTC)


def _period(info: ModelInfo, at: float) -> tuple[float, float]:
    """Return the period around `at` in which the price does not change.

    The result is (start, end) in unix seconds.
    """
    prices = info.prices if isinstance(info.prices, list) else ()
    edges = {
        edge
        for conditional in (*prices, *(info.price_variants or ()))
        for edge in _edges(conditional.constraint, at)
    }
    start = max((edge for edge in edges if edge <= at), default=float("-inf"))
    return start, min((edge for edge in edges if edge > at), default=float("inf"))


def _edges(
    constraint: StartDateConstraint | TimeOfDateConstraint | None, at: float
) -> Iterator[float]:
    """Yield the times near `at` (unix seconds) at which a price with `constraint` may change."""
    if isinstance(constraint, StartDateConstraint):
        yield _start(constraint).timestamp()
    elif isinstance(constraint, TimeOfDateConstraint):
        midnight = at // _DAY_SECONDS * _DAY_SECONDS
        for clock in (constraint.start_time, constraint.end_time):
            moment = datetime.combine(date(1970, 1, 2), clock, clock.tzinfo or UTC)
            seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) % timedelta(days=1)
            for day in (-_DAY_SECONDS, 0, _DAY_SECONDS):
                yield midnight + day + seconds.total_seconds()


def _has_valid_prices(provider: Provider) -> bool:
    """Return whether all prices of a provider in a download are valid.

    If a price is not valid, the bundled prices of the provider apply.
    """
    try:
        for info in provider.models:
            for price in all_prices(info):
                _tiers(price, claude=False)
    except PriceTableError:
        return False
    return True
