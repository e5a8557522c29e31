"""Usage whose model became known after it was published under the label `unknown`.

The session gets the model. The totals keep the label under which they were published: a series
cannot fall, and a second series for the same tokens would count them twice.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from msgspec.structs import astuple

from agtop_exporter.ledger.totals import Totals
from agtop_exporter.model import Cost, ModelUsage, Series, TokenCounts

TOKENS = slice(1, 1 + len(TokenCounts.__struct_fields__))  # of the figures of a usage
BY_MODEL = ("requests", "tokens", "reasoning_tokens")  # totals with a label for the model
MODEL_AT = 2  # the place of that label in a series

Key = tuple[str, str]  # agent, model


def without_moved(nets: Mapping[Key, ModelUsage]) -> dict[Key, ModelUsage]:
    """Return what the totals gain from changes of usage by agent and model.

    What one model of an agent lost is taken from what its other models gained.
    """
    moved: dict[str, list[int]] = {}
    for (agent, _), net in nets.items():
        if net.requests < 0:
            before = moved.get(agent, [0] * len(_figures(net)))
            moved[agent] = [a + max(0, -b) for a, b in zip(before, _figures(net), strict=True)]
    if not moved:
        return dict(nets)
    gains = {}
    for key in sorted(nets):
        figures, left = _figures(nets[key]), moved.get(key[0])
        if left is not None:
            taken = [min(a, max(0, b)) for a, b in zip(left, figures, strict=True)]
            moved[key[0]] = [a - b for a, b in zip(left, taken, strict=True)]
            figures = [a - b for a, b in zip(figures, taken, strict=True)]
        gains[key] = ModelUsage(
            figures[0], TokenCounts(*figures[TOKENS]), Cost(*figures[TOKENS.stop :])
        )
    return gains


def _figures(usage: ModelUsage) -> list[int]:
    return [usage.requests, *astuple(usage.tokens), *astuple(usage.cost)]


def lack(totals: Totals, least: Totals) -> bool:
    """Return whether requests or tokens are missing in totals that should be at least `least`.

    One model can have less if the other models of the agent have as much more.
    """
    sums: defaultdict[Series, float] = defaultdict(float)
    for group, value in _by_group(least):
        sums[group] += value
    for group, value in _by_group(totals):
        sums[group] -= value
    return any(value > 0 for value in sums.values())


def _by_group(totals: Totals) -> Iterator[tuple[Series, float]]:
    for series, value in totals.values.items():
        if series[0] in BY_MODEL:
            yield series[:MODEL_AT] + series[MODEL_AT + 1 :], value
