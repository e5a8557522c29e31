"""Validates the setting `budgets`, a list of TOML tables.

[[budgets]]
usd = 50
period = "month"     # day, week or month
agent = "claude"     # optional, like `project`
name = "claude"      # optional: the label `budget` of its metrics
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from agtop_exporter.model import BUDGETS_MAX, PERIODS, Budget
from agtop_exporter.pricing.override_fields import Problem

KEYS = ("name", "usd", "period", "agent", "project")


def _is_amount(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < float(str(value)) < math.inf


def _is_period(value: object) -> bool:
    return value in PERIODS


NEEDED: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "usd": ("US dollars, more than 0", _is_amount),
    "period": ("day, week or month", _is_period),
}
"""The fields that a budget must have: a description of the value, and a function that checks it."""


def problems_of(budgets: object, agent_of: Callable[[str], str]) -> Iterator[Problem]:
    """Yield the mistakes in `budgets`, the value of the setting.

    `agent_of` returns the name of an agent for a name or an alias. It raises ValueError if there is
    no such agent.
    """
    if not isinstance(budgets, Sequence) or isinstance(budgets, str):
        yield Problem((), "a list of budgets", budgets)
        return
    if len(budgets) > BUDGETS_MAX:
        yield Problem((), f"there are more than {BUDGETS_MAX} budgets")
    for budget in budgets:
        if isinstance(budget, Mapping):
            yield from _problems_of_one(budget, agent_of)
        elif not isinstance(budget, Budget):
            yield Problem((), "a table with usd and period", budget)
    names = [_name(budget) for budget in budgets if isinstance(budget, Mapping)]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield Problem(("name",), f"two budgets have the name {name}: give one of them another name")


def _problems_of_one(
    budget: Mapping[str, object], agent_of: Callable[[str], str]
) -> Iterator[Problem]:
    for key in budget:
        if key not in KEYS:
            yield Problem((key,), f"a budget has no such field (known: {', '.join(KEYS)})")
    for key, (expected, is_valid) in NEEDED.items():
        if key not in budget:
            yield Problem((key,), "a budget needs this field")
        elif not is_valid(budget[key]):
            yield Problem((key,), expected, budget[key])
    for key in ("name", "project", "agent"):
        if not isinstance(budget.get(key, ""), str):
            yield Problem((key,), "a text", budget[key])
    agent = budget.get("agent")
    if isinstance(agent, str) and agent:
        try:
            agent_of(agent)
        except ValueError:
            yield Problem(("agent",), "the name of an agent", agent)


def decoded(budgets: Sequence[object], agent_of: Callable[[str], str]) -> tuple[Budget, ...]:
    """Return the Budget objects for the value of the setting, which must contain no mistakes.

    `agent_of` returns the name of an agent for a name or an alias.
    """
    found = []
    for budget in budgets:
        if isinstance(budget, Budget):
            found.append(budget)
        elif isinstance(budget, Mapping):
            agent = str(budget.get("agent", ""))
            agent = agent_of(agent) if agent else ""
            found.append(
                Budget(
                    name=_name({**budget, "agent": agent}),
                    usd=float(budget["usd"]),
                    period=budget["period"],
                    agent=agent,
                    project=str(budget.get("project", "")),
                )
            )
    return tuple(found)


def _name(budget: Mapping[str, object]) -> str:
    """Return the name in `budget`, or else a name made of its agent, project and period."""
    parts = (budget.get("agent"), budget.get("project"), budget.get("period"))
    return str(budget.get("name") or " ".join(str(part) for part in parts if part))
