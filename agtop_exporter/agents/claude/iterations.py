"""The model responses of one record: `usage.iterations` lists them if there are several.

The figures of the record are the sum over its own iterations, of type `message` or
`fallback_message`: a server tool has the model continue, or another model answers what the first
one refused. Not in that sum are an advisor's answers, server-side compactions, and what a model
wrote before it refused. These types, and what the sum contains, are in the program of 2.1.332;
ccusage/ccusage 1115, 1423 and 1552 have the reports.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from agtop_exporter.agents.claude.records import Iteration, Usage, token_counts
from agtop_exporter.model import NO_TOKENS, TokenCounts

SAMPLING = frozenset({"message", "fallback_message"})
SEPARATE = frozenset({"advisor_message", "compaction"})
KNOWN = SAMPLING | SEPARATE

_DATE = re.compile(r"-20\d{6}$")


class Part(NamedTuple):
    """One billed model response of a record. `place` is its index in `usage.iterations`."""

    place: int
    model: str
    tokens: TokenCounts
    speed: str


def unknown_types(usage: Usage) -> list[str]:
    """Return the types of iterations that are not known, as names of record types."""
    return [f"iteration.{each.type}" for each in usage.iterations or () if each.type not in KNOWN]


def own_parts(usage: Usage, model: str, total: TokenCounts) -> list[Part]:
    """Return the responses that the figures of the record include; `total` are these figures.

    If they are not the sum over the iterations, the record is one response.
    """
    speed = usage.price_tier
    parts = [
        Part(index, model, _tokens(iteration, total), speed)
        for index, iteration in _own(usage, model)
    ]
    if len(parts) > 1 and _sum(part.tokens for part in parts) == _without_reasoning(total):
        return _with_reasoning(parts, total.reasoning)
    return [Part(0, model, total, speed)]


def other_parts(usage: Usage, model: str, advisor: str) -> list[Part]:
    """Return the responses that the figures of the record do not include.

    `model` answered. `advisor` is the model of an advisor whose iteration does not name it. What a
    model wrote before it refused is billed if it wrote anything.
    """
    own = {index for index, _ in _own(usage, model)}
    parts = []
    for index, iteration in enumerate(usage.iterations or ()):
        if index in own or iteration.type not in KNOWN:
            continue
        if iteration.type in SAMPLING and not iteration.output_tokens:
            continue
        unnamed = advisor if iteration.type == "advisor_message" else model
        name, tokens = iteration.model or unnamed, token_counts(iteration)
        if tokens != NO_TOKENS:
            parts.append(Part(index, name, tokens, iteration.price_tier))
    return parts


def context_tokens(usage: Usage, model: str, total: TokenCounts) -> int:
    """Return how much of the context the record fills: the size of its last own iteration."""
    own = _own(usage, model)
    if own:
        last = own[-1][1]
        tokens = token_counts(last)
        if tokens.prompt and None not in (
            last.input_tokens,
            last.output_tokens,
            last.cache_read_input_tokens,
            last.cache_creation_input_tokens,
        ):
            return tokens.total
    return total.total


def _own(usage: Usage, model: str) -> list[tuple[int, Iteration]]:
    """Return the iterations in the figures of the record, with their places."""
    if not usage.iterations:
        return []
    sampled = [pair for pair in enumerate(usage.iterations) if pair[1].type in SAMPLING]
    own = [pair for pair in sampled if _same_model(pair[1].model, model)] or sampled[-1:]
    if len(own) > 1 and any(iteration.type == "fallback_message" for _, iteration in own):
        figures = token_counts(usage)
        if _without_reasoning(figures) == _tokens(own[-1][1], figures):
            return own[-1:]  # the model was asked again after it had refused
    return own


def _same_model(named: str | None, served: str) -> bool:
    """Return whether an iteration is of the model that answered; an unnamed one is."""
    return not named or _DATE.sub("", named) == _DATE.sub("", served)


def _tokens(iteration: Iteration, total: TokenCounts) -> TokenCounts:
    """Return the tokens of an iteration; cache writes of unknown lifetime are like the record's."""
    tokens = token_counts(iteration)
    if iteration.cache_creation is None and total.cache_write_1h and not total.cache_write_5m:
        return TokenCounts(tokens.input, tokens.cache_read, 0, tokens.cache_write_5m, tokens.output)
    return _without_reasoning(tokens)


def _with_reasoning(parts: list[Part], reasoning: int) -> list[Part]:
    """Spread the reasoning tokens of a record, which only its figures have."""
    spread = []
    for part in parts:
        share = min(reasoning, part.tokens.output)
        reasoning -= share
        tokens = part.tokens + TokenCounts(reasoning=share)
        spread.append(part._replace(tokens=tokens))
    return spread


def _without_reasoning(tokens: TokenCounts) -> TokenCounts:
    return tokens - TokenCounts(reasoning=tokens.reasoning) if tokens.reasoning else tokens


def _sum(counts: Iterable[TokenCounts]) -> TokenCounts:
    return sum(counts, NO_TOKENS)
