"""Renders the usage of today and of the last days as JSON, version 1."""

from typing import Literal

from agtop_exporter.model import UsageSum
from agtop_exporter.render.json import BUDGET, LIMIT, SCHEMA_VERSION, encoded, limits_at, schema_of
from agtop_exporter.render.json.reports import usage_keys
from agtop_exporter.render.json.shape import Key, Shape, key_of, list_of
from agtop_exporter.reports import DAYS, Today


def _own(usage: UsageSum) -> UsageSum:
    return usage


USAGE = Shape("DaysUsage", usage_keys(_own), "The usage of a number of days, the last is today.")


def _span_key(name: str) -> Key:
    return Key(name, USAGE.type, lambda today: USAGE(today.spans[name]))


DOCUMENT = Shape(
    "Today",
    [
        Key("schema_version", Literal[1], lambda _today: SCHEMA_VERSION),
        Key("report", Literal["today"], lambda _today: "today"),
        key_of("generated_at", float),
        *map(_span_key, DAYS),
        Key(
            "rate_limits",
            list_of(LIMIT),
            lambda today: list(map(LIMIT, limits_at(today.rate_limits, today.generated_at))),
        ),
        Key("budgets", list_of(BUDGET), lambda today: list(map(BUDGET, today.budgets))),
    ],
    "The output of `agtop today`. Keys are only added. An unknown value is null.",
)


def render(today: Today) -> bytes:
    """Return the usage as the JSON document."""
    return encoded(DOCUMENT(today))


def schema() -> bytes:
    """Return the JSON Schema of the document."""
    return schema_of(DOCUMENT)
