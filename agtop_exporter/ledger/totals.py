"""The counters of the ledger: sums over all sessions, which never decrease."""

from collections.abc import Iterable

from agtop_exporter.labels import SERIES_LIMITS, SeriesLimit
from agtop_exporter.model import COST_TYPES, MAX_SUM, TOKEN_TYPES, ModelUsage, Series

LABELS_MAX = 64  # models, tools or projects of one agent that have their own series
FOLDED_MAX = 10_000  # largest number of folded label values of one agent that are counted
OTHER, UNKNOWN = "other", "unknown"

LIMITS: dict[str, SeriesLimit] = {
    "requests": "models",
    "project_tokens": "projects",
    "tool_calls": "tools",
    "tool_call_errors": "tools",
}
"""The limit (models, projects or tools) on the values of the last label, by metric name."""


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

    def add(self, series: Series, amount: float) -> None:
        """Add to the total of a series. Ignore a negative amount, because totals never decrease."""
        if amount > 0 or series not in self.values:
            self.values[series] = min(MAX_SUM, self.values.get(series, 0) + max(0, amount))
            self.changed.add(series)

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

    def add_usage(self, agent: str, model: str, net: ModelUsage) -> None:
        """Add the usage `net` to the series of an agent and model."""
        model = self._label("requests", agent, model)
        self.add(("requests", agent, model), net.requests)
        for token_type in TOKEN_TYPES:
            if tokens := getattr(net.tokens, token_type):
                self.add(("tokens", agent, model, token_type), tokens)
        for cost_type in COST_TYPES:
            if cost := getattr(net.cost, cost_type):
                self.add(("cost", agent, model, cost_type, "estimated"), cost)
        if net.tokens.reasoning:
            self.add(("reasoning_tokens", agent, model), net.tokens.reasoning)
        if net.cost.reported:
            self.add(("cost", agent, model, "unsplit", "reported"), net.cost.reported)
        self.add(("unpriced_tokens", agent, model), net.cost.unpriced_tokens)

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
