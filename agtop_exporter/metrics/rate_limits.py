"""Defines metrics of the rate limits of each agent's accounts."""

from collections.abc import Callable, Iterator

from agtop_exporter.ledger import WINDOWS_MAX
from agtop_exporter.metrics.limits import ACCOUNTS, AGENTS, WINDOWS
from agtop_exporter.metrics.metric import Collect, Metric, Number, Sample
from agtop_exporter.model import MIN_ELAPSED_RATIO, RateLimit, Snapshot

LABELS = ("agent", "window", "source", "account")

RATE_LIMIT_LIFE_SECONDS = 86_400
"""A rate limit is published for at most this time after the agent recorded it."""


def _rate_limits(value_of: Callable[[RateLimit], Number | None]) -> Collect:
    def collect(snapshot: Snapshot) -> Iterator[Sample]:
        for limit in snapshot.rate_limits:
            value = value_of(limit)
            fresh = snapshot.generated_at - limit.observed_at <= RATE_LIMIT_LIFE_SECONDS
            if fresh and not limit.is_over(snapshot.generated_at) and value is not None:
                yield (limit.agent, limit.window, limit.source, limit.account), value

    return collect


RATE_LIMITS = (
    Metric(
        name="agtop_rate_limit_used_ratio",
        kind="gauge",
        labels=LABELS,
        help="Used share of a rate-limit window, as the agent last recorded it; 1 is exhausted. "
        "Absent after the window ends, and one day after the record. source is the kind of "
        f"record. An account has at most {WINDOWS_MAX} windows; account is empty for the default "
        "directory of the agent.",
        otel_name="agtop.rate_limit.used",
        otel_unit="1",
        limits=(AGENTS, WINDOWS, ACCOUNTS),
        collect=_rate_limits(lambda limit: limit.used_ratio),
    ),
    Metric(
        name="agtop_rate_limit_window_seconds",
        kind="gauge",
        labels=LABELS,
        help="Length of a rate-limit window in seconds, as the agent last recorded it.",
        otel_name="agtop.rate_limit.window",
        otel_unit="s",
        limits=(AGENTS, WINDOWS, ACCOUNTS),
        collect=_rate_limits(lambda limit: limit.window_seconds),
    ),
    Metric(
        name="agtop_rate_limit_reset_timestamp_seconds",
        kind="gauge",
        labels=LABELS,
        help="Time when a rate-limit window resets, in unix seconds, as the agent last recorded "
        "it.",
        otel_name="agtop.rate_limit.reset.timestamp",
        otel_unit="s",
        limits=(AGENTS, WINDOWS, ACCOUNTS),
        collect=_rate_limits(lambda limit: limit.resets_at),
    ),
    Metric(
        name="agtop_rate_limit_observed_timestamp_seconds",
        kind="gauge",
        labels=LABELS,
        help="Time when the agent last recorded a rate-limit window, in unix seconds.",
        otel_name="agtop.rate_limit.observed.timestamp",
        otel_unit="s",
        limits=(AGENTS, WINDOWS, ACCOUNTS),
        collect=_rate_limits(lambda limit: limit.observed_at),
    ),
    Metric(
        name="agtop_rate_limit_elapsed_ratio",
        kind="gauge",
        labels=LABELS,
        help="Elapsed share of a rate-limit window when the agent last recorded it. Absent "
        "if the reset or the length is unknown.",
        otel_name="agtop.rate_limit.elapsed",
        otel_unit="1",
        limits=(AGENTS, WINDOWS, ACCOUNTS),
        collect=_rate_limits(lambda limit: limit.elapsed_ratio),
    ),
    Metric(
        name="agtop_rate_limit_projected_ratio",
        kind="gauge",
        labels=LABELS,
        help="Used share of a rate-limit window at its reset if the mean rate up to the last "
        "record stays the same. This is also the pace: above 1, the limit is exhausted before the "
        f"reset. Absent in the first {MIN_ELAPSED_RATIO:.0%} of the window.",
        otel_name="agtop.rate_limit.projected",
        otel_unit="1",
        limits=(AGENTS, WINDOWS, ACCOUNTS),
        collect=_rate_limits(lambda limit: limit.projected_ratio),
    ),
)
