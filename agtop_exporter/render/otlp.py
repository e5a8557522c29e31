"""Renders an exposition as the metrics of one OpenTelemetry request. Performs no I/O.

    agtop.tokens {token} Sum, monotonic: {agent: "claude", model: ..., token.type: "input"} 1200
    agtop.sessions {session} Gauge: {agent: "claude", state: "running"} 2

An attribute has the name of the Prometheus label, with dots instead of underscores. Prometheus
converts the OTLP names of metrics and attributes back to the names on the `/metrics` page; see
`Metric.otel_name`.
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
from agtop_exporter.model import NANOSECONDS, TOKEN_TYPES

StartOf = Callable[[Metric, Labels], float]
"""A function that returns the time at which a counter series started, in unix seconds."""

FRACTIONAL_UNITS = frozenset({"s", "1", "{USD}"})
"""Units whose values are always sent as floats, so that a series does not change its type."""


SCOPE = InstrumentationScope("agtop_exporter", __version__)

DIRECTIONS = {kind: "output" if kind == "output" else "input" for kind in TOKEN_TYPES}
"""Token type -> value of the attribute `gen_ai.token.type`."""

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
"""First word of a model's name -> value of `gen_ai.provider.name` (semantic conventions 1.37)."""


def render(  # noqa: PLR0913 - the parts of a request besides its values
    exposition: Exposition,
    resource: Resource,
    *,
    time: float,
    start_of: StartOf,
    delta: bool = False,
    genai: bool = False,
) -> MetricsData:
    """Return `exposition` as OpenTelemetry metrics with the timestamp `time` (unix seconds).

    `start_of` returns the start time of a counter series. If `delta` is true, the values of
    counters are increases since the start time instead of totals. If `genai` is true, the result
    also has the metric `gen_ai.client.token.usage` of the GenAI semantic conventions. This metric
    has the tokens of `agtop.tokens` in another form.
    """
    request = _Request(time=time, start_of=start_of, delta=delta)
    metrics = [request.metric(family) for family in exposition]
    if genai:
        metrics += request.token_usage({family.metric.name: family for family in exposition})
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(SCOPE, metrics, "")], "")])


class _Request:
    """Creates the data points of one request, all with the same timestamp and temporality."""

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
            data = Histogram(list(self._histograms(family)), self._temporality)
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
        as_number = float if metric.otel_unit in FRACTIONAL_UNITS else _as_number
        counts = metric.kind == "counter"
        for labels, value in family.samples:
            yield NumberDataPoint(
                attributes=dict(zip(names, labels, strict=True)),
                start_time_unix_nano=self._start(metric, labels) if counts else 0,
                time_unix_nano=self._time,
                value=as_number(value),  # type: ignore[arg-type] # a histogram is not here
            )

    def _histograms(self, family: Family) -> Iterator[HistogramDataPoint]:
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
        """Return the tokens by agent and model in the form of the GenAI semantic conventions.

        Cached input counts as `input`. The tokens of single requests are unknown. Therefore the
        histogram has only one bucket, with the number of requests and the sum of the tokens. Source
        (development status): <https://github.com/open-telemetry/semantic-conventions-genai>.
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
            used[key] = used.get(key, 0) + _as_number(value)
        counts = {labels: int(_as_number(value)) for labels, value in requests.samples}
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
    """Return the names of the OTLP attributes for the labels of `metric`, in the same order."""
    return tuple(label.replace("_", ".") for label in metric.labels)


def _as_number(value: Value) -> int | float:
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
