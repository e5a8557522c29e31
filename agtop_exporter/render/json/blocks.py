"""Renders the five-hour windows of all agents as JSON, version 1."""

from typing import Literal

from agtop_exporter.model import PICODOLLARS_PER_USD, time_text
from agtop_exporter.render.json import SCHEMA_VERSION, encoded, schema_of
from agtop_exporter.render.json.reports import usage_keys
from agtop_exporter.render.json.shape import Key, Shape, Time, key_of, keys_of, list_of
from agtop_exporter.reports import Block, BlocksReport, Pace


def _usd_key(name: str, field: str) -> Key:
    def usd(pace: Pace) -> float | None:
        amount: float | None = getattr(pace, field)
        return None if amount is None else amount / PICODOLLARS_PER_USD

    return Key(name, float | None, usd)


PACE = Shape(
    "Pace",
    keys_of(
        Pace,
        {
            "cost_per_hour": (_usd_key("cost_usd_per_hour", "cost_per_hour"),),
            "projected_cost": (_usd_key("projected_cost_usd", "projected_cost"),),
        },
    ),
    "The mean rate since the start of the window, and the sums at its end if the rate stays. The "
    "ratios are shares of the agent's limit.",
)


def _pace(block: Block) -> object:
    return PACE(block.pace) if block.pace else None


BLOCK = Shape(
    "Block",
    [
        key_of("agent", str),
        key_of("started_at", float),
        Key("ends_at", Time | None, lambda block: time_text(block.ends_at)),
        Key("is_active", bool, lambda block: block.pace is not None),
        key_of("is_limit", bool),
        *usage_keys(lambda block: block.usage),
        Key("models", list[str], lambda block: [group.key[0] for group in block.models]),
        Key("pace", PACE.type | None, _pace),
    ],
    "The usage of one agent in one window of five hours. `is_limit` is true for the window of a "
    "limit that the agent has recorded. `pace` is null if the window has ended.",
)

DOCUMENT = Shape(
    "Blocks",
    [
        Key("schema_version", Literal[1], lambda _report: SCHEMA_VERSION),
        Key("report", Literal["blocks"], lambda _report: "blocks"),
        key_of("generated_at", float),
        Key("blocks", list_of(BLOCK), lambda report: list(map(BLOCK, report.blocks))),
    ],
    "The output of `agtop blocks`. Keys are only added. An unknown value is null.",
)


def render(report: BlocksReport) -> bytes:
    """Return the windows as the JSON document."""
    return encoded(DOCUMENT(report))


def schema() -> bytes:
    """Return the JSON Schema of the document."""
    return schema_of(DOCUMENT)
