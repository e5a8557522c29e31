"""The counters of the ledger: sums over all sessions, which never decrease."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from agtop_exporter.labels import SERIES_LIMITS, SeriesLimit
from agtop_exporter.ledger.label_values import (
    LIMITS,
    OTHER,
    UNKNOWN,
    LabelValues,
    folded_series,
    scope_of,
    with_value,
)
from agtop_exporter.model import COST_TYPES, MAX_SUM, TOKEN_TYPES, ModelUsage, Series

USED = "label_used"  # the hour of the last use of a label value: limit, agent, value
FOLDED = "label_folded"  # 1 if the earlier usage of a label value is in `other`
INTERNAL = frozenset({USED, FOLDED})
"""The names of stored values that are not published."""

Owner = Literal["account", "user"]
"""The kind of owner of a session's usage: an account or a user.

The names of the owner's totals begin with it.
"""


@dataclass
class Spent:
    """A number of tokens and their cost in picodollars."""

    tokens: int = 0
    cost: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.tokens + other.tokens, self.cost + other.cost)


OF_USERS = frozenset({"user_tokens", "user_cost"})
"""The names of the totals by user."""


class Totals:
    """The counters of the ledger.

    `values` has the value of each series. `changed` has the series that are not on disk yet. If an
    agent has too many values of a label, only some of their series are published; see
    `label_values`.
    """

    def __init__(self) -> None:
        self.values: dict[Series, int | float] = {}
        self.changed: set[Series] = set()
        self._labels = LabelValues()

    def load(self, found: Iterable[tuple[Series, int | float]]) -> None:
        """Load the stored values of series."""
        self.values.update(found)
        for series, value in self.values.items():
            name, *rest = series
            if name == USED and rest[0] in SERIES_LIMITS:
                self._labels.use((rest[0], rest[1]), rest[2], int(value))
            elif name == FOLDED and rest[0] in SERIES_LIMITS:
                self._labels.folded.setdefault((rest[0], rest[1]), set()).add(rest[2])
            elif (scope := scope_of(series)) and rest[1] != OTHER:
                self._labels.use(scope, rest[1], 0)  # older versions do not store the last use

    def published(self) -> dict[Series, int | float]:
        """Return the series that are published."""
        has_series = self._labels.has_series
        return {
            series: value
            for series, value in self.values.items()
            if series[0] not in INTERNAL and has_series(series)
        }

    def dropped(self) -> dict[SeriesLimit, int]:
        """Return how many label values have no series of their own, by the name of the limit."""
        return self._labels.dropped()

    def folded_name(self, limit: SeriesLimit, agent: str, value: str) -> str:
        """Return `other` if a label value is folded, else the label value.

        A label value is folded if its earlier usage was added to `other`, see `fold`.
        """
        folded = self._labels.folded.get((limit, agent), set())
        return OTHER if (value or UNKNOWN) in folded else value

    def fold(self) -> None:
        """Add the usage of all label values without series to the label value `other`.

        This is correct only before the first publication: later, `other` would increase by usage
        that another series has already published.
        """
        for scope, hours in self._labels.used.items():
            values = hours.keys() - self._labels.recent(scope)
            self._labels.folded.setdefault(scope, set()).update(values)
            for value in values:
                self.add((FOLDED, *scope, value), 1)
        for series in list(folded_series(self.values, self._labels.folded)):
            self.add(with_value(series, OTHER), self.values[series])
            self.values[series] = 0
            self.changed.add(series)

    def add(self, series: Series, amount: float) -> float:
        """Add to the total of a series, and return the increase of the total.

        A negative amount is ignored, because totals never decrease.
        """
        before = self.values.get(series, 0)
        if amount > 0 or series not in self.values:
            self.values[series] = min(MAX_SUM, before + max(0, amount))
            self.changed.add(series)
        return self.values[series] - before

    def raise_to(self, least: "Totals") -> None:
        """Increase each total to at least its value in `least`."""
        for series, value in least.values.items():
            if self.values.get(series, -1) < value:
                self.values[series] = value
                self.changed.add(series)

    def of_agents(self, agents: Collection[str]) -> "Totals":
        """Return a copy with only the totals of these agents."""
        part = self.empty_copy()
        part.values = {s: value for s, value in self.values.items() if s[1:2] and s[1] in agents}
        return part

    def empty_copy(self) -> "Totals":
        """Return totals without values, but with the label values of this object.

        Both objects publish the same label values separately, and count the others as `other`.
        """
        other = Totals()
        other._labels = self._labels.copy()
        return other

    def fold_like(self, stored: "Totals") -> None:
        """Move usage of folded label values from their own series to `other`.

        A label value is folded if its earlier usage was added to `other`, see `fold`. A series of a
        folded label value keeps at most the value that it has in `stored`. The rest is moved.
        """
        for series in list(folded_series(self.values, self._labels.folded)):
            own = min(self.values[series], stored.values.get(series, 0))
            self.add(with_value(series, OTHER), self.values[series] - own)
            self.values[series] = own

    def add_usage(self, agent: str, model: str, net: ModelUsage, *, hour: int = 0) -> Spent:
        """Add the usage `net` to the series of an agent and model.

        `hour` is the time of the usage in unix seconds // 3600. It has the same meaning in the
        methods below. Returns the increase of the totals of tokens and of cost.
        """
        model, spent = self._label("requests", agent, model, hour), Spent()
        self.add(("requests", agent, model), net.requests)
        for token_type in TOKEN_TYPES:
            if tokens := getattr(net.tokens, token_type):
                spent.tokens += int(self.add(("tokens", agent, model, token_type), tokens))
        for cost_type in COST_TYPES:
            if cost := getattr(net.cost, cost_type):
                spent.cost += int(self.add(("cost", agent, model, cost_type, "estimated"), cost))
        if net.tokens.reasoning:
            self.add(("reasoning_tokens", agent, model), net.tokens.reasoning)
        if reported := net.cost.reported:
            spent.cost += int(self.add(("cost", agent, model, "unsplit", "reported"), reported))
        self.add(("unpriced_tokens", agent, model), net.cost.unpriced_tokens)
        return spent

    def add_bill(self, agent: str, model: str, amount: int) -> None:
        """Add a billed amount (picodollars) to the series of an agent and model."""
        self.add(("billed", agent, self._label("requests", agent, model, 0)), amount)

    def has_bill(self, agent: str, model: str) -> bool:
        """Return whether a series of billed amounts exists for an agent and model."""
        return any(("billed", agent, label) in self.values for label in (model or UNKNOWN, OTHER))

    def add_project(
        self, agent: str, project: str, *, tokens: int, cost: int, hour: int = 0
    ) -> None:
        """Add tokens and cost (picodollars) to the series of an agent and project."""
        project = self._label("project_tokens", agent, project, hour)
        self.add(("project_tokens", agent, project), tokens)
        self.add(("project_cost", agent, project), cost)

    def add_owner(
        self, owner: Owner, agent: str, name: str, spent: Spent, *, hour: int = 0
    ) -> None:
        """Add tokens and cost to the series of an agent and an account or a user.

        The account in the default directory is "", like the user of a file outside the homes.
        """
        if owner == "account" and name:  # the number of users is limited by `Users`
            name = self._label("account_tokens", agent, name, hour)
        self.add((f"{owner}_tokens", agent, name), spent.tokens)
        self.add((f"{owner}_cost", agent, name), spent.cost)

    def complete_accounts(self) -> None:
        """Add the usage that is assigned to no account to the account "" of its agent.

        Versions of this program before schema version 4 did not count by account.
        """
        for (family, agent), amount in self.lacking("account").items():
            self.add((family, agent, ""), amount)

    def lacking(self, owner: Owner) -> Counter[tuple[str, str]]:
        """Return the part of each agent's usage that is assigned to no account, or to no user.

        The keys are (name of the totals, agent), such as ("account_tokens", "codex").
        """
        missing: Counter[tuple[str, str]] = Counter()
        for (family, *labels), value in self.values.items():
            if family in {"tokens", "cost"}:
                missing[f"{owner}_{family}", labels[0]] += int(value)
            elif family in {f"{owner}_tokens", f"{owner}_cost"}:
                missing[family, labels[0]] -= int(value)
        return +missing

    def count(self, kind: str, agent: str, name: str, number: int, *, hour: int = 0) -> None:
        """Add `number` to a count of an agent.

        `kind` is the metric name of the count: turns, compactions, sessions, tool calls or failed
        tool calls. `name` is the name of the tool, or "" for a count without tools.
        """
        tool = (self._label(kind, agent, name, hour),) if name else ()
        self.add((kind, agent, *tool), number)

    def _label(self, family: str, agent: str, value: str, hour: int) -> str:
        """Return the label value for the name of a model, project or tool.

        `family` is the metric name. The result is `other` if too many values are known. An empty
        value becomes `unknown`.
        """
        value, scope = value or UNKNOWN, (LIMITS[family], agent)
        if value == OTHER or not self._labels.has_place(scope, value):
            return OTHER
        if self._labels.use(scope, value, hour):
            self.values[USED, *scope, value] = hour
            self.changed.add((USED, *scope, value))
        return value
