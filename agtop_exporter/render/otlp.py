"""An exposition as the metrics of one OpenTelemetry request.

    agtop.tokens {token} Sum, monotonic: {agent: "claude", model: ..., token.type: "input"} 1200
    agtop.sessions {session} Gauge: {agent: "claude", state: "running"} 2

An attribute is a label with dots for its underscores, so that the names and labels which
Prometheus makes of a request are those of the page (`Metric.otel_name`). Nothing is sent here.
"""

from collections.abc import Callable, Iterator, Mapping

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Metric as OtlpMetric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from agtop_exporter import __version__
from agtop_exporter.metrics import Exposition, Family, HistogramValue, Labels, Metric, Value
from agtop_exporter.model import TOKEN_TYPES

StartOf = Callable[[Metric, Labels], float]
"""When a counter's series began to count, in unix seconds."""

FRACTIONAL_UNITS = frozenset({"s", "1", "{USD}"})
"""Units whose values are floats, also where one happens to be whole: a series keeps its type."""

NANOSECONDS = 1_000_000_000
SCOPE = InstrumentationScope("agtop_exporter", __version__)

DIRECTIONS = {kind: "output" if kind == "output" else "input" for kind in TOKEN_TYPES}
"""Our token type -> `gen_ai.token.type`."""

PROVIDERS = {
    "claude": "anthropic",
    "codex": "openai",
    "gpt": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "gemini": "gcp.gemini",
    "grok": "x_ai",
    "deepseek": "deepseek",
    "mistral": "mistral_ai",
}
"""First word of a model's name -> well-known `gen_ai.provider.name`, semantic conventions 1.37."""


def render(  # noqa: PLR0913 - what a request says beside its values
    exposition: Exposition,
    resource: Resource,
    *,
    time: float,
    start_of: StartOf,
    delta: bool = False,
    genai: bool = False,
) -> MetricsData:
    """Return `exposition` as it was at `time` (unix seconds), with all that it says.

    `delta` says that the counters hold what was added since their start, and not totals. `genai`
    adds `gen_ai.client.token.usage`, which repeats tokens under the name of the semantic
    conventions.
    """
    request = _Request(time=time, start_of=start_of, delta=delta)
    metrics = [request.metric(family) for family in exposition]
    if genai:
        metrics += request.token_usage({family.metric.name: family for family in exposition})
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(SCOPE, metrics, "")], "")])


class _Request:
    """What all points of one request share."""

    def __init__(self, *, time: float, start_of: StartOf, delta: bool) -> None:
        self._time = round(time * NANOSECONDS)
        self._start_of = start_of
        self._temporality = (
            AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE
        )

    def metric(self, family: Family) -> OtlpMetric:
        metric = family.metric
        data: Sum | Gauge | Histogram
        if metric.kind == "histogram":
            data = Histogram(list(self._distributions(family)), self._temporality)
        elif metric.kind == "counter":
            data = Sum(list(self._numbers(family)), self._temporality, is_monotonic=True)
        else:
            data = Gauge(list(self._numbers(family)))
        return OtlpMetric(metric.otel_name, metric.help, metric.otel_unit, data)

    def _start(self, metric: Metric, labels: Labels) -> int:
        return min(self._time, round(self._start_of(metric, labels) * NANOSECONDS))

    def _numbers(self, family: Family) -> Iterator[NumberDataPoint]:
        metric = family.metric
        names = attribute_names(metric)
        as_number = float if metric.otel_unit in FRACTIONAL_UNITS else _as_it_is
        counts = metric.kind == "counter"
        for labels, value in family.samples:
            yield NumberDataPoint(
                attributes=dict(zip(names, labels, strict=True)),
                start_time_unix_nano=self._start(metric, labels) if counts else 0,
                time_unix_nano=self._time,
                value=as_number(value),  # type: ignore[arg-type] # a histogram is not here
            )

    def _distributions(self, family: Family) -> Iterator[HistogramDataPoint]:
        names = attribute_names(family.metric)
        for labels, value in family.samples:
            if isinstance(value, HistogramValue):
                yield self._histogram(
                    dict(zip(names, labels, strict=True)),
                    value,
                    start=self._start(family.metric, labels),
                )

    def _histogram(
        self, attributes: Mapping[str, str], value: HistogramValue, *, start: int
    ) -> HistogramDataPoint:
        return HistogramDataPoint(
            attributes=dict(attributes),
            start_time_unix_nano=start,
            time_unix_nano=self._time,
            count=value.count,
            sum=value.sum,
            bucket_counts=value.counts,
            explicit_bounds=value.bounds,
            min=None,  # type: ignore[arg-type] # optional in the protocol, unknown here
            max=None,  # type: ignore[arg-type]
        )

    def token_usage(self, families: Mapping[str, Family]) -> list[OtlpMetric]:
        """Return the tokens by agent and model as the GenAI conventions count them.

        There all that was read is `input`, cached or not. A request's own count is not known, so
        the histogram has a sum and a count of requests, and one bucket.
        <https://github.com/open-telemetry/semantic-conventions-genai> (development)
        """
        tokens, requests = (
            families.get("agtop_tokens_total"),
            families.get("agtop_requests_total"),
        )
        if tokens is None or requests is None:
            return []
        used: dict[tuple[str, str, str], float] = {}
        for (agent, model, token_type), value in tokens.samples:
            key = (agent, model, DIRECTIONS[token_type])
            used[key] = used.get(key, 0) + _as_it_is(value)
        counts = {labels: int(_as_it_is(value)) for labels, value in requests.samples}
        points = [
            self._histogram(
                _genai_attributes(agent, model, direction),
                HistogramValue((), (counts[agent, model],), total),
                start=self._start(requests.metric, (agent, model)),
            )
            for (agent, model, direction), total in used.items()
            if (agent, model) in counts
        ]
        help_text = "Number of input and output tokens used."
        data = Histogram(points, self._temporality)
        return [OtlpMetric("gen_ai.client.token.usage", help_text, "{token}", data)]


def attribute_names(metric: Metric) -> tuple[str, ...]:
    """Return the OTLP attributes that carry the labels of `metric`, in their order."""
    return tuple(label.replace("_", ".") for label in metric.labels)


def _as_it_is(value: Value) -> int | float:
    if isinstance(value, HistogramValue):
        raise TypeError("a histogram among numbers")
    return value


def _genai_attributes(agent: str, model: str, direction: str) -> dict[str, str]:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.agent.name": agent,
        "gen_ai.response.model": model,
        "gen_ai.token.type": direction,
    }
    provider = PROVIDERS.get(model.rpartition("/")[2].partition("-")[0])
    return {**attributes, "gen_ai.provider.name": provider} if provider else attributes
