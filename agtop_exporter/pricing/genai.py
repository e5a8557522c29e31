"""Prices from the genai-prices package: dated, with whole-request tiers; works offline.

Its data and its newer download are documented at https://github.com/pydantic/genai-prices
(`prices/new_data/v2/data.json`; prices in USD per million tokens). Importing this module imports
that package, which takes 0.3 s: do it on the first model to be priced.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import msgspec
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceContext,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
    _providers_from_raw,
)

from agtop_exporter.pricing.listings import Found, Sellers, all_prices, is_priced
from agtop_exporter.pricing.names import candidates, providers_named_in
from agtop_exporter.pricing.rates import (
    PriceCard,
    PriceTableError,
    Tiers,
    Window,
    make_tiers,
    picodollars_per_token,
)

SOURCE = "genai-prices"

# Who is asked when the billing provider is unknown or has no price: those that make models.
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
_REQUIRED = {"anthropic", "openai", "google"}  # without them a download is no price table

# What runs there costs nobody's list price.
_LOCAL = {"ollama", "oss", "lmstudio", "lm-studio", "llama.cpp", "llamacpp", "vllm", "mlx", "local"}

_PRICE_KEYS = (
    ("input", "input_mtok"),
    ("cache_read", "cache_read_mtok"),
    ("cache_write_5m", "cache_write_mtok"),
    ("cache_write_5m", "cache_write_5m_mtok"),  # the more specific one wins
    ("cache_write_1h", "cache_write_1h_mtok"),
    ("output", "output_mtok"),
)
_SPEED_KEYS = ("speed", "service_tier", "processing")  # of the request that a price variant names
_PER_TOKENS = 1_000_000
_DAY_SECONDS = 86400


class GenaiPrices:
    """The bundled table, with a newer download before it if there is one."""

    def __init__(self, download: bytes | None = None) -> None:
        """Read the tables; raises PriceTableError for a download that is not one."""
        bundled = get_snapshot().providers
        tables = [bundled] if download is None else [_read(download), bundled]
        self._tables = [Sellers(table) for table in tables]
        self._found: dict[tuple[str, str], Found | None] = {}

    def window(self, model: str, *, provider: str, at: float) -> Window | None:
        """Return the price in force at `at` and its time, None for an unknown model."""
        found = self.find(model, provider=provider)
        if found is None:
            return None
        try:
            return _price(found, at)
        except PriceTableError:
            return None

    def context_window(self, model: str) -> int | None:
        """Return the tokens that the model's context holds, where the table says so."""
        found = self.find(model)
        return found.info.context_window if found else None

    def find(self, model: str, *, provider: str = "") -> Found | None:
        """Return where the model is listed with a price: at its provider, else at its maker."""
        key = (model, provider)
        if key not in self._found:
            if len(self._found) > 4096:  # noqa: PLR2004 - a bound on hostile transcripts, no setting
                self._found.clear()
            self._found[key] = next(self._all(model, provider), None)
        return self._found[key]

    def _all(self, model: str, provider: str) -> Iterator[Found]:
        names = candidates(model)
        hints = tuple(filter(None, (provider, *providers_named_in(model))))
        if not _LOCAL.isdisjoint(hint.lower() for hint in hints):
            return
        for sellers in self._tables:
            for hint in hints:
                yield from sellers.find(hint, names)
        for sellers in self._tables:
            for maker in _MAKERS:
                for found in sellers.find(maker, names):
                    yield found._replace(match="maker") if provider else found


def _price(found: Found, at: float) -> Window | None:
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
    return Window(*_window(found.info, at), card)


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


def _speeds(found: Found, *, when: datetime, standard: Tiers, claude: bool) -> dict[str, Tiers]:
    """Return the tiers of the service tiers whose price is another one at that time."""
    if not any(found.info is own for own in found.provider.models):
        return {}  # a lender's service tiers are not the seller's
    variants = found.info.price_variants or ()
    speeds = {v for variant in variants for k, v in variant.when.items() if k in _SPEED_KEYS}
    priced: dict[str, Tiers] = {}
    for speed in sorted(speeds):
        context: PriceContext = dict.fromkeys(_SPEED_KEYS, speed)
        tiers = _tiers(found.info.get_prices(when, context), claude=claude)
        if tiers is not None and tiers != standard:
            priced[speed] = tiers
    return priced


def _window(info: ModelInfo, at: float) -> tuple[float, float]:
    """Return the time around `at` in which no condition of the model's prices changes."""
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
    if isinstance(constraint, StartDateConstraint):
        yield datetime.combine(constraint.start_date, time(), UTC).timestamp()
    elif isinstance(constraint, TimeOfDateConstraint):
        midnight = at // _DAY_SECONDS * _DAY_SECONDS
        for clock in (constraint.start_time, constraint.end_time):
            moment = datetime.combine(date(1970, 1, 2), clock, clock.tzinfo or UTC)
            seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) % timedelta(days=1)
            for day in (-_DAY_SECONDS, 0, _DAY_SECONDS):
                yield midnight + day + seconds.total_seconds()


def _read(data: bytes) -> list[Provider]:
    """Decode a download; a provider that does not fit is left to the bundled table."""
    try:
        raw = msgspec.json.Decoder(list[dict[str, object]], float_hook=Decimal).decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise PriceTableError(f"not a genai-prices table: {error}") from error
    providers = [provider for entry in raw for provider in _provider(entry)]
    priced = {seller.id for seller in providers if any(map(is_priced, seller.models))}
    if not priced >= _REQUIRED:
        raise PriceTableError(f"genai-prices table lacks {', '.join(sorted(_REQUIRED - priced))}")
    return providers


def _provider(entry: dict[str, object]) -> list[Provider]:
    try:
        providers = _providers_from_raw([entry])
        for info in providers[0].models:
            for price in all_prices(info):
                _tiers(price, claude=False)
    except (PriceTableError, ValueError, TypeError, RecursionError):
        return []
    return providers
