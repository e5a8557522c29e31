"""Usage events and their sums: tokens, cost, requests.

Counts and costs are integers, so that a sum does not depend on the order of its terms.
"""

import msgspec

from agtop_exporter.model.units import MAX_SUM

TOKEN_TYPES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
"""The disjoint token types. Their sum counts every billed token once."""

COST_TYPES = (*TOKEN_TYPES, "web_search")
"""What a cost that is not reported consists of: the token types, and the fees for web searches."""

Series = tuple[str, ...]
"""Identifies a counter: the metric name without prefix and suffix, then the label values."""


class TokenCounts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Tokens of one or many requests. The first five fields are disjoint.

    `input` is uncached input. `output` includes `reasoning`.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """The sum of the disjoint fields."""
        return (
            self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.output
        )

    @property
    def prompt(self) -> int:
        """The tokens of the prompt, which are the used context before the response."""
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
        """Return the larger value of each field, which merges two records of one response."""
        return TokenCounts(
            max(self.input, other.input),
            max(self.cache_read, other.cache_read),
            max(self.cache_write_5m, other.cache_write_5m),
            max(self.cache_write_1h, other.cache_write_1h),
            max(self.output, other.output),
            max(self.reasoning, other.reasoning),
        )

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
"""The running total of a source that has lost records."""


class Cost(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A cost in picodollars by token type.

    `web_search` is the fees for web searches, which are no tokens. `reported` is a cost that the
    agent recorded itself, which has no token types.
    `unpriced_tokens` counts tokens without a known price; no other field includes them.
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
        """The sum of all priced fields, in picodollars."""
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
        """Return whether part of `tokens` has a price. If not, the cost is unknown, not 0."""
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

    `key` is unique within the agent. Further records of the event (a response that grows, a copy in
    a forked transcript, a rewritten file) are merged with the first one: by the maximum of each
    number, and by the ids of tool calls. `copied` is set if the record itself shows that it is a
    copy. The event then belongs to the session of the original. `other_keys` are further keys under
    which the same event may have been counted.

    `running_total` is set if two sources record the same usage under different keys. It is the sum
    that one source has recorded so far for this session and model, including this event. The event
    then counts only what is missing in the session's sum. The sum of the session is therefore the
    larger one of the two sources, whichever is read first. Another record of the event adds no
    tokens. If the source has lost records, the value is UNKNOWN_TOTAL, and a new event counts
    fully.
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
    web_searches: int = 0  # those that are billed by use
    region: str = ""  # where the model ran, if it changes the price, e.g. "us"

    @property
    def least(self) -> int:
        """The smallest number, at most 0. A negative value is a bug of the reader."""
        tokens: tuple[int, ...] = msgspec.structs.astuple(self.tokens)
        counts = (self.requests, self.turns, self.compactions, self.web_searches)
        return min(0, *counts, self.reported_cost or 0, *tokens)

    @property
    def is_billed(self) -> bool:
        """Return whether the event has a price: it is a response or a search."""
        return bool(self.requests or self.web_searches)


class ModelUsage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The usage of one model in one session."""

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
        """Return the usage with all sums limited to MAX_SUM, the largest integer of SQLite."""
        tokens, cost = msgspec.structs.astuple(self.tokens), msgspec.structs.astuple(self.cost)
        if max(self.requests, *tokens, *cost) <= MAX_SUM:
            return self
        return ModelUsage(
            min(self.requests, MAX_SUM),
            TokenCounts(*(min(count, MAX_SUM) for count in tokens)),
            Cost(*(min(amount, MAX_SUM) for amount in cost)),
        )


NO_USAGE = ModelUsage()
