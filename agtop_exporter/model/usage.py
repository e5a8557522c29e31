"""Usage events and their sums: tokens, cost, requests.

Counts and costs are integers, so that a sum does not depend on the order of its terms.
"""

import msgspec

from agtop_exporter.model.units import MAX_SUM

TOKEN_TYPES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
"""The token types. They do not overlap: their sum counts every billed token once."""

COST_TYPES = (*TOKEN_TYPES, "web_search")
"""The parts of a cost that is calculated from prices: the token types and web search fees."""

PROMPT_FIELDS = 4
"""The number of fields of TokenCounts that count the prompt. They are its first fields."""

Series = tuple[str, ...]
"""The identity of a series: the metric name without prefix and suffix, then the label values."""


class TokenCounts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The token counts of one or more requests. The first five fields count different tokens.

    `input` counts only uncached input tokens. `output` includes `reasoning`.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """The sum of all fields except `reasoning`, because `output` includes `reasoning`."""
        return (
            self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.output
        )

    @property
    def prompt(self) -> int:
        """The number of tokens in the prompt: all input tokens, cached or not."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h

    def __add__(self, other: "TokenCounts") -> "TokenCounts":
        return TokenCounts(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write_5m + other.cache_write_5m,
            self.cache_write_1h + other.cache_write_1h,
            self.output + other.output,
            self.reasoning + other.reasoning,
        )

    def __sub__(self, other: "TokenCounts") -> "TokenCounts":
        return TokenCounts(
            self.input - other.input,
            self.cache_read - other.cache_read,
            self.cache_write_5m - other.cache_write_5m,
            self.cache_write_1h - other.cache_write_1h,
            self.output - other.output,
            self.reasoning - other.reasoning,
        )

    def max(self, other: "TokenCounts") -> "TokenCounts":
        """Return the larger value of each field."""
        return TokenCounts(
            max(self.input, other.input),
            max(self.cache_read, other.cache_read),
            max(self.cache_write_5m, other.cache_write_5m),
            max(self.cache_write_1h, other.cache_write_1h),
            max(self.output, other.output),
            max(self.reasoning, other.reasoning),
        )

    def merged(self, other: "TokenCounts") -> "TokenCounts":
        """Return the token counts of a response that two records describe.

        Each field has the larger value, but the prompt is not longer than the longer one of the two
        records. Some gateways first report the whole prompt as `input`, and divide it into `input`
        and `cache_read` at the end of the response. The division of `self` is then kept.
        """
        larger = self.max(other)
        excess = larger.prompt - max(self.prompt, other.prompt)
        if not excess:
            return larger
        kept, counts = msgspec.structs.astuple(self), list(msgspec.structs.astuple(larger))
        for place in reversed(range(PROMPT_FIELDS)):
            cut = min(excess, counts[place] - kept[place])
            counts[place] -= cut
            excess -= cut
        return TokenCounts(*counts)

    def min(self, other: "TokenCounts") -> "TokenCounts":
        """Return the smaller value of each field."""
        return TokenCounts(
            min(self.input, other.input),
            min(self.cache_read, other.cache_read),
            min(self.cache_write_5m, other.cache_write_5m),
            min(self.cache_write_1h, other.cache_write_1h),
            min(self.output, other.output),
            min(self.reasoning, other.reasoning),
        )


NO_TOKENS = TokenCounts()
UNKNOWN_TOTAL = (-1, NO_TOKENS)
"""The value of `UsageEvent.running_total` if the source of the event has lost records."""


class Cost(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A cost in picodollars: the cost of each token type, and the following fields.

    `web_search` is the fees for web searches. `reported` is a cost that the agent itself recorded
    without a division by token type. `unpriced_tokens` is not a cost: it is the number of tokens
    whose price is unknown.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reported: int = 0
    unpriced_tokens: int = 0
    web_search: int = 0

    @property
    def total(self) -> int:
        """The sum of all fields except `unpriced_tokens`, in picodollars."""
        return (
            self.input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.output
            + self.reported
            + self.web_search
        )

    def known_for(self, tokens: TokenCounts) -> bool:
        """Return whether the price of at least a part of `tokens` is known.

        `tokens` are the tokens of this cost. If the result is False, the cost is unknown, not 0.
        """
        return self.total > 0 or self.unpriced_tokens == 0 or self.unpriced_tokens < tokens.total

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write_5m + other.cache_write_5m,
            self.cache_write_1h + other.cache_write_1h,
            self.output + other.output,
            self.reported + other.reported,
            self.unpriced_tokens + other.unpriced_tokens,
            self.web_search + other.web_search,
        )

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(
            self.input - other.input,
            self.cache_read - other.cache_read,
            self.cache_write_5m - other.cache_write_5m,
            self.cache_write_1h - other.cache_write_1h,
            self.output - other.output,
            self.reported - other.reported,
            self.unpriced_tokens - other.unpriced_tokens,
            self.web_search - other.web_search,
        )

    def max(self, other: "Cost") -> "Cost":
        """Return the larger value of each field."""
        return Cost(
            max(self.input, other.input),
            max(self.cache_read, other.cache_read),
            max(self.cache_write_5m, other.cache_write_5m),
            max(self.cache_write_1h, other.cache_write_1h),
            max(self.output, other.output),
            max(self.reported, other.reported),
            max(self.unpriced_tokens, other.unpriced_tokens),
            max(self.web_search, other.web_search),
        )


NO_COST = Cost()


class UsageEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event that is counted once: a billed response, a prompt, a tool call or a compaction.

    `key` is unique within the agent. An event can have several records: a response that grows, a
    copy in a forked transcript, or a rewritten file. Records with the same key are merged: the
    event gets the larger value of each number, and each tool call id once. `copied` is set if the
    record itself shows that it is a copy. The event then belongs to the session of the original
    record. `other_keys` are further keys under which the same event may have been counted.

    `running_total` is set if two sources record the same usage under different keys. It is the sum
    that one source has recorded so far for this session and model, including this event. Only the
    usage that is missing in the counted sum of the session is then added. The counted sum is
    therefore the larger sum of the two sources, in whatever order the sources are read. Another
    record of the event adds no tokens. If the source has lost records, `running_total` is
    UNKNOWN_TOTAL, and all usage of a new event is added.
    """

    key: str
    session_id: str
    time: float
    model: str = ""
    tokens: TokenCounts = NO_TOKENS
    requests: int = 0  # 1 for a model response
    turns: int = 0  # 1 for a prompt typed by the user
    compactions: int = 0  # 1 for a compaction of the context
    tools: tuple[tuple[str, str], ...] = ()  # (call id, tool name)
    tool_errors: tuple[tuple[str, str], ...] = ()
    copied: bool = False
    provider: str = ""  # billing provider if recorded, such as "anthropic"
    speed: str = ""  # service tier that changes the price, such as "fast" or "priority"
    reported_cost: int | None = None  # picodollars billed, if the agent recorded them
    # keys of the event in other records or in earlier versions of this program
    other_keys: tuple[str, ...] = ()
    running_total: tuple[int, TokenCounts] | None = None  # requests and tokens
    web_searches: int = 0  # web searches that are billed per search
    region: str = ""  # where the model ran, if it changes the price, e.g. "us"
    own_price: bool = False  # a price of the user is billed instead of `reported_cost`

    @property
    def least(self) -> int:
        """The smallest count or cost of the event; 0 if none is negative.

        A negative value is a bug of the reader that made the event.
        """
        tokens: tuple[int, ...] = msgspec.structs.astuple(self.tokens)
        counts = (self.requests, self.turns, self.compactions, self.web_searches)
        return min(0, *counts, self.reported_cost or 0, *tokens)

    @property
    def is_billed(self) -> bool:
        """Return whether the event is billed: it has requests, tokens or billed web searches.

        If the number of requests is unknown, an event has tokens without requests.
        """
        return bool(self.requests or self.web_searches or self.tokens != NO_TOKENS)


