"""The price of a request at the time it was made, or "unknown"; never a guess, never a silent 0.

Sources, the first that knows the model wins: the user's overrides, genai-prices (bundled, dated),
LiteLLM's table (downloaded). Importing this package imports neither genai_prices nor httpx.
"""

from agtop_exporter.pricing.book import Disagreement, PriceBook, PriceUse
from agtop_exporter.pricing.rates import PriceCard, PriceTableError, Rates, Tiers
from agtop_exporter.pricing.refresh import PriceRefresher

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
