"""Looks up prices in LiteLLM's table, for models that genai-prices lacks. Prices have no dates.

Format: `model_prices_and_context_window.json` of https://github.com/BerriAI/litellm, a JSON object
that maps model names to entries. `litellm_entry` describes the entries.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from agtop_exporter.pricing.card import PriceCard, PricePeriod, always
from agtop_exporter.pricing.litellm_entry import (
    Entry,
    derived_of,
    regions_of,
    tiers_of,
    web_search_of,
)
from agtop_exporter.pricing.names import candidates, providers_named_in
from agtop_exporter.pricing.rates import PriceTableError, Tiers

SOURCE = "litellm"

_PROVIDERS = {
    "alibaba": "dashscope",
    "alibaba-cn": "dashscope",
    "amazon-bedrock": "bedrock",
    "azure-cognitive-services": "azure",
    "azure-openai": "azure",
    "cloudflare-workers-ai": "cloudflare",
    "fireworks-ai": "fireworks_ai",
    "friendli": "friendliai",
    "github-copilot": "github_copilot",
    "google": "gemini",
    "google-vertex": "vertex_ai",
    "google-vertex-anthropic": "vertex_ai",
    "mistralai": "mistral",
    "moonshotai": "moonshot",
    "novita-ai": "novita",
    "opencode-go": "opencode_go",
    "together": "together_ai",
    "togetherai": "together_ai",
    "vercel": "vercel_ai_gateway",
    "vercel-ai-gateway": "vercel_ai_gateway",
    "vertex": "vertex_ai",
    "x-ai": "xai",
    "z-ai": "zai",
    "zai-coding-plan": "zai",
}
"""The name of a provider that an agent records -> LiteLLM's name of the provider."""

_SECOND_NAMES = {"azure": "azure_ai", "bedrock": "bedrock_mantle"}
"""LiteLLM's name of a seller -> LiteLLM's name of the same seller for a part of its models."""

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
"""LiteLLM's name of a model maker -> the name in genai-prices."""

_RESELLERS = ("dashscope", "mistral")  # makers that also sell models of other makers
_RESOLD = ("deepseek-", "glm-", "kimi-", "minimax-", "zai-")

_REGIONS = ("us", "eu", "apac", "au", "jp", "us-gov")


class _Key(NamedTuple):
    key: str
    match: str


def _resells(maker: str, model: str) -> bool:
    """Return whether `maker` (LiteLLM's name) sells `model`, but another maker made it."""
    return maker in _RESELLERS and model.startswith(_RESOLD)


class LiteLLMPrices:
    """Looks up prices in one LiteLLM table. An entry is decoded when its model is looked up."""

    def __init__(self, data: bytes) -> None:
        """Decode the table. Raises PriceTableError if it is not valid or contains no price."""
        try:
            table = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise PriceTableError(f"not a LiteLLM table: {error}") from error
        table.pop("sample_spec", None)  # documentation in the form of an entry
        self._table = {key.lower(): entry for key, entry in table.items()}
        if not any(self._tiers(key) for key in self._table):
            raise PriceTableError("LiteLLM table holds no price of a model")

    def period(self, model: str, *, provider: str, at: float) -> PricePeriod | None:  # noqa: ARG002 - the table has no dates
        """Return the price of a model, or None if it is unknown. `at` has no effect."""
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
                web_search=web_search_of(entry),
                regions=regions_of(entry),
                derived=derived_of(entry),
            )
        )

    def context_window(self, model: str) -> int | None:
        """Return the size of the model's context window in tokens, or None if unknown."""
        found = self._find(model, "")
        tokens = self._entry(found.key).get("max_input_tokens") if found else None
        return tokens if isinstance(tokens, int) and tokens > 0 else None

    def names(self) -> tuple[str, ...]:
        """Return the names of all entries, in lower case."""
        return tuple(self._table)

    def makers_models(self) -> tuple[tuple[str, str], ...]:
        """Return (model, maker) pairs of the models for which the table has the maker's price.

        The makers have their names in genai-prices.
        """
        return tuple(
            (key.rpartition("/")[2], MAKERS[maker])
            for key in self._table
            if (maker := str(self._entry(key).get("litellm_provider"))) in MAKERS
            and key.partition("/")[0] in {maker, key}
            and self._tiers(key)
        )

    def _find(self, model: str, provider: str) -> _Key | None:
        hints = [hint.lower() for hint in (provider, *providers_named_in(model)) if hint]
        sellers = [_PROVIDERS.get(hint, hint) for hint in hints] or [""]
        sellers += [_SECOND_NAMES[each] for each in sellers if each in _SECOND_NAMES]
        for name, kind in candidates(model):
            listed = (
                *(_Key(f"{seller}/{name}", kind) for seller in sellers),
                _Key(name, kind),
                *(
                    _Key(f"{maker}/{name}", "maker" if hints or _resells(maker, name) else kind)
                    for maker in MAKERS
                ),
                _Key(f"anthropic.{name}", "alias"),
                _Key(f"global.anthropic.{name}", "alias"),
                *(_Key(f"{region}.anthropic.{name}", "regional") for region in _REGIONS),
            )
            for found in listed:
                if found.key in self._table and self._tiers(found.key):
                    seller = str(self._entry(found.key).get("litellm_provider", ""))
                    sold_by = (seller, found.key)
                    if provider and not any(each.startswith(sellers[0]) for each in sold_by):
                        return found._replace(match="maker")
                    return found
        return None

    def _entry(self, key: str) -> Entry:
        try:
            return msgspec.json.Decoder(Entry, float_hook=Decimal).decode(self._table[key])
        except (msgspec.DecodeError, RecursionError, ValueError):
            return {}

    def _tiers(self, key: str) -> dict[str, Tiers]:
        return tiers_of(self._entry(key), claude="claude" in key)