class ModelUsage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The requests, tokens and cost of one model, for example in one session."""

    requests: int = 0
    tokens: TokenCounts = NO_TOKENS
    cost: Cost = NO_COST

    def __add__(self, other: "ModelUsage") -> "ModelUsage":
        return ModelUsage(
            self.requests + other.requests, self.tokens + other.tokens, self.cost + other.cost
        )

    def __sub__(self, other: "ModelUsage") -> "ModelUsage":
        return ModelUsage(
            self.requests - other.requests, self.tokens - other.tokens, self.cost - other.cost
        )

    def max(self, other: "ModelUsage") -> "ModelUsage":
        """Return the larger value of each field."""
        return ModelUsage(
            max(self.requests, other.requests),
            self.tokens.max(other.tokens),
            self.cost.max(other.cost),
        )

    def bounded(self) -> "ModelUsage":
        """Return the usage with each number limited to MAX_SUM, the largest integer of SQLite."""
        tokens, cost = msgspec.structs.astuple(self.tokens), msgspec.structs.astuple(self.cost)
        if max(self.requests, *tokens, *cost) <= MAX_SUM:
            return self
        return ModelUsage(
            min(self.requests, MAX_SUM),
            TokenCounts(*(min(count, MAX_SUM) for count in tokens)),
            Cost(*(min(amount, MAX_SUM) for amount in cost)),
        )


NO_USAGE = ModelUsage()
