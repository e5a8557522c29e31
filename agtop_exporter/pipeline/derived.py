"""Derives values of a published `Session` from a session and its subagents. Performs no I/O."""

from collections.abc import Mapping
from typing import Any

from agtop_exporter.model import ModelUsage, Session, SessionState, SessionUpdate, Signal


def sum_by_model(
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
