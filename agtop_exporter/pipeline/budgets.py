"""Computes how much of each budget is used, from the hourly costs in the ledger."""

from collections.abc import Sequence
from datetime import tzinfo

from agtop_exporter.ledger import UsageHistory
from agtop_exporter.model import PICODOLLARS_PER_USD, Budget, BudgetUse, hour_of, period_of, use_of

RENEWED_SECONDS = 30.0  # reading the hours of a month takes some 20 ms


class Budgets:
    """Stores the used amount of each budget, and computes it again after RENEWED_SECONDS."""

    def __init__(
        self, ledger: UsageHistory, budgets: Sequence[Budget], *, timezone: tzinfo | None = None
    ) -> None:
        """Start without used amounts. None as `timezone` means the time zone of the machine."""
        self._ledger = ledger
        self._budgets = budgets
        self._timezone = timezone
        self._renewed_at: float | None = None
        self._uses: tuple[BudgetUse, ...] = ()

    def uses(self, now: float) -> tuple[BudgetUse, ...]:
        """Return how much of each budget is used at `now` (unix seconds).

        The result may be up to RENEWED_SECONDS old.
        """
        at = self._renewed_at
        if self._budgets and (at is None or not 0 <= now - at < RENEWED_SECONDS):
            self._uses = self._renewed(now)
            self._renewed_at = now
        return self._uses

    def _renewed(self, now: float) -> tuple[BudgetUse, ...]:
        spans = {one.period: period_of(one.period, now, self._timezone) for one in self._budgets}
        hours = {
            period: self._ledger.usage_between(hour_of(start))
            for period, (start, _) in spans.items()
        }
        uses = []
        for budget in self._budgets:
            used = hours[budget.period]
            covered = (one.usage.cost for one in used if budget.covers(one.agent, one.project))
            usd = sum(covered) / PICODOLLARS_PER_USD
            uses.append(use_of(budget, usd, now=now, period=spans[budget.period]))
        return tuple(uses)
