"""The values that modules exchange, and the meaning of each number.

Nothing here does I/O. Times are unix seconds (UTC), sizes are bytes, costs are picodollars
(1e-12 USD).
"""

from agtop_exporter.model.batch import (
    Batch,
    Cursor,
    ParseError,
    RateLimit,
)
from agtop_exporter.model.errors import (
    AgtopError,
)
from agtop_exporter.model.session import (
    PROMPT_RANK,
    STATE_KINDS,
    TITLE_CHARACTERS,
    WAITING_BOUNDS_SECONDS,
    ProcessMatch,
    ProcessUsage,
    Session,
    SessionKey,
    SessionState,
    SessionUpdate,
    Signal,
    State,
    StateKind,
    Tree,
    one_line,
)
from agtop_exporter.model.snapshot import (
    PLANS,
    REFRESH_STAGES,
    AgentStatus,
    Plan,
    PriceSource,
    RefreshError,
    RefreshStage,
    Snapshot,
)
from agtop_exporter.model.units import (
    END_OF_TIME,
    MAX_SUM,
    PICODOLLARS_PER_USD,
    SECONDS_PER_HOUR,
    hour_of,
    is_sane,
)
from agtop_exporter.model.usage import (
    COST_TYPES,
    NO_COST,
    NO_TOKENS,
    NO_USAGE,
    TOKEN_TYPES,
    Cost,
    ModelUsage,
    Series,
    TokenCounts,
    UsageEvent,
)

__all__ = [
    "COST_TYPES",
    "END_OF_TIME",
    "MAX_SUM",
    "NO_COST",
    "NO_TOKENS",
    "NO_USAGE",
    "PICODOLLARS_PER_USD",
    "PLANS",
    "PROMPT_RANK",
    "REFRESH_STAGES",
    "SECONDS_PER_HOUR",
    "STATE_KINDS",
    "TITLE_CHARACTERS",
    "TOKEN_TYPES",
    "WAITING_BOUNDS_SECONDS",
    "AgentStatus",
    "AgtopError",
    "Batch",
    "Cost",
    "Cursor",
    "ModelUsage",
    "ParseError",
    "Plan",
    "PriceSource",
    "ProcessMatch",
    "ProcessUsage",
    "RateLimit",
    "RefreshError",
    "RefreshStage",
    "Series",
    "Session",
    "SessionKey",
    "SessionState",
    "SessionUpdate",
    "Signal",
    "Snapshot",
    "State",
    "StateKind",
    "TokenCounts",
    "Tree",
    "UsageEvent",
    "hour_of",
    "is_sane",
    "one_line",
]
