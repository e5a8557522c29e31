"""Looks up prices in all price sources. Caches each price for the period in which it applies."""

import hashlib
from collections.abc import Callable, Mapping

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
from agtop_exporter.pricing.litellm import SOURCE as LITELLM
from agtop_exporter.pricing.names import LONGEST_NAME
from agtop_exporter.pricing.overrides import SOURCE as OVERRIDE
from agtop_exporter.pricing.overrides import Override, Overrides
from agtop_exporter.pricing.tables import Disagreement, PriceTables

_LATEST = 4_102_444_800.0  # 2100-01-01; a later time has the price of this day
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
        self._tables = PriceTables(bundled_corrections() if corrections is None else corrections)
        self._periods: dict[tuple[str, str], list[PricePeriod]] = {}  # by model and provider
        self._context_windows: dict[str, int | None] = {}  # tokens, by model
        self._used: dict[tuple[str, str, float], PriceUse] = {}
        self._unknown: set[str] = set()
        self.generation = 0
        """A number that increases when a price table or the overrides change."""
        if litellm is not None:
            self.load(LITELLM, litellm, updated_at=None)

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences that name each invalid downloaded table, and the reason."""
        return self._tables.problems

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
            self._context_windows[model] = self._tables.context_window(model)
        return self._context_windows[model]

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
        self._tables.replace(source, data, updated_at=updated_at, on_error=on_error)
        # Only now: a lookup that still uses the old table writes to the old caches.
        self._periods, self._context_windows, self._unknown = {}, {}, set()
        self.generation += 1

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
        own = (PriceSource(OVERRIDE, "", None),) if len(self._overrides) else ()
        return (*own, *self._tables.sources())

    def listings(self, model: str, *, provider: str, at: float) -> tuple[PriceCard, ...]:
        """Return the price of a model in each table at `at` (unix seconds), before corrections."""
        if len(model) > LONGEST_NAME or len(provider) > LONGEST_NAME:
            return ()
        cards: dict[str, PriceCard] = {}
        for card in self._tables.corrected().listings(model, provider, min(max(0.0, at), _LATEST)):
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
        """Return the models whose prices at `now` (unix seconds) differ between the tables."""
        return self._tables.disagreements(now)

    def _look_up(self, model: str, provider: str, at: float) -> PricePeriod:
        if not model or len(model) > LONGEST_NAME or len(provider) > LONGEST_NAME:
            return always(None)
        cache = self._periods  # before the lookup, see load
        time = min(max(0.0, at), _LATEST)
        listed = self._tables.corrected().period(model, provider=provider, at=time)
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
