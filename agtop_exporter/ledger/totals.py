"""The counter series: sums over all sessions, which never decrease."""

from collections.abc import Iterable

from agtop_exporter.labels import SERIES_LIMITS, SeriesLimit
from agtop_exporter.model import COST_TYPES, MAX_SUM, TOKEN_TYPES, ModelUsage, Series

LABELS_MAX = 64  # models, tools or projects of one agent that have their own series
FOLDED_MAX = 10_000  # label values of one agent that are counted as folded
OTHER, UNKNOWN = "other", "unknown"

LIMITS: dict[str, SeriesLimit] = {
    "requests": "models",
    "project_tokens": "projects",
    "tool_calls": "tools",
    "tool_call_errors": "tools",
}
"""The limit that applies to the last label of each family."""


class Totals:
    """Values by series; `changed` are the series that are not on disk yet."""

    def __init__(self) -> None:
        self.values: dict[Series, int | float] = {}
        self.changed: set[Series] = set()
        # label values with their own series, by (family, agent)
        self._labels: dict[tuple[str, str], set[str]] = {}
        # hashes of folded values, by (limit, agent)
        self._folded: dict[tuple[SeriesLimit, str], set[int]] = {}

    def load(self, found: Iterable[tuple[Series, int | float]]) -> None:
        """Load stored values."""
        self.values.update(found)
        self._labels.clear()
        for family, *labels in self.values:
            if family in LIMITS and labels[1:2] == [OTHER]:
                self._folded.setdefault((LIMITS[family], labels[0]), set())

    def folded(self) -> dict[SeriesLimit, int]:
        """Return how many label values share the series `other`, by limit.

        A folded value is counted when it occurs after a start. Until then, an agent with a stored
        series `other` counts as 1. Sessions are not counted here.
        """
        counts: dict[SeriesLimit, int] = {
            limit: 0 for limit in SERIES_LIMITS if limit != "sessions"
        }
        for (limit, _agent), values in self._folded.items():
            counts[limit] += max(1, len(values))
        return counts

    def add(self, series: Series, amount: float) -> None:
        """Increase a total. A negative amount is ignored, because totals never decrease."""
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
        """Return empty totals that fold the same label values."""
        other = Totals()
        families = {series[:2] for series in self.values if len(series) > 2}  # noqa: PLR2004 - family, agent, label
        for family, agent in families:
            other._labels[family, agent] = set(self._known_labels(family, agent))
        return other

    def add_usage(self, agent: str, model: str, net: ModelUsage) -> None:
        """Add usage of a model."""
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
        """Add what is billed for a model, in picodollars."""
        self.add(("billed", agent, self._label("requests", agent, model)), amount)

    def has_bill(self, agent: str, model: str) -> bool:
        """Return whether there is a total of what is billed for a model."""
        return any(("billed", agent, label) in self.values for label in (model or UNKNOWN, OTHER))

    def add_project(self, agent: str, project: str, *, tokens: int, cost: int) -> None:
        """Add usage of a project."""
        project = self._label("project_tokens", agent, project)
        self.add(("project_tokens", agent, project), tokens)
        self.add(("project_cost", agent, project), cost)

    def count(self, kind: str, agent: str, name: str, number: int) -> None:
        """Add to a count of turns, compactions or calls of a tool."""
        self.add((kind, agent, *((self._label(kind, agent, name),) if name else ())), number)

    def _label(self, family: str, agent: str, value: str) -> str:
        """Return the label of a value, or "other" if LABELS_MAX values have their own series.

        A value with its own series keeps it.
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
