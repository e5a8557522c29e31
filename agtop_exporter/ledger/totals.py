"""The counters of the ledger: sums over all sessions, which never decrease."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from agtop_exporter.labels import SERIES_LIMITS, SeriesLimit
from agtop_exporter.model import COST_TYPES, MAX_SUM, TOKEN_TYPES, ModelUsage, Series

LABELS_MAX = 64  # models, tools or projects of one agent that have their own series
FOLDED_MAX = 10_000  # largest number of folded label values of one agent that are counted
OTHER, UNKNOWN = "other", "unknown"

LIMITS: dict[str, SeriesLimit] = {
    "requests": "models",
    "project_tokens": "projects",
    "account_tokens": "accounts",
    "tool_calls": "tools",
    "tool_call_errors": "tools",
}
"""The limit on the values of the last label, by metric name."""


@dataclass
class Spent:
    """A number of tokens and their cost in picodollars."""

    tokens: int = 0
    cost: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.tokens + other.tokens, self.cost + other.cost)


class Totals:
    """The counters of the ledger.

    `values` has the value of each series. `changed` has the series that are not on disk yet.
    If an agent has too many values of a label, the further values are folded: they share a series
    with the label value `other`.
    """

    def __init__(self) -> None:
        self.values: dict[Series, int | float] = {}
        self.changed: set[Series] = set()
        # label values with their own series, by (family, agent)
        self._labels: dict[tuple[str, str], set[str]] = {}
        # hashes of folded label values, by (limit, agent)
        self._folded: dict[tuple[SeriesLimit, str], set[int]] = {}

    def load(self, found: Iterable[tuple[Series, int | float]]) -> None:
        """Load the stored values of series."""
        self.values.update(found)
        self._labels.clear()
        for family, *labels in self.values:
            if family in LIMITS and labels[1:2] == [OTHER]:
                self._folded.setdefault((LIMITS[family], labels[0]), set())

    def folded(self) -> dict[SeriesLimit, int]:
        """Return how many label values are folded into the label value `other`, by limit.

        Only values that occurred since the start of the program are counted. An agent with a stored
        series `other` counts as at least 1. The limit `sessions` is not included.
        """
        counts: dict[SeriesLimit, int] = {
            limit: 0 for limit in SERIES_LIMITS if limit != "sessions"
        }
        for (limit, _agent), values in self._folded.items():
            counts[limit] += max(1, len(values))
        return counts

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
        self._labels.clear()

    def empty_copy(self) -> "Totals":
        """Return totals without values. The same label values as here get their own series."""
        other = Totals()
        families = {series[:2] for series in self.values if len(series) > 2}  # noqa: PLR2004 - family, agent, label
        for family, agent in families:
            other._labels[family, agent] = set(self._known_labels(family, agent))
        return other

    def add_usage(self, agent: str, model: str, net: ModelUsage) -> Spent:
        """Add the usage `net` to the series of an agent and model.

        Returns the increase of the totals of tokens and of cost.
        """
        model, spent = self._label("requests", agent, model), Spent()
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
        self.add(("billed", agent, self._label("requests", agent, model)), amount)

    def has_bill(self, agent: str, model: str) -> bool:
        """Return whether a series of billed amounts exists for an agent and model."""
        return any(("billed", agent, label) in self.values for label in (model or UNKNOWN, OTHER))

    def add_project(self, agent: str, project: str, *, tokens: int, cost: int) -> None:
        """Add tokens and cost (picodollars) to the series of an agent and project."""
        project = self._label("project_tokens", agent, project)
        self.add(("project_tokens", agent, project), tokens)
        self.add(("project_cost", agent, project), cost)

    def add_account(self, agent: str, account: str, *, tokens: int, cost: int) -> None:
        """Add tokens and cost (picodollars) to the series of an agent and account.

        The account in the default directory has the label value "".
        """
        label = self._label("account_tokens", agent, account) if account else ""
        self.add(("account_tokens", agent, label), tokens)
        self.add(("account_cost", agent, label), cost)

    def complete_accounts(self) -> None:
        """Add usage that no account has to the account "" of its agent.

        Versions of this program before schema version 4 did not count by account.
        """
        missing: Counter[tuple[str, str]] = Counter()
        for (family, *labels), value in self.values.items():
            if family in {"tokens", "cost"}:
                missing[f"account_{family}", labels[0]] += int(value)
            elif family in {"account_tokens", "account_cost"}:
                missing[family, labels[0]] -= int(value)
        for (family, agent), amount in missing.items():
            self.add((family, agent, ""), amount)

    def count(self, kind: str, agent: str, name: str, number: int) -> None:
        """Add `number` to a count of an agent.

        `kind` is the metric name of the count: turns, compactions, sessions, tool calls or failed
        tool calls. `name` is the name of the tool, or "" for a count without tools.
        """
        self.add((kind, agent, *((self._label(kind, agent, name),) if name else ())), number)

    def _label(self, family: str, agent: str, value: str) -> str:
        """Return the label value for the name of a model, project or tool.

        `family` is the metric name. The result is `other` if LABELS_MAX other values already have
        their own series. A value that already has its own series is always returned unchanged. An
        empty value becomes `unknown`.
        """
        labels = self._labels.get((family, agent))
        if labels is None:
            labels = self._labels[family, agent] = self._known_labels(family, agent)
        if value not in labels:
            if len(labels) >= LABELS_MAX:
                folded = self._folded.setdefault((LIMITS[family], agent), set())
                if len(folded) < FOLDED_MAX:
                    folded.add(hash(value))
                return OTHER
            labels.add(value or UNKNOWN)
        return value or UNKNOWN

    def _known_labels(self, family: str, agent: str) -> set[str]:
        return {series[2] for series in self.values if series[:2] == (family, agent)}
