"""Prices from genai-prices: dated, with whole-request tiers, in USD per million tokens.

The package https://github.com/pydantic/genai-prices contains a table, so this works offline.
Importing this module takes 0.1 to 0.3 s, so import it when the first model is to be priced.
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

from agtop_exporter.pricing.genai_table import decode_providers
from agtop_exporter.pricing.names import candidates, providers_named_in
from agtop_exporter.pricing.provider_index import Listing, ProviderIndex, all_prices
from agtop_exporter.pricing.rates import (
    PriceCard,
    PricePeriod,
    PriceTableError,
    Tiers,
    make_tiers,
    picodollars_per_token,
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
)

# Providers of local models, which have no list price.
_LOCAL = {"ollama", "oss", "lmstudio", "lm-studio", "llama.cpp", "llamacpp", "vllm", "mlx", "local"}

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
    """The bundled table and, looked up before it, a newer download if there is one."""

    def __init__(self, download: bytes | None = None) -> None:
        """Load the tables. Raises PriceTableError if the download is not a valid table."""
        tables = [get_snapshot().providers]
        if download is not None:
            tables.insert(0, decode_providers(download, is_valid=_has_valid_prices))
        self._tables = [ProviderIndex(table) for table in tables]
        self._found: dict[tuple[str, str], Listing | None] = {}

    def period(self, model: str, *, provider: str, at: float) -> PricePeriod | None:
        """Return the price in force at `at` (unix seconds), or None for an unknown model."""
        found = self.find(model, provider=provider)
        if found is None:
            return None
        try:
            return _price(found, at)
        except PriceTableError:
            return None

    def context_window(self, model: str) -> int | None:
        """Return the size of the model's context window in tokens, or None if unknown."""
        found = self.find(model)
        return found.info.context_window if found else None

    def find(self, model: str, *, provider: str = "") -> Listing | None:
        """Return the priced listing of a model by its provider, else by its maker."""
        key = (model, provider)
        if key not in self._found:
            if len(self._found) > 4096:  # noqa: PLR2004 - transcripts may name any number of models
                self._found.clear()
            self._found[key] = next(self._all(model, provider), None)
        return self._found[key]

    def _all(self, model: str, provider: str) -> Iterator[Listing]:
        names = candidates(model)
        hints = tuple(filter(None, (provider, *providers_named_in(model))))
        if not _LOCAL.isdisjoint(hint.lower() for hint in hints):
            return
        for table in self._tables:
            for hint in hints:
                yield from table.find(hint, names)
        for table in self._tables:
            for maker in _MAKERS:
                for found in table.find(maker, names):
                    yield found._replace(match="maker") if provider else found


def _price(found: Listing, at: float) -> PricePeriod | None:
    when = datetime.fromtimestamp(at, UTC)
    claude = "claude" in found.info.id.lower()
    tiers = _tiers(found.info.get_prices(when), claude=claude)
    if tiers is None:
        return None
    card = PriceCard(
        source=SOURCE,
        match=found.match,
        model=found.info.id,
        tiers=tiers,
        speeds=_speeds(found, when=when, standard=tiers, claude=claude),
        provider=found.provider.id,
    )
    return PricePeriod(*_period(found.info, at), card)


def _tiers(price: ModelPrice, *, claude: bool) -> Tiers | None:
    series = {
        token_type: _steps(value)
        for token_type, key in _PRICE_KEYS
        if (value := getattr(price, key)) is not None
    }
    return make_tiers(series, claude=claude)


def _steps(price: Decimal | TieredPrices) -> list[tuple[int, int]]:
    if isinstance(price, TieredPrices):
        steps = [(0, price.base), *((tier.start, tier.price) for tier in price.tiers)]
    else:
        steps = [(0, price)]
    return [(above, picodollars_per_token(usd, per_tokens=_PER_TOKENS)) for above, usd in steps]


def _speeds(found: Listing, *, when: datetime, standard: Tiers, claude: bool) -> dict[str, Tiers]:
    """Return the prices of the service tiers that differ from `standard` at that time."""
    if not any(found.info is own for own in found.provider.models):
        return {}  # a resold model: the service tiers are those of another provider
    variants = found.info.price_variants or ()
    speeds = {v for variant in variants for k, v in variant.when.items() if k in _SPEED_KEYS}
    priced: dict[str, Tiers] = {}
    for speed in sorted(speeds):
        context: PriceContext = dict.fromkeys(_SPEED_KEYS, speed)
        tiers = _tiers(found.info.get_prices(when, context), claude=claude)
        if tiers is not None and tiers != standard:
            priced[speed] = tiers
    return priced


def _period(info: ModelInfo, at: float) -> tuple[float, float]:
    """Return the start and end (unix seconds) of the period around `at` with the same prices."""
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
    """Yield the times near `at` (unix seconds) at which a price starts or ends to apply."""
    if isinstance(constraint, StartDateConstraint):
        yield datetime.combine(constraint.start_date, time(), UTC).timestamp()
    elif isinstance(constraint, TimeOfDateConstraint):
        midnight = at // _DAY_SECONDS * _DAY_SECONDS
        for clock in (constraint.start_time, constraint.end_time):
            moment = datetime.combine(date(1970, 1, 2), clock, clock.tzinfo or UTC)
            seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) % timedelta(days=1)
            for day in (-_DAY_SECONDS, 0, _DAY_SECONDS):
                yield midnight + day + seconds.total_seconds()


def _has_valid_prices(provider: Provider) -> bool:
    """Return whether all prices of a provider are valid; if not, the bundled ones are used."""
    try:
        for info in provider.models:
            for price in all_prices(info):
                _tiers(price, claude=False)
    except PriceTableError:
        return False
    return True
