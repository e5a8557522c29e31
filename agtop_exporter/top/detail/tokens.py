"""The tab Tokens: requests, tokens and cost by model, of the session and of its tree."""

from collections.abc import Mapping

from agtop_exporter.model import COST_TYPES, NO_USAGE, PICODOLLARS_PER_USD, ModelUsage, TokenCounts
from agtop_exporter.render.table.columns import compact, money
from agtop_exporter.top.detail.tab import note, table_lines
from agtop_exporter.top.listing import Heading
from agtop_exporter.top.look import UNKNOWN, Look
from agtop_exporter.top.rows import Row, Rows
from agtop_exporter.top.spans import Line, Span, visible

LABELS = {
    "input": "input",
    "cache_read": "cache read",
    "cache_write_5m": "cache write 5m",
    "cache_write_1h": "cache write 1h",
    "output": "output",
    "web_search": "web search",
}
HEADINGS = (
    Heading("MODEL", 30, "left"),
    Heading("REQUESTS", 8),
    Heading("TOKENS", 10),
    Heading("COST$", 12),
    Heading("CACHE HIT", 9),
)


def tokens(row: Row, _rows: Rows, _look: Look, _width: int) -> list[Line]:
    """Return the usage of the session. If it has subagents, also return the usage with them."""
    session = row.session
    if session is None:
        return note("A process without a session has no tokens.")
    lines = _part("own usage", session.models)
    if row.subagents:
        lines += [(), *_part("with subagents", session.tree.models)]
    if session.included:
        lines += [(), *note("The plan covers this usage: the cost is the list price.")]
    return lines if session.models or row.subagents else note("No usage is known.")


def _part(title: str, models: Mapping[str, ModelUsage]) -> list[Line]:
    whole = sum(models.values(), NO_USAGE)
    rows: list[list[Span]] = []
    for model, usage in sorted(models.items(), key=lambda one: -one[1].cost.total):
        rows += _model(visible(model) or UNKNOWN, usage)
    if len(models) > 1:
        rows += _model("all models", whole)
    return [((title, "bold"),), *table_lines(HEADINGS, rows)]


def _model(name: str, usage: ModelUsage) -> list[list[Span]]:
    cost = money(usage.cost, usage.tokens)
    rows: list[list[Span]] = [
        [
            (name, "bold"),
            (str(usage.requests), "bold"),
            (compact(usage.tokens.total), "bold"),
            (cost, "bold"),
            (_hit_share(usage.tokens), "bold"),
        ]
    ]
    for kind in COST_TYPES:
        count = getattr(usage.tokens, kind, 0)
        price = getattr(usage.cost, kind)
        if count or price:
            amount = (
                f"{price / PICODOLLARS_PER_USD:.4f}"
                if price or not usage.cost.unpriced_tokens
                else "?"
            )
            shown = compact(count) if kind != "web_search" else ""
            rows.append([(f"  {LABELS[kind]}", ""), ("", ""), (shown, ""), (amount, ""), ("", "")])
    if usage.cost.reported:
        amount = f"{usage.cost.reported / PICODOLLARS_PER_USD:.4f}"
        rows.append([("  recorded by the agent", ""), ("", ""), ("", ""), (amount, ""), ("", "")])
    if usage.tokens.reasoning:
        text = compact(usage.tokens.reasoning)
        rows.append(
            [("  reasoning, in output", "dim"), ("", ""), (text, "dim"), ("", ""), ("", "")]
        )
    return rows


def _hit_share(tokens: TokenCounts) -> str:
    """Return the share of the prompt tokens that were read from the cache.

    The result is `-` if there are no prompt tokens.
    """
    return f"{tokens.cache_read / tokens.prompt:.0%}" if tokens.prompt else UNKNOWN
