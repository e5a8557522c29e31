"""Looks up a model in a genai-prices table, with stricter rules than the genai-prices package.

The package matches names by prefix. It finds Opus 4.1 for `claude-opus-4-10`, and Gemini 3.8 Flash
for `gemini-3.8-flash-cyber`. In this module, a prefix matches only if the rest of the name is a
version suffix (`names.is_version_of`). Otherwise the model is unknown, and its usage has no price.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from genai_prices.data_snapshot import find_provider_by_id
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ConditionalPrice,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    Provider,
    TimeOfDateConstraint,
)

from agtop_exporter.pricing.names import candidates, is_version_of

_SAME_PRICES = ("openai", "anthropic")


class Listing(NamedTuple):
    """A model in the table: its provider, its entry `info`, and how its name was matched.

    `match` has one of the values that `card.PriceCard` explains.
    """

    provider: Provider
    info: ModelInfo
    match: str

    @property
    def is_own(self) -> bool:
        """Whether the table lists the model for the provider, and not only for a maker."""
        return any(self.info is own for own in self.provider.models)


class ProviderIndex:
    """Finds models by provider and name in one genai-prices table."""

    def __init__(self, providers: list[Provider]) -> None:
        self._providers = providers
        self._models: dict[str, dict[str, ModelInfo]] = {}  # by provider, then by id

    def find(self, provider_name: str, names: Sequence[tuple[str, str]]) -> Iterator[Listing]:
        """Yield the entries with a price that a provider has for the names of a model.

        `names` has (name, match kind) pairs. The entries are in the order of the pairs.
        """
        provider = find_provider_by_id(self._providers, provider_name)
        if provider is None:
            return
        if provider.id not in self._models:
            self._models[provider.id] = self._models_by_id(provider)
        models = self._models[provider.id]
        for name, kind in names:
            info = models.get(name) or provider.find_model(name, all_providers=self._providers)
            if info is not None and is_priced(info) and _lists_exactly(info, name):
                yield Listing(provider, info, _match(info.id.lower(), name, kind=kind))

    def is_same(self, name: str, other: str) -> bool:
        """Return whether two names refer to the same provider in the table."""
        return name == other or find_provider_by_id(self._providers, name) is find_provider_by_id(
            self._providers, other
        )

    def resells(self, found: Listing) -> bool:
        """Return whether a listing has the price of a maker, and its provider may charge another.

        Clouds charge the prices of OpenAI and Anthropic for the models of these makers, but not for
        those whose weights are public.
        """
        makers = (maker for maker in self._providers if maker.id in _SAME_PRICES)
        has_same_price = any(found.info is model for maker in makers for model in maker.models)
        return not found.is_own and (not has_same_price or found.info.id.startswith("gpt-oss"))

    def _models_by_id(self, provider: Provider) -> dict[str, ModelInfo]:
        """Return, by id, the models with a price of a provider.

        They include the models of other providers that this provider resells.
        """
        resold_from = provider.fallback_model_providers or ()
        resold = [m for other in self._providers if other.id in resold_from for m in other.models]
        models = filter(is_priced, (*resold, *reversed(provider.models)))
        return {info.id.lower(): info for info in models}


def all_prices(info: ModelInfo) -> list[ModelPrice]:
    """Return the prices of a model for all dates and times of day."""
    return [p.prices for p in info.prices] if isinstance(info.prices, list) else [info.prices]


def is_priced(info: ModelInfo) -> bool:
    """Return whether the model has a price for input and for output tokens."""
    return any(price.input_mtok and price.output_mtok is not None for price in all_prices(info))


def has_hours(info: ModelInfo) -> bool:
    """Return whether the price of a model depends on the time of day."""
    return isinstance(info.prices, list) and any(map(_is_of_hours, info.prices))


def without_hours(info: ModelInfo) -> ModelInfo:
    """Return a copy of a model without the prices that apply only at certain hours of the day."""
    listed = info.prices if isinstance(info.prices, list) else []
    return replace(info, prices=[price for price in listed if not _is_of_hours(price)])


def _is_of_hours(price: ConditionalPrice) -> bool:
    return isinstance(price.constraint, TimeOfDateConstraint)


def _match(listed: str, name: str, *, kind: str) -> str:
    if kind != "exact" or name == listed:
        return kind
    return "date-stripped" if (listed, "date-stripped") in candidates(name) else "alias"


def _lists_exactly(info: ModelInfo, name: str) -> bool:
    return name == info.id.lower() or _lists(info.match, name)


def _lists(clause: MatchLogic, name: str) -> bool:
    """Return whether a match clause of the table matches `name`.

    A clause also matches if `name` is a matching name followed by a version suffix.
    """
    listed = False
    match clause:
        case ClauseEquals(equals):
            listed = name == equals.lower()
        case ClauseRegex(regex):
            listed = _searches(regex, name)
        case ClauseStartsWith(literal):
            listed = name.startswith(literal.lower()) and is_version_of(name, end=len(literal))
        case ClauseEndsWith(literal):
            listed = name.endswith(literal.lower()) and _is_word(name, len(name) - len(literal))
        case ClauseContains(literal):
            at = name.find(literal.lower())
            listed = at >= 0 and _is_word(name, at) and is_version_of(name, end=at + len(literal))
        case ClauseOr(clauses):
            listed = any(_lists(part, name) for part in clauses)
        case ClauseAnd(clauses):
            literals = [part for part in clauses if not isinstance(part, ClauseRegex)]
            listed = all(part.is_match(name) for part in clauses) and any(
                _lists(part, name) for part in literals or clauses
            )
    return listed


def _searches(regex: str, name: str) -> bool:
    try:
        found = re.search(regex, name)
    except re.error:  # the pattern may come from a download
        return False
    return found is not None and is_version_of(name, end=found.end())


def _is_word(name: str, at: int) -> bool:
    return at == 0 or name[at - 1] in "./:@"
