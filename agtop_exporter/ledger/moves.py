"""Prevents double counting of usage that moves to another model after it was published.

The model of a response can become known after its usage was published with the model label
`unknown`. In the session, the usage then moves to the known model. In the totals, the usage stays
under the published label. A counter must not decrease, and adding the usage to another series
would count the same tokens twice.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from msgspec.structs import astuple

from agtop_exporter.ledger.totals import Totals
from agtop_exporter.model import Cost, ModelUsage, Series, TokenCounts

# position of the token counts in the list that `_figures` returns
TOKENS = slice(1, 1 + len(TokenCounts.__struct_fields__))
BY_MODEL = ("requests", "tokens", "reasoning_tokens")  # names of totals with a model label
MODEL_AT = 2  # position of the model label in a series

Key = tuple[str, str]  # agent, model


def without_moved(nets: Mapping[Key, ModelUsage]) -> dict[Key, ModelUsage]:
    """Return the amounts to add to the totals, by agent and model, without moved usage.

    `nets` are the changes by agent and model. If one model of an agent lost usage, the lost amount
    is subtracted from the gains of the other models of the agent.
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


def has_less(totals: Totals, least: Totals) -> bool:
    """Return whether any agent has fewer requests or tokens in `totals` than in `least`.

    The sums over all models of an agent are compared, because usage can move between models.
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
