"""Looks up prices in all price sources. Caches each price for the period in which it applies."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from agtop_exporter import __version__
from agtop_exporter.model import (
    NO_COST,
    Batch,
    Cost,
    PriceSource,
    UsageEvent,
)
from agtop_exporter.pricing.card import PriceCard, PricePeriod, always
from agtop_exporter.pricing.corrections import Corrections, bundled_corrections
from agtop_exporter.pricing.lazy_genai import BUNDLED_DATES, GENAI, LazyGenaiPrices
from agtop_exporter.pricing.lazy_litellm import bundled_prices, bundled_snapshot
from agtop_exporter.pricing.litellm import SOURCE as LITELLM
from agtop_exporter.pricing.litellm import LiteLLMPrices
from agtop_exporter.pricing.names import LONGEST_NAME
from agtop_exporter.pricing.overrides import SOURCE as OVERRIDE
from agtop_exporter.pricing.overrides import Override, Overrides
from agtop_exporter.pricing.rates import PriceTableError, Tiers
from agtop_exporter.pricing.sources import Sources

if TYPE_CHECKING:
    from agtop_exporter.pricing.genai import GenaiPrices

_LATEST = 4_102_444_800.0  # 2100-01-01; a later time has the price of this day
_LONG_CONTEXT = "[1m]"  # an agent appends it to models with a context of a million tokens
_MAX_PERIODS = 64  # per model; a price that depends on the time of day has one per hour
_MAX_MODELS = 4096  # transcripts may contain any number of model names


class PriceUse(msgspec.Struct, frozen=True):
    """A price that was looked up. `model` and `provider` are the names that the agent recorded."""

    model: str
    provider: str
    period: PricePeriod  # `card` of the period is not None

    @property
    def card(self) -> PriceCard:
        """The price in the period."""
        card = self.period.card
        assert card is not None  # noqa: S101 - see above
        return card


class Disagreement(msgspec.Struct, frozen=True):
    """A model for which two price sources list different current prices.

    `used` is the price in the source with precedence, and `other` the price in the other source.
    """

    model: str
    used: PriceCard
    other: PriceCard


class _Table(NamedTuple):
    """The version of a price table, and its date in unix seconds; None if unknown."""

    version: str
    updated_at: float | None


class PriceBook:
    """Looks up prices in all price sources: overrides, tables and corrections.

    One thread may load a table while another thread looks up prices.
    """

    def __init__(
        self,
        *,
        overrides: Mapping[str, Override] | None = None,
        litellm: bytes | None = None,
        corrections: Corrections | None = None,
    ) -> None:
        """Create a book with the user's prices (`overrides`) and a downloaded LiteLLM table.

        `litellm` is the content of the download. `corrections` change prices in the tables; the
        default is the corrections in this package.

        Raises:
            PriceTableError: An override or the table is not valid.

        """
        self._overrides = Overrides(overrides or {})
        self._corrections = bundled_corrections() if corrections is None else corrections
        self._genai = LazyGenaiPrices(corrections=self._corrections)
        self._litellm: LiteLLMPrices | None = None
        self._tables: dict[str, _Table] = {}
        self._periods: dict[tuple[str, str], list[PricePeriod]] = {}  # by model and provider
        self._context_windows: dict[str, int | None] = {}  # tokens, by model
        self._used: dict[tuple[str, str, float], PriceUse] = {}
        self._unknown: set[str] = set()
        self.generation = 0
        """A number that increases when a price table or the overrides change."""
        self.problems: tuple[str, ...] = ()
        """Sentences that say which downloaded table is not valid, and why."""
        if litellm is not None:
            self.load(LITELLM, litellm, updated_at=None)

    def cost(self, response: UsageEvent) -> Cost | None:
        """Return the list price of a response, or None if it is unknown.

        If the list price is unknown and the agent recorded a cost, return the recorded cost, unless
        a price of the user replaces it. If the list price is known, the result does not include the
        recorded cost.
        """
        cost = self._list_price(response)
        if cost is None and response.reported_cost and not response.own_price:
            return Cost(reported=response.reported_cost)
        return cost

    def _list_price(self, response: UsageEvent) -> Cost | None:
        card = self.card(response.model, at=response.time, provider=response.provider)
        if card is not None:
            cost = card.cost(
                response.tokens,
                speed=response.speed,
                region=response.region,
                web_searches=response.web_searches,
                requests=response.requests,
            )
            if cost is None and len(self._unknown) < _MAX_MODELS:
                self._unknown.add(_sentence(response, card))
            return cost
        return None if response.tokens.total or response.web_searches else NO_COST

    def card(self, model: str, *, at: float, provider: str = "") -> PriceCard | None:
        """Return the price of `model` in force at `at` (unix seconds), or None if unknown.

        `provider` is the agent's name of the billing provider, or "" if unknown.
        """
        return self.period(model, provider, at).card

    def period(self, model: str, provider: str, at: float) -> PricePeriod:
        """Return the price of `model` in force at `at`, with its period. Parameters: see `card`."""
        for period in self._periods.get((model, provider), ()):
            if period[0] <= at < period[1]:  # for each usage event; indexes are faster than names
                return period
        return self._look_up(model, provider, at)

    def context_window(self, model: str) -> int | None:
        """Return the size of the model's context window in tokens, or None if unknown."""
        if model not in self._context_windows:
            if len(self._context_windows) >= _MAX_MODELS:
                self._context_windows.clear()
            self._context_windows[model] = self._find_context_window(model)
        return self._context_windows[model]

    def _find_context_window(self, model: str) -> int | None:
        if not model or len(model) > LONGEST_NAME:
            return None
        if model.lower().endswith(_LONG_CONTEXT):
            return 1_000_000
        windows = (table.context_window(model) for table in self._in_order())
        return next((tokens for tokens in windows if tokens is not None), None)

    def _in_order(self) -> Iterator["GenaiPrices | LiteLLMPrices"]:
        """Yield the price tables in order of precedence. A table is decoded when it is needed."""
        yield self._genai.prices()
        if self._litellm is not None:
            yield self._litellm
        yield bundled_prices()

    def load(
        self,
        source: str,
        data: bytes,
        *,
        updated_at: float | None,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        """Replace a price table with the download `data`.

        `source` is `genai-prices` or `litellm`. `updated_at` is the download time in unix seconds.
        If `on_error` is given, a genai-prices table is not decoded before the first lookup. If that
        table is not valid, the lookup calls `on_error` once and uses the bundled table.

        Raises:
            PriceTableError: The download is not valid. The previous table remains in use.

        """
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
        self._tables[source] = _Table(hashlib.sha256(data).hexdigest()[:12], updated_at)
        # Only now: a lookup that still uses the old table writes to the old caches.
        self._periods, self._context_windows, self._unknown = {}, {}, set()
        self.generation += 1

    def _reject(self, on_error: Callable[[Exception], None] | None, error: Exception) -> None:
        reason = str(error) if isinstance(error, PriceTableError) else type(error).__name__
        self.problems = (f"the downloaded table of {GENAI} cannot be used: {reason}",)
        if on_error is not None:
            on_error(error)

    def override(self, overrides: Mapping[str, Override]) -> None:
        """Replace the user's prices. Raises PriceTableError if a price is not valid."""
        self._overrides = Overrides(overrides)
        self._periods = {}
        self.generation += 1

    def used(self) -> tuple[PriceUse, ...]:
        """Return every price that was looked up, sorted by model, provider and period."""
        return tuple(use for _, use in sorted(self._used.items()))

    def unknown_prices(self) -> tuple[str, ...]:
        """Return one sentence for each missing price.

        A sentence names a model with a known standard price, and the service tier, region or fee
        whose price is unknown. Only responses that were priced after the last change of the tables
        count. Further sentences name the overrides that lack a rate.
        """
        overrides = (
            f"your price of {name} needs input and output: no price list has the model"
            for name in self._overrides.incomplete
        )
        return (*sorted(self._unknown), *sorted(overrides))

    def billed(self, batch: Batch) -> Batch:
        """Return the batch, with `own_price` set in events whose recorded cost is replaced."""
        if not self._overrides.can_ignore_agent_cost:
            return batch
        events = tuple(
            msgspec.structs.replace(event, own_price=True)
            if event.reported_cost is not None and self.replaces_agent_cost(event)
            else event
            for event in batch.events
        )
        return msgspec.structs.replace(batch, events=events)

    def replaces_agent_cost(self, event: UsageEvent) -> bool:
        """Return whether a price of the user is billed instead of the cost that the agent recorded.

        That is the case if `over_agent_cost` of that price is true.
        """
        return self._overrides.ignores_agent_cost(
            event.model, provider=event.provider, at=event.time
        )

    def sources(self) -> tuple[PriceSource, ...]:
        """Return the price sources in use, with version and date, in order of precedence."""
        package = version(GENAI)
        download = self._tables.get(GENAI)
        genai = f"{package}+{download.version}" if download else package
        date = download.updated_at if download else BUNDLED_DATES.get(package)
        snapshot = _Table(bundled_snapshot().version, bundled_snapshot().date)
        sources = (
            PriceSource(OVERRIDE, "", None) if len(self._overrides) else None,
            self._corrections.price_source,
            PriceSource(GENAI, genai, date),
            PriceSource(LITELLM, *self._tables.get(LITELLM, snapshot)),
        )
        return tuple(source for source in sources if source is not None)

    def listings(self, model: str, *, provider: str, at: float) -> tuple[PriceCard, ...]:
        """Return the price of a model in each table at `at` (unix seconds), before corrections."""
        if len(model) > LONGEST_NAME or len(provider) > LONGEST_NAME:
            return ()
        cards: dict[str, PriceCard] = {}
        for card in self._sources().listings(model, provider, min(max(0.0, at), _LATEST)):
            cards.setdefault(card.source, card)
        return tuple(cards.values())

    @property
    def fingerprint(self) -> str:
        """Two digests, joined by `-`, that change when prices change.

        The first digest is of the overrides. The second digest is of the versions of the tables and
        of this package, which computes the prices.
        """
        tables = "\0".join([__version__, *map(repr, self.sources())])
        digests = (hashlib.sha256(text.encode()) for text in (repr(self._overrides), tables))
        return "-".join(digest.hexdigest()[:12] for digest in digests)

    def known_price_disagreements(self, now: float) -> tuple[Disagreement, ...]:
        """Return the models for which genai-prices and LiteLLM list different prices.

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

    def _sources(self) -> Sources:
        tables = tuple(table.period for table in self._in_order())
        return Sources(tables, self._corrections, self._genai.prices().openrouter_period)

    def _look_up(self, model: str, provider: str, at: float) -> PricePeriod:
        if not model or len(model) > LONGEST_NAME or len(provider) > LONGEST_NAME:
            return always(None)
        cache = self._periods  # before the lookup, see load
        time = min(max(0.0, at), _LATEST)
        listed = self._sources().period(model, provider=provider, at=time)
        period = self._overrides.apply(listed, model, provider=provider, at=time) or always(None)
        if len(cache) >= _MAX_MODELS:
            cache.clear()
        periods = cache.setdefault((model, provider), [])
        if len(periods) >= _MAX_PERIODS:
            periods.clear()
        periods.append(period)
        if period.card is not None and len(self._used) < _MAX_MODELS:
            self._used[model, provider, period.start] = PriceUse(model, provider, period)
        return period


def _sentence(response: UsageEvent, card: PriceCard) -> str:
    unknown = card.unknown(
        speed=response.speed, region=response.region, web_searches=response.web_searches
    )
    provider = f" of {response.provider}" if response.provider else ""
    return f"no price is known for {unknown} of {response.model}{provider}"


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
