"""Imports and decodes the genai-prices tables at the first lookup of a price.

The import takes 0.1 to 0.3 s of CPU time. Commands such as `check-config` need no price.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from agtop_exporter.pricing.corrections import Corrections

if TYPE_CHECKING:
    from agtop_exporter.pricing.genai import GenaiPrices

GENAI = "genai-prices"
BUNDLED_DATES = {"0.2.3": 1_794_347_502.0}
"""The release time of each version of the package genai-prices, in unix seconds.

The release time is used as the date of the table in this version.
"""


class LazyGenaiPrices:
    """Holds the genai-prices tables: the bundled table, and a newer download if there is one."""

    def __init__(
        self,
        download: bytes | None = None,
        *,
        corrections: Corrections,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        """Store a download (JSON) without decoding it.

        `on_error` is called if `prices` finds that the download is not valid. A table lists prices
        for certain hours of the day; `corrections` has the days on which these prices apply.
        """
        self._corrections = corrections
        self._download = download
        self._on_error = on_error
        self._prices: GenaiPrices | None = None

    def read(self) -> "GenaiPrices":
        """Decode the tables now. Raises PriceTableError if the download is not valid."""
        from agtop_exporter.pricing.genai import GenaiPrices  # noqa: PLC0415 - see the module

        prices = GenaiPrices(self._download, corrections=self._corrections)
        self._prices, self._download = prices, None
        return prices

    def prices(self) -> "GenaiPrices":
        """Return the tables. Decode them at the first call.

        If the download is not valid, the result has only the bundled table.
        """
        if self._prices is not None:
            return self._prices
        try:
            return self.read()
        except Exception as error:
            if self._download is None:
                raise
            self._download = None
            if self._on_error is not None:
                self._on_error(error)
            return self.read()
