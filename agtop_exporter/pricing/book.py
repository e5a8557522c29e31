"""Which source knows a model's price at a time; every answer is remembered while it holds."""

import hashlib
import importlib.util
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import structlog

from agtop_exporter import __version__
from agtop_exporter.model import (
    NO_COST,
    Cost,
    PriceSource,
    UsageEvent,
)
from agtop_exporter.pricing.litellm import SOURCE as LITELLM
from agtop_exporter.pricing.litellm import LiteLLMPrices
from agtop_exporter.pricing.names import LONGEST_NAME
from agtop_exporter.pricing.overrides import SOURCE as OVERRIDE
from agtop_exporter.pricing.overrides import Override, Overrides
from agtop_exporter.pricing.rates import PriceCard, PriceTableError, Tiers, Window, always

if TYPE_CHECKING:
    from agtop_exporter.pricing.genai import GenaiPrices

GENAI = "genai-prices"

log = structlog.get_logger()

_LATEST = 4_102_444_800.0  # 2100-01-01: what claims to be later is priced as if it were then
_LONG_CONTEXT = "[1m]"  # suffix of a model whose context has a million tokens
_MAX_WINDOWS = 64  # of one model: a price that changes with the hour has very many
_MAX_REMEMBERED = 4096  # a bound on hostile transcripts: nobody uses that many models


class PriceUse(msgspec.Struct, frozen=True):
    """A price that was used, and for which model and provider as the agent names them."""

    model: str
    provider: str
    card: PriceCard


class Disagreement(msgspec.Struct, frozen=True):
    """Two sources that differ on a model's current price; the first is the one used."""

    model: str
    used: PriceCard
    other: PriceCard


class _Memo(msgspec.Struct, frozen=True, array_like=True):
    """What was found in the tables of genai-prices, for whoever has the same ones."""

    tables: str
    windows: list[tuple[str, str, Window]]  # model, provider, price
    contexts: dict[str, int | None] = {}  # tokens by model


class _Table(NamedTuple):
    """What a source was last given, and of when."""

    version: str = ""
    updated_at: float | None = None


