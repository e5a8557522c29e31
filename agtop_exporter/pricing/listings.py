"""Where genai-prices lists a model, matched more strictly than by that package itself.

It takes `claude-opus-4-10` for Opus 4.1 and `gemini-3.8-flash-cyber` for Gemini 3.8 Flash, because
its rules name prefixes; here a prefix counts only if the rest says no more than which version.
"""

import re
from collections.abc import Iterator, Sequence
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
    MatchLogic,
    ModelInfo,
    ModelPrice,
    Provider,
)

from agtop_exporter.pricing.names import candidates, is_version_of


class Found(NamedTuple):
    """Where a model is listed, and how its name led there (`rates.PriceCard.match`)."""

    provider: Provider
    info: ModelInfo
    match: str


class Sellers:
    """One table of sellers and what they list."""

    def __init__(self, table: list[Provider]) -> None:
        self._table = table
        self._listings: dict[str, _Listing] = {}

    def find(self, seller: str, names: Sequence[tuple[str, str]]) -> Iterator[Found]:
        """Yield the seller's priced listings of the names, in their order."""
        provider = find_provider_by_id(self._table, seller)
        if provider is None:
            return
        listing = self._listings.get(provider.id)
        if listing is None:
            listing = self._listings[provider.id] = _Listing(provider, self._table)
        for name, kind in names:
            info = listing.find(name)
            if info is not None:
                yield Found(provider, info, _match(info.id.lower(), name, kind=kind))


class _Listing:
    """The priced models of one seller, and of those whose models it sells."""

    def __init__(self, seller: Provider, table: list[Provider]) -> None:
        lenders = seller.fallback_model_providers or ()
        lent = [info for other in table if other.id in lenders for info in other.models]
        models = [info for info in (*seller.models, *lent) if is_priced(info)]
        self._named = {info.id.lower(): info for info in reversed(models)}
        self._rules: list[tuple[MatchLogic, ModelInfo]] = []
        for info in models:
            for rule in info.match.or_ if isinstance(info.match, ClauseOr) else (info.match,):
                if isinstance(rule, ClauseEquals):
                    self._named.setdefault(rule.equals.lower(), info)
                else:
                    self._rules.append((rule, info))

    def find(self, name: str) -> ModelInfo | None:
        """Return the model of that name, its own name before its aliases and rules."""
        if name in self._named:
            return self._named[name]
        return next((info for rule, info in self._rules if _lists(rule, name)), None)


def all_prices(info: ModelInfo) -> list[ModelPrice]:
    """Return the prices of a model at all times."""
    return [p.prices for p in info.prices] if isinstance(info.prices, list) else [info.prices]


def is_priced(info: ModelInfo) -> bool:
    """Tell whether the model has a price of tokens in and out."""
    return any(price.input_mtok and price.output_mtok is not None for price in all_prices(info))


def _match(listed: str, name: str, *, kind: str) -> str:
    if kind != "exact" or name == listed:
        return kind
    return "date-stripped" if (listed, "date-stripped") in candidates(name) else "alias"


def _lists(clause: MatchLogic, name: str) -> bool:
    """Tell whether the clause lists this very name, or one of which it is only a version."""
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
        return re.search(regex, name) is not None
    except re.error:  # a download may hold anything
        return False


def _is_word(name: str, at: int) -> bool:
    return at == 0 or name[at - 1] in "./:@"
