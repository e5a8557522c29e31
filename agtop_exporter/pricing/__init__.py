"""The price of a request at the time of the request. A price that is not known is None.

Sources, in this order: the user's overrides, genai-prices (bundled, with dates), LiteLLM's table
(downloaded). Importing this package imports neither genai_prices nor httpx, which are slow.
"""

from agtop_exporter.pricing.book import Disagreement, PriceBook, PriceUse
from agtop_exporter.pricing.card import PriceCard
from agtop_exporter.pricing.rates import PriceTableError, Rates, Tiers
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
