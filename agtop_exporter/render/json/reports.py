"""Renders a report as JSON, version 1.

    {
      "schema_version": 1,
      "report": "daily",
      "by": "model",
      "periods": [
        {
          "first_day": "2026-11-28",
          "requests": 153,
          "tokens": {"input": 8210, ..., "total": 4502184},
          "cost_usd": 9.12,
          "unpriced_tokens": 0,
          "groups": [{"model": "claude-opus-4-6", "requests": 120, ...}]
        }
      ],
      "totals": {...}
    }

Later versions may add keys, but never rename or remove a key. An unknown value is null.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any, Literal

from agtop_exporter.model import PICODOLLARS_PER_USD, Period, UsageSum
from agtop_exporter.render.json import BUDGET, SCHEMA_VERSION, encoded, schema_of
from agtop_exporter.render.json.shape import Key, Shape, key_of, list_of
from agtop_exporter.render.json.usage import TOKENS_KEY
from agtop_exporter.reports import KEY_FIELDS, WEEKDAYS, Dimension, Group, Report

NAMES: Mapping[Period, str] = {"day": "daily", "week": "weekly", "month": "monthly"}


def usd(usage: UsageSum) -> float | None:
    """Return the list price in US dollars; None if it is unknown."""
    return usage.cost / PICODOLLARS_PER_USD if usage.cost_known else None


def usage_keys(usage_of: Any) -> list[Key]:  # noqa: ANN401 - a function of any source
    """Return the JSON keys that describe usage: requests, tokens, cost and unpriced tokens.

    `usage_of` takes the object that is rendered, such as a period or a group, and returns its
    usage.
    """
    return [
        Key("requests", int, lambda source: usage_of(source).requests),
        Key("tokens", TOKENS_KEY.type, lambda source: TOKENS_KEY.value(usage_of(source))),
        Key("cost_usd", float | None, lambda source: usd(usage_of(source))),
        Key("unpriced_tokens", int, lambda source: usage_of(source).unpriced_tokens),
    ]


TOTALS = Shape("ReportTotals", usage_keys(lambda usage: usage), "The sum of all periods.")


def _name_key(field: str, index: int) -> Key:
    return Key(field, str | None, lambda group: group.key[index] or None)


@cache
def document(by: Dimension) -> Shape:
    """Return the type of the JSON document of a report with groups by `by`."""
    group = Shape(
        f"{by.capitalize()}Usage",
        [
            *(_name_key(field, index) for index, field in enumerate(KEY_FIELDS[by])),
            *usage_keys(_usage_of),
        ],
        f"The usage of one {by} in one period. `cost_usd` is the list price.",
    )
    period = Shape(
        "PeriodUsage",
        [
            key_of("first_day", date | None),
            *usage_keys(_usage_of),
            Key("groups", list_of(group), lambda period: list(map(group, period.groups))),
        ],
        "The usage of one day, week or month. `first_day` is null if the time is unknown.",
    )
    return Shape(
        "Report",
        [
            Key("schema_version", Literal[1], lambda _report: SCHEMA_VERSION),
            Key("report", Literal[tuple(NAMES.values())], lambda report: NAMES[report.period]),
            Key("by", Literal[by], lambda report: report.by),
            key_of("generated_at", float),
            key_of("timezone", str | None),
            Key("week_start", Literal[WEEKDAYS], lambda report: WEEKDAYS[report.week_start]),
            key_of("since", date | None),
            key_of("until", date | None),
            Key("periods", list_of(period), lambda report: list(map(period, report.periods))),
            Key("totals", TOTALS.type, lambda report: TOTALS(report.usage)),
            Key("budgets", list_of(BUDGET), lambda report: list(map(BUDGET, report.budgets))),
        ],
        "A report of `agtop`. Keys are only added. An unknown value is null. A `timezone` of null "
        "is the time zone of the machine.",
    )


def _usage_of(source: Group) -> UsageSum:
    return source.usage


def render(report: Report) -> bytes:
    """Return a report as the JSON document."""
    return encoded(document(report.by)(report))


def schema(by: Dimension) -> bytes:
    """Return the JSON Schema of a report with groups by `by`."""
    return schema_of(document(by))
