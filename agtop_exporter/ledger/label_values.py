"""Selects the models, projects, tools and accounts that have series of their own.

The number of series is bounded: of each agent, the LABELS_MAX values of a label that were used last
have series of their own. Before the first publication, the usage of all other values is added to
the label value `other`. Later, when an agent has more than LABELS_MAX values, the value with the
earliest last use loses its series. Its total stays in the ledger. It is not added to `other`,
because this would look like new usage. If the value is used again, its series continues.
"""

from collections.abc import Iterator, Mapping

from agtop_exporter.labels import SeriesLimit
from agtop_exporter.model import Series

LABELS_MAX = 64  # models, tools, ... of one agent that have their own series
KEPT_MAX = 1_000  # values of one agent that are counted apart in the ledger
OTHER, UNKNOWN = "other", "unknown"

FAMILIES: dict[SeriesLimit, tuple[str, ...]] = {
    "models": ("requests", "tokens", "reasoning_tokens", "unpriced_tokens", "cost", "billed"),
    "projects": ("project_tokens", "project_cost"),
    "accounts": ("account_tokens", "account_cost"),
    "tools": ("tool_calls", "tool_call_errors"),
}
"""The name of each limit, and the names of the totals whose label the limit bounds.

The label is a model, a project, a tool or an account.
"""

LIMITS: dict[str, SeriesLimit] = {
    family: limit for limit, families in FAMILIES.items() for family in families
}
"""The limit that bounds the values of the label, by metric name."""

VALUE_AT = 2  # position of the label value in a series

Scope = tuple[SeriesLimit, str]
"""The name of a limit, such as `models`, and an agent."""


def scope_of(series: Series) -> Scope | None:
    """Return the limit on the number of values of a series' label, and the agent.

    The limit is a name, such as `models`. The result is None if no limit applies to the metric or
    to the value. The value "" has no limit; it is the account in the default directory.
    """
    limit = LIMITS.get(series[0])
    return (limit, series[1]) if limit and any(series[VALUE_AT:]) else None


class LabelValues:
    """The known values of each bounded label, with the hour of their last use.

    Hours are unix seconds // 3600. `folded` has the values whose usage before the first publication
    was added to the label value `other`.
    """

    def __init__(self) -> None:
        self.used: dict[Scope, dict[str, int]] = {}
        self.folded: dict[Scope, set[str]] = {}
        self._recent: dict[Scope, set[str]] = {}

    def use(self, scope: Scope, value: str, hour: int) -> bool:
        """Store that a label value was used in `hour`.

        Return whether `hour` is later than all earlier uses.
        """
        hours = self.used.setdefault(scope, {})
        if hours.get(value, -1) >= hour:
            return False
        hours[value] = hour
        self._recent.pop(scope, None)
        return True

    def has_place(self, scope: Scope, value: str) -> bool:
        """Return whether a label value is counted separately, and not as `other`."""
        hours = self.used.get(scope, {})
        return value in hours or len(hours) < KEPT_MAX

    def recent(self, scope: Scope) -> set[str]:
        """Return the LABELS_MAX label values that were used last."""
        found = self._recent.get(scope)
        if found is None:
            hours = self.used.get(scope, {})
            latest_first = sorted(hours, key=lambda value: (-hours[value], value))
            found = self._recent[scope] = set(latest_first[:LABELS_MAX])
        return found

    def has_series(self, series: Series) -> bool:
        """Return whether the label value of `series` has a series of its own.

        The result is True if the label is not limited, if the label value is `other`, or if it is
        one of the LABELS_MAX values that were used last.
        """
        scope = scope_of(series)
        if scope is None or len(self.used.get(scope, ())) <= LABELS_MAX:
            return True
        return series[VALUE_AT] == OTHER or series[VALUE_AT] in self.recent(scope)

    def dropped(self) -> dict[SeriesLimit, int]:
        """Return how many label values have no series of their own, by the name of the limit."""
        counts = dict.fromkeys(FAMILIES, 0)
        for (limit, _agent), hours in self.used.items():
            counts[limit] += max(0, len(hours) - LABELS_MAX)
        return counts

    def copy(self) -> "LabelValues":
        """Return a copy that changes independently."""
        other = LabelValues()
        other.used = {scope: dict(hours) for scope, hours in self.used.items()}
        other.folded = {scope: set(values) for scope, values in self.folded.items()}
        return other


def with_value(series: Series, value: str) -> Series:
    """Return a series with another value of its bounded label."""
    return (*series[:VALUE_AT], value, *series[VALUE_AT + 1 :])


def folded_series(
    values: Mapping[Series, int | float], folded: Mapping[Scope, set[str]]
) -> Iterator[Series]:
    """Yield the series whose label value is one of `folded`."""
    for series in values:
        scope = scope_of(series)
        if scope is not None and series[VALUE_AT] in folded.get(scope, ()):
            yield series
