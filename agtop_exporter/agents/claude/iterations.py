"""Splits a record into several model responses if its `usage.iterations` lists several.

The token counts of the record are the sum of the iterations of type `message` and
`fallback_message`. There are several such iterations if the model continues after a server tool, or
if another model answers after a refusal. The sum excludes the answers of an advisor, server-side
compactions, and the output of a model before its refusal. The types of iterations are defined in
Claude Code 2.1.332; see also the issues 1115, 1423 and 1552 of ccusage/ccusage.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from agtop_exporter.agents.claude.records import CacheCreation, Iteration, Usage, token_counts
from agtop_exporter.model import NO_TOKENS, TokenCounts

SAMPLING = frozenset({"message", "fallback_message"})
SEPARATE = frozenset({"advisor_message", "compaction"})
KNOWN = SAMPLING | SEPARATE
ONE_HOUR = "1h"  # a value of `promptCacheRequested`

_DATE = re.compile(r"-20\d{6}$")


class Part(NamedTuple):
    """One billed model response of a record.

    `place` is the index of the response in `usage.iterations`. `speed` is the price tier; "" for
    the standard price.
    """

    place: int
    model: str
    tokens: TokenCounts
    speed: str


def unknown_types(usage: Usage) -> list[str]:
    """Return the unknown types of iterations, in the form `iteration.<type>`."""
    return [f"iteration.{each.type}" for each in usage.iterations or () if each.type not in KNOWN]


def set_lifetimes(usage: Usage, requested: str | None) -> None:
    """Set the lifetimes of the cache writes of a record if `cache_creation` does not show them.

    The end of a stream has the number of all cache writes without their lifetimes, so
    `cache_creation` has only the writes of the first iteration. If the writes of the last
    iterations have this number, their lifetimes are used. Some gateways report no lifetimes. Then
    they are `requested`, the lifetime in the request. Claude Code 2.1.332 computes both in the same
    way.
    """
    written = usage.cache_creation_input_tokens or 0
    known = usage.cache_creation.total if usage.cache_creation is not None else 0
    if not written or known == written:
        return
    found = CacheCreation()
    for iteration in reversed(usage.iterations or ()):
        if iteration.type in SAMPLING and iteration.cache_creation is not None:
            found = found.plus(iteration.cache_creation)
            if found.total == written:
                usage.cache_creation = found
                return
    if not known and requested == ONE_HOUR:
        usage.cache_creation = CacheCreation(0, written)


def own_parts(usage: Usage, model: str, total: TokenCounts) -> list[Part]:
    """Return the responses that are included in `total`, the token counts of the record.

    `model` is the model that answered. If the token counts of the iterations do not add up to
    `total`, one response with all tokens of `total` is returned.
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
    """Return the billed responses that the token counts of the record exclude.

    `model` is the model that answered. `advisor` is the model of advisor iterations that do not
    name a model. Output before a refusal is billed, so it is returned as a response if it has
    tokens.
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
    """Return the number of tokens in the context of a session after a record.

    `total` are the token counts of the record. The result is the size of the last iteration that
    `total` includes. If this iteration lacks a token count, the result is the sum of `total`.
    """
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
    """Return the items of `usage.iterations` whose tokens are in the counts of `usage`.

    They are the messages of `model`, the model that answered, or the last message if none is of
    this model. If `model` answered again after a refusal and the counts are those of its last
    answer, only this answer is returned. Each item is (index, iteration).
    """
    if not usage.iterations:
        return []
    sampled = [pair for pair in enumerate(usage.iterations) if pair[1].type in SAMPLING]
    own = [pair for pair in sampled if _same_model(pair[1].model, model)] or sampled[-1:]
    if len(own) > 1 and any(iteration.type == "fallback_message" for _, iteration in own):
        figures = token_counts(usage)
        if _without_reasoning(figures) == _tokens(own[-1][1], figures):
            return own[-1:]  # the model answered again after it had refused
    return own


def _same_model(named: str | None, served: str) -> bool:
    """Return whether `named`, the model of an iteration, is `served`, the model that answered.

    An iteration without a model also matches. A date at the end of a model name is ignored.
    """
    return not named or _DATE.sub("", named) == _DATE.sub("", served)


def _tokens(iteration: Iteration, total: TokenCounts) -> TokenCounts:
    """Return the tokens of an iteration, without its reasoning tokens.

    `total` are the token counts of the record. If all cache writes of the record have a lifetime of
    1 hour, the cache writes of unknown lifetime in the iteration have this lifetime too.
    """
    tokens = token_counts(iteration)
    if iteration.cache_creation is None and total.cache_write_1h and not total.cache_write_5m:
        return TokenCounts(tokens.input, tokens.cache_read, 0, tokens.cache_write_5m, tokens.output)
    return _without_reasoning(tokens)


def _with_reasoning(parts: list[Part], reasoning: int) -> list[Part]:
    """Distribute the reasoning tokens of a record over its parts, and return the parts.

    A part gets at most as many reasoning tokens as it has output tokens.
    """
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
