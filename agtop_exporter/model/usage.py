"""Usage: tokens, cost and the events that carry them.

Counts and costs are integers, so that a sum does not depend on the order of its terms.
"""

import msgspec

from agtop_exporter.model.units import MAX_SUM

TOKEN_TYPES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
"""The disjoint token types: their sum is every token that was billed, once."""

Series = tuple[str, ...]
"""One running total: the name of its metric (without prefix and suffix), then its label values."""


class TokenCounts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Tokens of one or many requests; the first five fields are disjoint.

    `input` is uncached input; `output` includes reasoning, and `reasoning` repeats that part.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """All tokens, each once."""
        return (
            self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.output
        )

    @property
    def prompt(self) -> int:
        """What the model was given: the context that the request used before its answer."""
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
        """Return the larger of each field: how two sightings of one response merge."""
        return TokenCounts(
            max(self.input, other.input),
            max(self.cache_read, other.cache_read),
            max(self.cache_write_5m, other.cache_write_5m),
            max(self.cache_write_1h, other.cache_write_1h),
            max(self.output, other.output),
            max(self.reasoning, other.reasoning),
        )


NO_TOKENS = TokenCounts()


class Cost(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Money in picodollars, by token type; `reported` is an agent's own figure without a split.

    `unpriced_tokens` counts the tokens that no price was known for: they are in no other field.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reported: int = 0
    unpriced_tokens: int = 0

    @property
    def total(self) -> int:
        """All that is priced, in picodollars."""
        return (
            self.input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.output
            + self.reported
        )

    def known_for(self, tokens: TokenCounts) -> bool:
        """Tell whether anything of `tokens` is priced: if not, the cost is unknown, not zero."""
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
        )

    def max(self, other: "Cost") -> "Cost":
        """Return the larger of each field."""
        return Cost(
            max(self.input, other.input),
            max(self.cache_read, other.cache_read),
            max(self.cache_write_5m, other.cache_write_5m),
            max(self.cache_write_1h, other.cache_write_1h),
            max(self.output, other.output),
            max(self.reported, other.reported),
            max(self.unpriced_tokens, other.unpriced_tokens),
        )


NO_COST = Cost()


class UsageEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing that happened once: a billed response, a prompt, a tool call, a compaction.

    `key` names it for ever among the events of its agent: a second sighting (streamed growth, a
    copy in a forked transcript, a rewritten file) merges into the first, field by field by the
    maximum and tool calls by their ids. `copied` says that the record itself shows that it is a
    copy; the session that holds the original then owns the event.
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
    provider: str = ""  # billing provider where the agent names it, e.g. "anthropic"
    speed: str = ""  # service tier that changes the price, e.g. "fast", "priority"
    reported_cost: int | None = None  # picodollars, where the agent itself says what it cost

    @property
    def least(self) -> int:
        """The smallest figure, at most 0: one below it is a mistake of the reader."""
        tokens: tuple[int, ...] = msgspec.structs.astuple(self.tokens)
        return min(0, self.requests, self.turns, self.compactions, self.reported_cost or 0, *tokens)


class Run(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Responses of one session, model and hour, that one price may hold for: their sums."""

    session_id: str
    model: str
    provider: str
    speed: str
    hour: int  # unix seconds // 3600
    own_word: bool  # the agent says what each of them cost
    first: float  # the earliest and the latest time
    last: float
    longest_prompt: int  # tokens
    requests: int
    tokens: TokenCounts
    reported_cost: int  # picodollars, where it is the agent's own word
    least: int  # the smallest figure of any of them


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """Many usage events, summed already: most are new, and then nobody needs each of them."""

    keys: list[bytes]  # of all events, in their order
    session_ids: list[str]
    runs: list[Run]
    counts: list[tuple[str, str, str, int]]  # session id, kind of count, tool name, number
    events: bytes  # list[UsageEvent], encoded
    least: int  # the smallest figure of any of them, at most 0


class ModelUsage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one session used of one model."""

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
        """Return the larger of each field."""
        return ModelUsage(
            max(self.requests, other.requests),
            self.tokens.max(other.tokens),
            self.cost.max(other.cost),
        )

    def bounded(self) -> "ModelUsage":
        """Return the same, with no sum above MAX_SUM: absurd figures must not end the counting."""
        tokens, cost = msgspec.structs.astuple(self.tokens), msgspec.structs.astuple(self.cost)
        if max(self.requests, *tokens, *cost) <= MAX_SUM:
            return self
        return ModelUsage(
            min(self.requests, MAX_SUM),
            TokenCounts(*(min(count, MAX_SUM) for count in tokens)),
            Cost(*(min(amount, MAX_SUM) for amount in cost)),
        )


NO_USAGE = ModelUsage()
