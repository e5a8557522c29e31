"""Prices set by the user, in USD per million tokens by token type. They override every table.

Example: `{"my-model": {"input": 3, "output": 15, "cache_read": 0.3}}`. A name may start with the
provider: `"azure/gpt-5"`. Missing rates are derived as in the tables (`rates.make_tiers`).
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from agtop_exporter.model import TOKEN_TYPES
from agtop_exporter.pricing.card import PriceCard, PricePeriod, always
from agtop_exporter.pricing.names import candidates
from agtop_exporter.pricing.rates import (
    PriceTableError,
    Rates,
    Tiers,
    make_tiers,
    picodollars_per_token,
)

SOURCE = "override"

Override = Rates | Mapping[str, int | float | str | Decimal]


class Overrides:
    """The validated prices of the user."""

    def __init__(self, prices: Mapping[str, Override]) -> None:
        """Validate `prices`. Raises PriceTableError with the name of the model."""
        self._tiers = {model.lower(): _tiers(model, price) for model, price in prices.items()}

    def __len__(self) -> int:
        return len(self._tiers)

    def period(self, model: str, *, provider: str, at: float) -> PricePeriod | None:  # noqa: ARG002 - the user's price has no date
        """Return the user's price of a model, or None."""
        if not self._tiers:
            return None
        for name, kind in candidates(model):
            for listed in (f"{provider.lower()}/{name}", name):
                tiers = self._tiers.get(listed)
                if tiers is not None:
                    return always(PriceCard(source=SOURCE, match=kind, model=listed, tiers=tiers))
        return None


def _tiers(model: str, price: Override) -> Tiers:
    if isinstance(price, Rates):
        return ((0, price),)
    unknown = ", ".join(sorted(set(price) - set(TOKEN_TYPES)))
    if unknown:
        raise PriceTableError(f"price of {model}: unknown token type {unknown}")
    series = {token_type: [(0, _rate(model, usd))] for token_type, usd in price.items()}
    tiers = make_tiers(series, claude="claude" in model.lower())
    if tiers is None:
        raise PriceTableError(f"price of {model}: needs both input and output")
    return tiers


def _rate(model: str, usd: float | str | Decimal) -> int:
    try:  # from its text, since the float 0.1 is not exactly 0.1
        return picodollars_per_token(Decimal(str(usd)), per_tokens=1_000_000)
    except (InvalidOperation, PriceTableError) as error:
        raise PriceTableError(f"price of {model}: {usd!r} is not USD per million tokens") from error
