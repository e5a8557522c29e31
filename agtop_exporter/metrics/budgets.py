"""Defines the metrics of the budgets that the user has set."""

from collections.abc import Callable, Iterator

from agtop_exporter.metrics.limits import BUDGETS
from agtop_exporter.metrics.metric import Collect, Metric, Sample
from agtop_exporter.model import BudgetUse, Snapshot

LABELS = ("budget", "period", "agent", "project")


def _uses(value_of: Callable[[BudgetUse], float]) -> Collect:
    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        for use in snapshot.budgets:
            yield (use.name, use.period, use.agent, use.project), value_of(use)

    return collect


BUDGET_METRICS = (
    Metric(
        name="agtop_budget_usd",
        kind="gauge",
        labels=LABELS,
        help="Budget in US dollars of the setting budgets. period is day, week or month, in the "
        "time zone of the machine; an empty agent or project means all.",
        otel_name="agtop.budget.usd",
        otel_unit="{USD}",
        limits=(BUDGETS,),
        collect=_uses(lambda use: use.budget_usd),
    ),
    Metric(
        name="agtop_budget_used_ratio",
        kind="gauge",
        labels=LABELS,
        help="Used share of a budget in the present period, at list prices; above 1 it is "
        "exceeded.",
        otel_name="agtop.budget.used",
        otel_unit="1",
        limits=(BUDGETS,),
        collect=_uses(lambda use: use.used_ratio),
    ),
    Metric(
        name="agtop_budget_projected_ratio",
        kind="gauge",
        labels=LABELS,
        help="Used share of a budget at the end of the present period if the mean rate since its "
        "start stays the same.",
        otel_name="agtop.budget.projected",
        otel_unit="1",
        limits=(BUDGETS,),
        collect=_uses(lambda use: use.projected_ratio),
    ),
)