class PriceBook:
    """All price sources as one; safe to reload from one thread while another asks."""

    def __init__(
        self,
        *,
        overrides: Mapping[str, Override] | None = None,
        litellm: bytes | None = None,
    ) -> None:
        """Take the user's prices (`overrides.py`) and LiteLLM's table, if there is one.

        Raises PriceTableError for an override that is no price and a table that is none.
        """
        self._overrides = Overrides(overrides or {})
        self._genai: _LazyGenai = _LazyGenai(None)
        self._litellm: LiteLLMPrices | None = None
        self._tables: dict[str, _Table] = {}
        self._windows: dict[tuple[str, str], list[Window]] = {}
        self._memo: dict[tuple[str, str], list[Window]] = {}  # found in genai-prices' tables
        self._contexts: dict[str, int | None] = {}  # windows, by model
        self._context_memo: dict[str, int | None] = {}  # those of genai-prices' tables
        self._has_learned = False
        self._used: dict[tuple[str, str, float], PriceUse] = {}
        self.generation = 0
        if litellm is not None:
            self.load(LITELLM, litellm, updated_at=None)

    def cost(self, response: UsageEvent) -> Cost | None:
        """Return what a response cost, None if nobody knows.

        That is the agent's own word where it says it, else the price of the response's time.
        """
        if response.reported_cost:
            return Cost(reported=response.reported_cost)
        card = self.card(response.model, at=response.time, provider=response.provider)
        if card is not None:
            return card.cost(response.tokens, speed=response.speed)
        return None if response.tokens.total else NO_COST

    def card(self, model: str, *, at: float, provider: str = "") -> PriceCard | None:
        """Return the price of `model` in force at `at` (unix seconds), None if nobody knows it.

        `provider` is who bills, as the agent names it; empty if it does not say.
        """
        return self._window(model, provider, at).card

    def _window(self, model: str, provider: str, at: float) -> Window:
        for window in self._windows.get((model, provider), ()):
            if window[0] <= at < window[1]:  # once per usage event: an index is faster than a name
                return window
        return self._look_up(model, provider, at)

    def context_window(self, model: str) -> int | None:
        """Return how many tokens the model's context holds, None if nobody says."""
        if model not in self._contexts:
            if len(self._contexts) >= _MAX_REMEMBERED:
                self._contexts.clear()
            self._contexts[model] = self._find_context(model)
        return self._contexts[model]

    def _find_context(self, model: str) -> int | None:
        if not model or len(model) > LONGEST_NAME:
            return None
        if model.lower().endswith(_LONG_CONTEXT):
            return 1_000_000
        tokens = self._genai_context(model)
        if tokens is None and self._litellm is not None:
            tokens = self._litellm.context_window(model)
        return tokens

    def _genai_context(self, model: str) -> int | None:
        memo = self._context_memo
        if model in memo:
            return memo[model]
        tokens = self._genai.prices().context_window(model)
        if len(memo) < _MAX_REMEMBERED:
            memo[model] = tokens
            self._has_learned = True
        return tokens

    def load(
        self, source: str, data: bytes, *, updated_at: float | None, lazy: bool = False
    ) -> None:
        """Replace the table of `genai-prices` or `litellm` with another download.

        Raises PriceTableError for one that cannot be used; the old one then stays. With `lazy` a
        genai-prices table is read only when a price is asked for, and left out if it is bad.
        """
        if source == GENAI:
            genai = _LazyGenai(data)
            if not lazy:
                genai.read()
            self._genai, self._memo, self._context_memo = genai, {}, {}
        else:
            self._litellm = LiteLLMPrices(data)
        self._tables[source] = _Table(hashlib.sha256(data).hexdigest()[:12], updated_at)
        # After the tables: whoever fills the old memo with an old answer fills it for nobody.
        self._windows, self._contexts = {}, {}
        self.generation += 1

    def recall(self, memo: bytes) -> None:
        """Take what an earlier process found; what it found in other tables is left out."""
        try:
            known = msgspec.msgpack.decode(memo, type=_Memo)
        except (msgspec.MsgspecError, RecursionError):
            return
        if known.tables == self._memo_tables():
            for model, provider, window in known.windows[:_MAX_REMEMBERED]:
                self._memo.setdefault((model, provider), []).append(window)
            self._context_memo.update(islice(known.contexts.items(), _MAX_REMEMBERED))

    def memo(self) -> bytes | None:
        """Return what the next process need not look up; None where that is nothing new.

        Reading the tables takes longer than all else that a process does at its start.
        """
        if not self._has_learned:
            return None
        self._has_learned = False
        windows = [(*key, window) for key, found in self._memo.items() for window in found]
        return msgspec.msgpack.encode(_Memo(self._memo_tables(), windows, self._context_memo))

    def _memo_tables(self) -> str:
        return f"{__version__} {genai_version()} {self._tables.get(GENAI, _Table()).version}"

    def override(self, overrides: Mapping[str, Override]) -> None:
        """Replace the user's prices; raises PriceTableError for one that is none."""
        self._overrides = Overrides(overrides)
        self._windows = {}
        self.generation += 1

    def used(self) -> tuple[PriceUse, ...]:
        """Return every price that was used, sorted by model and provider."""
        return tuple(use for _, use in sorted(self._used.items()))

    def sources(self) -> tuple[PriceSource, ...]:
        """Return the tables in use, the first to be asked first."""
        package = genai_version()
        download = self._tables.get(GENAI)
        genai = f"{package}+{download.version}" if download else package
        sources = [PriceSource(GENAI, genai, download.updated_at if download else None)]
        if len(self._overrides):
            sources.insert(0, PriceSource(OVERRIDE, "", None))
        if LITELLM in self._tables:
            sources.append(PriceSource(LITELLM, *self._tables[LITELLM]))
        return tuple(sources)

    def known_price_disagreements(self, now: float) -> tuple[Disagreement, ...]:
        """Return the models whose current price genai-prices and LiteLLM give differently."""
        litellm = self._litellm
        if litellm is None:
            return ()
        found = []
        for model, maker in sorted(set(litellm.makers_models())):
            ours = self._genai.prices().window(model, provider=maker, at=now)
            theirs = litellm.window(model, provider=maker, at=now)
            if ours is None or theirs is None or ours.card is None or theirs.card is None:
                continue
            if ours.card.provider == maker and _differ(ours.card.tiers, theirs.card.tiers):
                found.append(Disagreement(model, ours.card, theirs.card))
        return tuple(found)

    def _look_up(self, model: str, provider: str, at: float) -> Window:
        if not model or len(model) > LONGEST_NAME or len(provider) > LONGEST_NAME:
            return always(None)
        memo = self._windows  # before the tables: see load
        time = min(max(0.0, at), _LATEST)
        window = (
            self._overrides.window(model, provider=provider, at=time)
            or self._genai_window(model, provider, time)
            or (self._litellm and self._litellm.window(model, provider=provider, at=time))
            or always(None)
        )
        if len(memo) >= _MAX_REMEMBERED:
            memo.clear()
        windows = memo.setdefault((model, provider), [])
        if len(windows) >= _MAX_WINDOWS:
            windows.clear()
        windows.append(window)
        if window.card is not None and len(self._used) < _MAX_REMEMBERED:
            self._used[model, provider, window.start] = PriceUse(model, provider, window.card)
        return window

    def _genai_window(self, model: str, provider: str, at: float) -> Window | None:
        memo = self._memo
        for window in memo.get((model, provider), ()):
            if window.start <= at < window.end:
                return window if window.card else None
        found = self._genai.prices().window(model, provider=provider, at=at) or always(None)
        if len(memo) < _MAX_REMEMBERED:
            windows = memo.setdefault((model, provider), [])
            if len(windows) < _MAX_WINDOWS:
                windows.append(found)
                self._has_learned = True
        return found if found.card else None


