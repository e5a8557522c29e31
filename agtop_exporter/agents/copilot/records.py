"""Defines the records of the command line tool's log, and converts their usage. Does no I/O."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count, Moment, Number, RunningTotal

NANO_CREDITS = 10**9
"""The number of nano-AIU, the unit in which the tool records AI credits, of one AI credit."""

PICODOLLARS_PER_NANO_CREDIT = 10
"""The cost of one nano-AIU in picodollars. An AI credit costs 0.01 USD.

Source: https://docs.github.com/en/copilot/concepts/billing/usage-based-billing-for-individuals.
"""

NanoCredits = Annotated[float, msgspec.Meta(ge=0, le=10**15)]
"""AI credits in nano-AIU. The limit is a million credits, which cost 10,000 USD."""

Bills = dict[str, float]
"""The AI credits so far in nano-AIU, by model."""


def billed(nano_credits: float | None) -> int | None:
    """Convert AI credits in nano-AIU to picodollars; return None for None or 0."""
    return round(nano_credits * PICODOLLARS_PER_NANO_CREDIT) if nano_credits else None


class Credits(msgspec.Struct, gc=False, rename="camel"):
    """The AI credits that one or several requests cost."""

    total_nano_aiu: NanoCredits | None = None


class Accounting(msgspec.Struct, gc=False, rename="camel"):
    """The session or subagent that made a request, and the number of the request in it."""

    source_session_id: str | None = None
    sequence: Number | None = None


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The token counts of one or several requests.

    Input tokens include cached input tokens. Output tokens include reasoning tokens.
    """

    model: str | None = None
    input_tokens: Count | None = 0
    output_tokens: Count | None = 0
    cache_read_tokens: Count | None = 0
    cache_write_tokens: Count | None = 0
    reasoning_tokens: Count | None = 0
    input: Count | None = 0  # this and the next two: written by older versions in compactions
    output: Count | None = 0
    cached_input: Count | None = 0
    request_count: Count | None = None  # number of requests in a compaction
    api_call_id: str | None = None
    reasoning_effort: str | None = None
    max_prompt_tokens: Count | None = None
    accounting: Accounting | None = None
    copilot_usage: Credits | None = None
    total_nano_aiu: NanoCredits | None = None

    @property
    def billed(self) -> int | None:
        """The cost of the requests in picodollars; None if the record has no AI credits."""
        return billed(
            (self.copilot_usage and self.copilot_usage.total_nano_aiu) or self.total_nano_aiu
        )


class Requests(msgspec.Struct, gc=False):
    """The number of requests to a model."""

    count: Count | None = 0


class UsageTotals(Usage, gc=False, rename="camel"):
    """The token counts of all requests to one model in a process or session.

    Their limit is that of a sum. A long session has more than 10⁹ cached tokens.
    """

    input_tokens: RunningTotal | None = 0
    output_tokens: RunningTotal | None = 0
    cache_read_tokens: RunningTotal | None = 0
    cache_write_tokens: RunningTotal | None = 0
    reasoning_tokens: RunningTotal | None = 0


class ModelMetrics(msgspec.Struct, gc=False, rename="camel"):
    """The number of requests to one model in a session, their token counts and AI credits."""

    requests: Requests | None = None
    usage: UsageTotals | None = None
    total_nano_aiu: NanoCredits | None = None


class Accounts(msgspec.Struct, gc=False, rename="camel"):
    """The usage of a session by model. It includes all processes of the session so far."""

    model_metrics: dict[str, ModelMetrics] | None = None


class TokenDetail(msgspec.Struct, gc=False, rename="camel"):
    """The number of tokens of one type, such as input, in all requests of a process."""

    token_count: RunningTotal | None = None


class Place(msgspec.Struct, gc=False):
    """The working directory and the git branch of a session."""

    cwd: str | None = None
    branch: str | None = None


class Data(msgspec.Struct, gc=False, rename="camel"):
    """The payload of a record of any type, with only the fields that are read."""

    copilot_version: str | None = None
    selected_model: str | None = None
    new_model: str | None = None
    model: str | None = None  # in messages and tool calls
    output_tokens: Count | None = None  # in messages
    reasoning_effort: str | None = None
    context: Place | None = None
    content: str | None = None
    source: str | None = None
    title: str | None = None
    usage: Usage | None = None
    api_call_id: str | None = None
    tool_requests: list[msgspec.Raw] | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    mcp_server_name: str | None = None
    success: bool | None = None
    request_id: str | None = None
    compaction_tokens_used: Usage | None = None
    accounting_snapshot: Accounts | None = None
    model_metrics: dict[str, ModelMetrics] | None = None
    token_details: dict[str, TokenDetail] | None = None  # by type of token, as in `details_of`
    total_nano_aiu: NanoCredits | None = None  # of all models
    current_model: str | None = None
    parent_tool_call_id: str | None = None  # in records of a subagent
    agent_display_name: str | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One record, which is a line of the log."""

    type: str = ""
    id: str | None = None
    timestamp: Moment | None = None
    agent_id: str | None = None
    data: Data | None = None


Figures = tuple[int, TokenCounts]
"""A number of requests and their token counts: (requests, tokens)."""

NOTHING: Figures = (0, TokenCounts())

Totals = dict[str, Figures]
"""The numbers of requests and the token counts so far: (requests, tokens) by model."""


def token_counts(usage: Usage) -> TokenCounts:
    """Convert recorded usage to token counts in which input excludes cached input.

    The cache lifetime of cache writes is not recorded. All cache writes count as 5-minute writes.
    """
    read = usage.cache_read_tokens or usage.cached_input or 0
    written = usage.cache_write_tokens or 0
    return TokenCounts(
        input=max(0, (usage.input_tokens or usage.input or 0) - read - written),
        cache_read=read,
        cache_write_5m=written,
        output=usage.output_tokens or usage.output or 0,
        reasoning=usage.reasoning_tokens or 0,
    )


def totals_of(metrics: Mapping[str, ModelMetrics]) -> Totals:
    """Convert recorded metrics by model to (requests, tokens) by model."""
    return {
        model: (
            (figures.requests.count or 0) if figures.requests else 0,
            token_counts(figures.usage) if figures.usage else TokenCounts(),
        )
        for model, figures in metrics.items()
    }


def bills_of(
    metrics: Mapping[str, ModelMetrics], totals: Totals, of_all_models: float | None
) -> Bills:
    """Return the recorded AI credits by model.

    `totals` are the totals of the same record, and `of_all_models` are its AI credits without a
    model. They belong to the only model in `totals`. If there are several models, they are ignored.
    """
    bills = {
        model: figures.total_nano_aiu
        for model, figures in metrics.items()
        if figures.total_nano_aiu is not None
    }
    if not bills and of_all_models is not None and len(totals) == 1:
        return dict.fromkeys(totals, of_all_models)
    return bills


def details_of(details: Mapping[str, TokenDetail], model: str) -> Totals:
    """Convert numbers of tokens by type to the total of one model, with 0 requests.

    A token has only one type. Returns {} if there are no tokens.
    """
    counts = {name: detail.token_count or 0 for name, detail in details.items()}
    tokens = TokenCounts(
        input=counts.get("input", 0),
        cache_read=counts.get("cache_read", 0),
        cache_write_5m=counts.get("cache_write", 0),
        output=counts.get("output", 0),
    )
    return {model: (0, tokens)} if tokens.total else {}
