"""Prices from LiteLLM's table, for models that genai-prices does not list. They have no dates.

Format: `model_prices_and_context_window.json` of https://github.com/BerriAI/litellm, a JSON object
of entries by model name. Prices are in USD per token. A key that contains `_above_<N>k_tokens` is
the price of a whole request with a longer prompt. A key that ends in `_priority`, `_flex` or
`_batches` is the price of that service tier.
"""

import re
from decimal import Decimal
from typing import NamedTuple

import msgspec

from agtop_exporter.pricing.names import candidates
from agtop_exporter.pricing.rates import (
    PriceCard,
    PricePeriod,
    PriceTableError,
    Rates,
    Tiers,
    always,
    make_tiers,
    picodollars_per_token,
)

SOURCE = "litellm"

_KEY = re.compile(
    r"(?P<field>input_cost_per_token|output_cost_per_token|cache_read_input_token_cost"
    r"|cache_creation_input_token_cost(?:_above_1hr)?)"
    r"(?:_above_(?P<thousands>\d{1,6})k_tokens)?(?:_(?P<speed>[a-z]+))?"
)
_TOKEN_TYPES = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_token": "output",
}
_SPEEDS = {"batches": "batch"}
_MODES = {"chat", "completion", "responses", None}

_PROVIDERS = {
    "google": "gemini",
    "x-ai": "xai",
    "moonshotai": "moonshot",
    "github-copilot": "github_copilot",
    "zai-coding-plan": "zai",
}
MAKERS = {
    "anthropic": "anthropic",
    "openai": "openai",
    "gemini": "google",
    "xai": "x-ai",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "zai": "zai",
    "moonshot": "moonshotai",
    "minimax": "minimax",
    "dashscope": "dashscope",
}
"""Model makers: LiteLLM's name -> genai-prices' name."""

_REGIONS = ("us", "eu", "apac", "au", "jp", "us-gov")


class _Key(NamedTuple):
    key: str
    match: str


class LiteLLMPrices:
    """A decoded table. An entry is decoded when a model is looked up."""

    def __init__(self, data: bytes) -> None:
        """Decode the table. Raises PriceTableError if it contains no price."""
        try:
            table = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise PriceTableError(f"not a LiteLLM table: {error}") from error
        table.pop("sample_spec", None)  # documentation in the form of an entry
        self._table = {key.lower(): entry for key, entry in table.items()}
        if not any(self._tiers(key) for key in self._table):
            raise PriceTableError("LiteLLM table holds no price of a model")

    def period(self, model: str, *, provider: str, at: float) -> PricePeriod | None:  # noqa: ARG002 - the table has no dates
        """Return the price of a model, or None if the model is unknown."""
        found = self._find(model, provider)
        if found is None:
            return None
        entry = self._entry(found.key)
        tiers = self._tiers(found.key)
        return always(
            PriceCard(
                source=SOURCE,
                match=found.match,
                model=found.key,
                tiers=tiers[""],
                speeds={speed: steps for speed, steps in tiers.items() if speed},
                provider=str(entry.get("litellm_provider", "")),
            )
        )

    def context_window(self, model: str) -> int | None:
        """Return the size of the model's context window in tokens, or None if unknown."""
        found = self._find(model, "")
        tokens = self._entry(found.key).get("max_input_tokens") if found else None
        return tokens if isinstance(tokens, int) and tokens > 0 else None

    def makers_models(self) -> tuple[tuple[str, str], ...]:
        """Return (model, maker) of the models priced by their makers; makers as in genai-prices."""
        return tuple(
            (key.rpartition("/")[2], MAKERS[maker])
            for key in self._table
            if (maker := str(self._entry(key).get("litellm_provider"))) in MAKERS
            and key.partition("/")[0] in {maker, key}
            and self._tiers(key)
        )

    def _find(self, model: str, provider: str) -> _Key | None:
        seller = _PROVIDERS.get(provider.lower(), provider.lower())
        for name, kind in candidates(model):
            listed = (
                _Key(f"{seller}/{name}", kind),
                _Key(name, kind),
                *(_Key(f"{maker}/{name}", "maker") for maker in MAKERS),
                _Key(f"anthropic.{name}", "alias"),
                _Key(f"global.anthropic.{name}", "alias"),
                *(_Key(f"{region}.anthropic.{name}", "regional") for region in _REGIONS),
            )
            for found in listed:
                if found.key in self._table and self._tiers(found.key):
                    return found
        return None

    def _entry(self, key: str) -> dict[str, object]:
        try:
            return msgspec.json.Decoder(dict[str, object], float_hook=Decimal).decode(
                self._table[key]
            )
        except (msgspec.DecodeError, RecursionError, ValueError):
            return {}

    def _tiers(self, key: str) -> dict[str, Tiers]:
        """Return the tiers by service tier ("" is the standard one); empty without a price."""
        entry = self._entry(key)
        if entry.get("mode") not in _MODES:
            return {}
        series = _series(entry)
        standard = series.get("", {})
        claude = "claude" in key
        tiers = {
            speed: steps
            for speed, own in series.items()
            if (steps := make_tiers({**standard, **own}, claude=claude))
        }
        fast = _fast(entry)
        if "" in tiers and fast is not None:
            tiers["fast"] = tuple((above, _times(rates, fast)) for above, rates in tiers[""])
        return tiers if "" in tiers else {}


def _series(entry: dict[str, object]) -> dict[str, dict[str, list[tuple[int, int]]]]:
    """Return the price series (`rates.Series`) of an entry by service tier."""
    series: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for key, value in entry.items():
        found = _KEY.fullmatch(key)
        if found is None or isinstance(value, bool) or not isinstance(value, int | Decimal):
            continue
        try:
            rate = picodollars_per_token(Decimal(value), per_tokens=1)
        except PriceTableError:
            continue
        if not rate:  # resellers list 0 for an unknown price
            continue
        speed = found["speed"] or ""
        steps = series.setdefault(_SPEEDS.get(speed, speed), {})
        above = int(found["thousands"] or 0) * 1000
        steps.setdefault(_TOKEN_TYPES[found["field"]], []).append((above, rate))
    for steps in series.values():
        for rates in steps.values():
            rates.sort()
    return series


def _fast(entry: dict[str, object]) -> Decimal | None:
    """Return the price of the provider's fast mode as a multiple of the standard price."""
    specific = entry.get("provider_specific_entry")
    factor = specific.get("fast") if isinstance(specific, dict) else None
    if isinstance(factor, int | Decimal) and Decimal(factor).is_finite() and 1 <= factor <= 100:  # noqa: PLR2004 - a sanity bound
        return Decimal(factor)
    return None


def _times(rates: Rates, factor: Decimal) -> Rates:
    return Rates(
        input=int(rates.input * factor),
        cache_read=int(rates.cache_read * factor),
        cache_write_5m=int(rates.cache_write_5m * factor),
        cache_write_1h=int(rates.cache_write_1h * factor),
        output=int(rates.output * factor),
    )