def genai_version() -> str:
    """Return the version of the package; importlib.metadata takes 20 ms to import."""
    spec = importlib.util.find_spec("genai_prices")
    folder = Path(spec.origin).parents[1] if spec and spec.origin else Path()
    versions = [
        path.stem.removeprefix("genai_prices-")
        for path in folder.iterdir()
        if path.name.startswith("genai_prices-") and path.suffix == ".dist-info"
    ]
    if len(versions) == 1:
        return versions[0]
    from importlib.metadata import version  # noqa: PLC0415 - see above

    return version(GENAI)


class _LazyGenai:
    """The genai-prices tables, read on first use: importing that package takes 0.3 s."""

    def __init__(self, download: bytes | None) -> None:
        self._download = download
        self._prices: GenaiPrices | None = None

    @property
    def is_read(self) -> bool:
        """Say whether somebody needed the tables."""
        return self._prices is not None

    def read(self) -> "GenaiPrices":
        """Read the tables now; raises PriceTableError."""
        from agtop_exporter.pricing.genai import GenaiPrices  # noqa: PLC0415 - takes 0.3 s

        prices = GenaiPrices(self._download)
        self._prices, self._download = prices, None
        return prices

    def prices(self) -> "GenaiPrices":
        """Return the tables; a bad download is left out."""
        if self._prices is not None:
            return self._prices
        try:
            return self.read()
        except PriceTableError as error:
            log.warning("price table ignored", source=GENAI, error=str(error))
            self._download = None
            return self.read()


def _differ(ours: Tiers, theirs: Tiers) -> bool:
    """Compare what both sources keep; "from 200,000" and "above 199,999" tokens are the same."""
    return len(ours) != len(theirs) or any(
        abs(above - their_above) > 1
        or (our.input, our.output) != (their.input, their.output)
        or (
            # the input rate means that one of them just does not list it
            our.cache_read not in {our.input, their.cache_read} and their.cache_read != their.input
        )
        for (above, our), (their_above, their) in zip(ours, theirs, strict=True)
    )
