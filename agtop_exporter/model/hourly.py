"""The usage of one model in one session and one hour, which reports add up."""

import msgspec

from agtop_exporter.model.usage import NO_TOKENS, TokenCounts


class UsageSum(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A sum of requests, tokens and cost.

    `cost` is the list price in picodollars, including fees, at the prices that are known today.
    `unpriced_tokens` are the tokens whose price is unknown. They are not in `cost`.

    `billed_difference` is the billed amount minus `cost`, in picodollars. Only the results of
    `Ledger.bills` have it. In all other sums it is 0.
    """

    requests: int = 0
    tokens: TokenCounts = NO_TOKENS
    cost: int = 0
    unpriced_tokens: int = 0
    billed_difference: int = 0

    def __add__(self, other: "UsageSum") -> "UsageSum":
        return UsageSum(
            self.requests + other.requests,
            self.tokens + other.tokens,
            self.cost + other.cost,
            self.unpriced_tokens + other.unpriced_tokens,
            self.billed_difference + other.billed_difference,
        )

    @property
    def cost_known(self) -> bool:
        """Whether the price of at least a part of the usage is known.

        If it is not, the cost is unknown, not 0.
        """
        return (
            self.cost > 0 or self.unpriced_tokens == 0 or self.unpriced_tokens < self.tokens.total
        )


NO_SUM = UsageSum()


class HourlyUsage(msgspec.Struct, frozen=True, gc=False):
    """The usage of one model in one session and one hour. Unknown names are "".

    `top_session_id` and `top_project` belong to the top-level session: the session itself, or the
    session that directly or indirectly started this subagent.

    `hour` is the number of whole hours from 1970 to the start of the hour (UTC). It is 0 if the
    time of the usage is unknown. Old usage is stored by day or month; its `hour` is the middle of
    the day or month.
    """

    agent: str
    session_id: str
    top_session_id: str
    project: str
    git_branch: str
    model: str
    hour: int
    usage: UsageSum
    top_project: str = ""
