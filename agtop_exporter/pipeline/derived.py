"""Derives values of a published `Session` from a session and its subagents. Performs no I/O."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agtop_exporter.model import (
    Cost,
    ModelUsage,
    Session,
    SessionState,
    SessionUpdate,
    Signal,
    TokenCounts,
    Tree,
)


class TreeSums(NamedTuple):
    """The usage of a session and its subagents, and the smallest usage that may be published."""

    tree: Tree
    floor_tokens: TokenCounts
    floor_cost: Cost


def tree_sums(members: Sequence[SessionState], models: dict[str, ModelUsage]) -> TreeSums:
    """Return the sums over a session and its subagents.

    The session is `members[0]`, and `models` is its own usage by model. The other members are its
    subagents.
    """
    own, *others = members
    used = own.usage
    tree = Tree(models, used.tokens, used.cost, own.billed_total)
    floor_tokens = used.tokens.max(own.floor_tokens)
    floor_cost = used.cost.max(own.floor_cost)
    for member in others:
        used = member.usage
        joined = _sum_by_model(tree.models, member.usage_by_model)
        billed = tree.billed + member.billed_total
        tree = Tree(joined, tree.tokens + used.tokens, tree.cost + used.cost, billed)
        floor_tokens += used.tokens.max(member.floor_tokens)
        floor_cost += used.cost.max(member.floor_cost)
    return TreeSums(tree, floor_tokens, floor_cost)


def _sum_by_model(
    first: Mapping[str, ModelUsage], second: Mapping[str, ModelUsage]
) -> dict[str, ModelUsage]:
    """Return the usage of two sessions together, by model."""
    models = dict(first)
    for model, usage in second.items():
        models[model] = models.get(model, ModelUsage()) + usage
    return models


_SHARED_FACTS = tuple(
    name for name in Session.__struct_fields__ if name in SessionUpdate.__struct_fields__
)


def shared_facts(facts: SessionUpdate) -> dict[str, Any]:
    """Return the fields of `facts` that `Session` also has, by name. An empty text becomes None."""
    values = ((name, getattr(facts, name)) for name in _SHARED_FACTS)
    return {name: None if value == "" else value for name, value in values}


def tree_signal(members: list[SessionState]) -> Signal:
    """Return the signal (the activity at the end of the transcript) of a session.

    The session is `members[0]`. The other members are its subagents. If the session is running and
    a subagent waits for permission, the signal of the subagent is returned. A subagent whose last
    record is older than the last record of the session is ignored.
    """
    own, *subagents = (member.facts for member in members)
    if own.signal.kind == "running":
        for facts in subagents:
            asks = facts.signal.kind == "waiting" and facts.signal.reason == "permission"
            if asks and (facts.last_active or 0) >= (own.last_active or 0):
                return facts.signal
    return own.signal
