"""Stores the price tables in use: those of this package, and downloads that replace them."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from agtop_exporter.model import PriceSource
from agtop_exporter.pricing.card import PriceCard
from agtop_exporter.pricing.corrections import Corrections
from agtop_exporter.pricing.lazy_genai import BUNDLED_DATES, GENAI, LazyGenaiPrices
from agtop_exporter.pricing.lazy_litellm import bundled_prices, bundled_snapshot
from agtop_exporter.pricing.litellm import SOURCE as LITELLM
from agtop_exporter.pricing.litellm import LiteLLMPrices
from agtop_exporter.pricing.names import LONGEST_NAME, is_local
from agtop_exporter.pricing.rates import PriceTableError, Tiers
from agtop_exporter.pricing.sources import Sources

if TYPE_CHECKING:
    from agtop_exporter.pricing.genai import GenaiPrices

_LONG_CONTEXT = ("[1m]", "-1m")  # agents append them to models with a context of a million tokens


class Disagreement(msgspec.Struct, frozen=True):
    """A model for which two price sources list different current prices.

    `used` is the price in the source with precedence, and `other` the price in the other source.
    """

    model: str
    used: PriceCard
    other: PriceCard


class _Edition(NamedTuple):
    """The version of a price table, and its date in unix seconds; None if unknown."""

    version: str
    updated_at: float | None


class PriceTables:
    """The price tables of genai-prices and LiteLLM, and the corrections of both tables.

    `problems` are sentences that name each invalid downloaded table, and the reason.
    """

    def __init__(self, corrections: Corrections) -> None:
        """Select the tables of this package. Each one is decoded when it is needed."""
        self._corrections = corrections
        self._genai = LazyGenaiPrices(corrections=corrections)
        self._litellm: LiteLLMPrices | None = None
        self._downloads: dict[str, _Edition] = {}
        self.problems: tuple[str, ...] = ()

    def replace(
        self,
        source: str,
        data: bytes,
        *,
        updated_at: float | None,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        """Replace a table with a download. Parameters and errors: see `PriceBook.load`."""
        if source == GENAI:
            genai = LazyGenaiPrices(
                data, corrections=self._corrections, on_error=partial(self._reject, on_error)
            )
            if on_error is None:
                genai.read()
            self._genai = genai
            self.problems = ()
        else:
            self._litellm = LiteLLMPrices(data)
        self._downloads[source] = _Edition(hashlib.sha256(data).hexdigest()[:12], updated_at)

    def _reject(self, on_error: Callable[[Exception], None] | None, error: Exception) -> None:
        reason = str(error) if isinstance(error, PriceTableError) else type(error).__name__
        self.problems = (f"the downloaded table of {GENAI} cannot be used: {reason}",)
        if on_error is not None:
            on_error(error)

    def corrected(self) -> Sources:
        """Return the tables in order of precedence, with the corrections."""
        tables = tuple(table.period for table in self._in_order())
        return Sources(tables, self._corrections, self._genai.prices().openrouter_period)

    def sources(self) -> tuple[PriceSource, ...]:
        """Return the corrections and the tables, with version and date."""
        package = version(GENAI)
        download = self._downloads.get(GENAI)
        genai = f"{package}+{download.version}" if download else package
        date = download.updated_at if download else BUNDLED_DATES.get(package)
        snapshot = _Edition(bundled_snapshot().version, bundled_snapshot().date)
        sources = (
            self._corrections.price_source,
            PriceSource(GENAI, genai, date),
            PriceSource(LITELLM, *self._downloads.get(LITELLM, snapshot)),
        )
        return tuple(source for source in sources if source is not None)

    def context_window(self, model: str) -> int | None:
        """Return the size of the model's context window in tokens, or None if unknown."""
        if not model or len(model) > LONGEST_NAME or is_local("", model):
            return None
        if model.lower().endswith(_LONG_CONTEXT):
            return 1_000_000
        windows = (table.context_window(model) for table in self._in_order())
        return next((tokens for tokens in windows if tokens is not None), None)

    def disagreements(self, now: float) -> tuple[Disagreement, ...]:
        """Return the models for which genai-prices and a downloaded LiteLLM table differ.

        The prices are those in force at `now` (unix seconds).
        """
        litellm = self._litellm
        if litellm is None:
            return ()
        found = []
        for model, maker in sorted(set(litellm.makers_models())):
            ours = self._genai.prices().period(model, provider=maker, at=now)
            theirs = litellm.period(model, provider=maker, at=now)
            if ours is None or theirs is None or ours.card is None or theirs.card is None:
                continue
            if ours.card.provider == maker and _differ(ours.card.tiers, theirs.card.tiers):
                found.append(Disagreement(model, ours.card, theirs.card))
        return tuple(found)

    def _in_order(self) -> Iterator["GenaiPrices | LiteLLMPrices"]:
        """Yield the price tables in order of precedence. A table is decoded when it is needed."""
        yield self._genai.prices()
        if self._litellm is not None:
            yield self._litellm
        yield bundled_prices()


def _differ(ours: Tiers, theirs: Tiers) -> bool:
    """Return whether two sources list different tiers, or different rates in a tier.

    Only input, output and cache read rates are compared. A limit of 199,999 prompt tokens and a
    limit of 200,000 prompt tokens count as the same limit.
    """
    return len(ours) != len(theirs) or any(
        abs(above - their_above) > 1
        or (our.input, our.output) != (their.input, their.output)
        or (
            # if a cache rate equals the input rate, the source may not list the cache rate
            our.cache_read not in {our.input, their.cache_read} and their.cache_read != their.input
        )
        for (above, our), (their_above, their) in zip(ours, theirs, strict=True)
    )
