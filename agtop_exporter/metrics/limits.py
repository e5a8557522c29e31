"""Defines the maximum number of values of each label.

Each maximum is computed from the constant that enforces it.
"""

from typing import get_args

import msgspec

from agtop_exporter.agents import agent_modules
from agtop_exporter.labels import (
    PARSE_ERROR_REASONS,
    PRICE_SOURCES,
    PROCESS_SCAN_ERROR_REASONS,
    RESET_REASONS,
    SERIES_LIMITS,
)
from agtop_exporter.ledger import ACCOUNTS_MAX, LABELS_MAX, WINDOWS_MAX
from agtop_exporter.model import (
    BUDGETS_MAX,
    REFRESH_STAGES,
    STATE_KINDS,
    TOKEN_TYPES,
    USERS_MAX,
    WAITING_BOUNDS_SECONDS,
)
from agtop_exporter.model import COST_TYPES as COSTS
from agtop_exporter.processes.facts import Confidence
from agtop_exporter.settings import Settings

CONFIDENCES: tuple[Confidence, ...] = get_args(Confidence)
SESSIONS_MAX: int = Settings.model_fields["sessions_max"].default


class Limit(msgspec.Struct, frozen=True):
    """The maximum number of values of a label, and a plural noun for the values, for help texts."""

    number: int
    noun: str


AGENTS = Limit(len(agent_modules()), "agents")
MODELS = Limit(LABELS_MAX + 1, "models")  # including `other`
TOOLS = Limit(LABELS_MAX + 1, "tools")
PROJECTS = Limit(LABELS_MAX + 1, "projects")
TYPES = Limit(len(TOKEN_TYPES), "token types")
COST_TYPES = Limit(len(COSTS) + 1, "cost types")  # and `unsplit`
STATES = Limit(len(STATE_KINDS), "states")
ACCOUNTS = Limit(ACCOUNTS_MAX, "accounts")
COUNTED_USERS = Limit(USERS_MAX + 2, "users")  # including "" and `other`
COUNTED_ACCOUNTS = Limit(LABELS_MAX + 2, "accounts")  # including "" and `other`
WINDOWS = Limit(WINDOWS_MAX, "windows")
WAITING = Limit(len(WAITING_BOUNDS_SECONDS) + 3, "buckets, sum and count")  # and the bucket +Inf
BUDGETS = Limit(BUDGETS_MAX, "budgets")
SESSIONS = Limit(SESSIONS_MAX, "sessions (setting sessions_max)")
MATCHES = Limit(len(CONFIDENCES), "levels")
PARSE_ERRORS = Limit(len(PARSE_ERROR_REASONS), "reasons")
RESETS = Limit(len(RESET_REASONS), "reasons")
PROCESS_ERRORS = Limit(len(PROCESS_SCAN_ERROR_REASONS), "reasons")
STAGES = Limit(len(REFRESH_STAGES), "stages")
DROPPED = Limit(len(SERIES_LIMITS), "limits")
SOURCES = Limit(len(PRICE_SOURCES), "price sources")

FOLDED = (
    f"The {LABELS_MAX} {{0}} of an agent that were used last have series of their own. The label "
    "value other has the usage of all other {0} from before the first start of the exporter."
)
"""Sentences for the help text of a metric. `format` inserts a plural noun, such as `models`."""
