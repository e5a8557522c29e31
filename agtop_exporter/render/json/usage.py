"""Defines the JSON objects of tokens, of cost, and of the usage by model."""

from collections.abc import Mapping
from operator import attrgetter
from typing import NamedTuple

from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    TOKEN_TYPES,
    Cost,
    ModelUsage,
    Session,
    TokenCounts,
)
from agtop_exporter.render.json.shape import Key, Shape, key_of, keys_of, mapping_of

HIDDEN: tuple[Key, ...] = ()


class Bill(NamedTuple):
    """A cost and the amounts derived from it.

    An amount is None if no price is known. `included` is true if the plan covers the cost.
    """

    cost: Cost
    total_usd: float | None
    billed_usd: float | None
    included: bool


class Usage(NamedTuple):
    """The usage of a session with its subagents. The fields have the same names as in `Session`."""

    models: Mapping[str, ModelUsage]
    tokens: TokenCounts
    cost: Cost
    billed: int  # picodollars, before the plan is applied
    included: bool


def known_usd(cost: Cost, tokens: TokenCounts) -> float | None:
    """Return the cost of `tokens` in US dollars; None if none of the tokens has a known price."""
    if cost.unpriced_tokens and not cost.known_for(tokens):
        return None
    return cost.total / PICODOLLARS_PER_USD


def bill_of(used: Session | Usage) -> Bill:
    """Return the bill of a session, or of a session with its subagents.

    The billed amount is 0 if the plan covers the cost.
    """
    usd = known_usd(used.cost, used.tokens)
    billed = None if usd is None and not used.billed else used.billed / PICODOLLARS_PER_USD
    return Bill(used.cost, usd, 0.0 if used.included else billed, used.included)


def _usd_key(field: str) -> Key:
    def usd(bill: Bill) -> float | None:
        amount: int = getattr(bill.cost, field)
        return None if bill.total_usd is None else amount / PICODOLLARS_PER_USD

    return Key(f"{field}_usd", float | None, usd)


TOKENS = Shape(
    "Tokens",
    [*keys_of(TokenCounts), key_of("total", int)],
    "Token counts. `reasoning` is a part of `output`. `total` is the sum of the others.",
)

COST = Shape(
    "Cost",
    [
        *(_usd_key(field) for field in (*TOKEN_TYPES, "reported")),
        key_of("total_usd", float | None),
        key_of("billed_usd", float | None),
        key_of("included", bool),
        Key("unpriced_tokens", int, attrgetter("cost.unpriced_tokens")),
        _usd_key("web_search"),
    ],
    "List price in US dollars: null where it is unknown. `billed_usd` is what the agent recorded "
    "as its cost, else the list price; it is 0 if the plan includes it. `web_search_usd` is the "
    "fees for web searches.",
)

TOKENS_KEY = Key("tokens", TOKENS.type, lambda used: TOKENS(used.tokens))

MODEL = Shape(
    "Model",
    keys_of(
        ModelUsage,
        {
            "tokens": (TOKENS_KEY,),
            "cost": (
                Key("cost_usd", float | None, lambda used: known_usd(used.cost, used.tokens)),
                Key("unpriced_tokens", int, attrgetter("cost.unpriced_tokens")),
            ),
        },
    ),
    "The usage of one model.",
)

USAGE_KEYS = {
    "models": (
        Key(
            "models",
            mapping_of(MODEL),
            lambda used: {name: MODEL(usage) for name, usage in used.models.items()},
        ),
    ),
    "tokens": (TOKENS_KEY,),
    "cost": (Key("cost", COST.type, lambda used: COST(bill_of(used))),),
    "billed": HIDDEN,  # keys of `cost`
    "included": HIDDEN,
}

TREE = Shape(
    "Tree",
    [key for keys in USAGE_KEYS.values() for key in keys],
    "The usage of a session with all its subagents.",
)
