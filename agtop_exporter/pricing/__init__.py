"""Computes the price of a request at the time of the request. An unknown price is None.

The price sources, in order of precedence, are the user's overrides, corrections in this package,
genai-prices (a package with dated prices) and LiteLLM's table. Importing this package imports
neither genai_prices nor httpx, because these imports are slow.
"""

from agtop_exporter.pricing.book import PriceBook, PriceUse
from agtop_exporter.pricing.card import PriceCard
from agtop_exporter.pricing.rates import PriceTableError, Rates, Tiers
from agtop_exporter.pricing.refresh import PriceRefresher
from agtop_exporter.pricing.tables import Disagreement

__all__ = [
    "Disagreement",
    "PriceBook",
    "PriceCard",
    "PriceRefresher",
    "PriceTableError",
    "PriceUse",
    "Rates",
    "Tiers",
]
