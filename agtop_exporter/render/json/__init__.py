"""Renders a snapshot as the JSON document of `agtop json`, version 1, and its JSON Schema.

    {
      "schema_version": 1,
      "generated_at": "2026-11-22T21:54:00.000Z",
      "plan": "retail",
      "sessions": [...],
      "totals": {...},
      ...
    }

The keys of an object are generated from the fields of a struct in `agtop_exporter.model`. The
`Shape` tables of this package list the exceptions: fields with other units, derived values and
hidden fields. Later versions may add keys, but never rename or remove a key. An unknown value is
null. Times are RFC 3339 text in UTC. Costs are in US dollars.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import astuple

from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    AgentStatus,
    BudgetUse,
    Cost,
    Plan,
    PriceSource,
    RateLimit,
    Session,
    Snapshot,
    TokenCounts,
)
from agtop_exporter.render.json.session import SESSION
from agtop_exporter.render.json.shape import Key, Shape, key_of, keys_of, list_of
from agtop_exporter.render.json.usage import COST, HIDDEN, TOKENS_KEY, Bill, known_usd

SCHEMA_VERSION = 1


class Sum(NamedTuple):
    """The number of all sessions, and the sums of their tokens and costs.

    `included_sessions` is the number of sessions that the plan covers.
    """

    sessions: int
    included_sessions: int
    tokens: TokenCounts
    cost: Bill


TOTALS = Shape(
    "Totals",
    [
        key_of("sessions", int),
        key_of("included_sessions", int),
        TOKENS_KEY,
        Key("cost", COST.type, lambda total: COST(total.cost)),
    ],
    "The sum over all sessions.",
)

LIMIT = Shape(
    "RateLimit",
    keys_of(
        RateLimit,
        {
            "observed_at": (
                key_of("window_seconds", float | None),
                key_of("resets_at", float),
                key_of("observed_at", float),
            ),
            "resets_at": HIDDEN,  # above
            "window_seconds": HIDDEN,
            "source": (Key("source", str | None, lambda limit: limit.source or None),),
            "hint": (Key("hint", str | None, lambda limit: limit.hint or None),),
            "account": (
                key_of("account", str),
                key_of("elapsed_ratio", float | None),
                key_of("projected_ratio", float | None),
            ),
        },
    ),
    "One rate-limit window, as the agent last recorded it. `used_ratio` 1.0 is exhausted. "
    "`projected_ratio` is the used share at the reset if the mean rate stays the same: the pace.",
)

BUDGET = Shape("Budget", keys_of(BudgetUse), "A budget, and how much of it is used.")

PRICES = Shape("PriceSource", keys_of(PriceSource), "A price table, and the date of its data.")

AGENT = Shape(
    "Agent",
    keys_of(
        AgentStatus,
        {
            "states": HIDDEN,
            "rss_bytes": HIDDEN,
            "vms_bytes": HIDDEN,
            "roots": HIDDEN,  # `doctor --json` has them
        },
    ),
    "The result of the last scan of an agent's files.",
)

DOCUMENT = Shape(
    "Document",
    [
        Key("schema_version", Literal[1], lambda _snapshot: SCHEMA_VERSION),
        key_of("generated_at", float),
        key_of("plan", Plan),
        Key("sessions", list_of(SESSION), lambda snapshot: list(map(SESSION, _newest(snapshot)))),
        Key("totals", TOTALS.type, lambda snapshot: TOTALS(_total(snapshot.sessions))),
        Key("rate_limits", list_of(LIMIT), lambda snapshot: list(map(LIMIT, _limits(snapshot)))),
        Key("budgets", list_of(BUDGET), lambda snapshot: list(map(BUDGET, snapshot.budgets))),
        Key("price_sources", list_of(PRICES), lambda s: list(map(PRICES, s.price_sources))),
        Key("agents", list_of(AGENT), lambda snapshot: list(map(AGENT, snapshot.agents))),
    ],
    "The output of `agtop json`. Keys are only added. An unknown value is null.",
)


def _newest(snapshot: Snapshot) -> list[Session]:
    """Return all sessions, sorted by last activity. The latest activity comes first."""
    return sorted(snapshot.sessions, key=lambda s: (-(s.last_active or 0), s.session_id))


def _limits(snapshot: Snapshot) -> list[RateLimit]:
    return limits_at(snapshot.rate_limits, snapshot.generated_at)


def limits_at(limits: Sequence[RateLimit], now: float) -> list[RateLimit]:
    """Return the rate limits as they are at `now` (unix seconds).

    If the window of a rate limit has ended, its used ratio is None.
    """
    return [
        msgspec.structs.replace(limit, used_ratio=None) if limit.is_over(now) else limit
        for limit in limits
    ]


def _total(sessions: Sequence[Session]) -> Sum:
    tokens, cost = _sum(sessions)
    billable = [session for session in sessions if not session.included]
    billed = sum(session.billed for session in billable)
    billed_tokens, priced = _sum(billable)
    is_known = bool(billed) or known_usd(priced, billed_tokens) is not None
    included = bool(sessions) and not billable
    billed_usd = billed / PICODOLLARS_PER_USD if is_known else None
    bill = Bill(cost, known_usd(cost, tokens), billed_usd, included)
    return Sum(len(sessions), len(sessions) - len(billable), tokens, bill)


def _sum(sessions: Sequence[Session]) -> tuple[TokenCounts, Cost]:
    tokens = zip(*(astuple(session.tokens) for session in sessions), strict=True)
    costs = zip(*(astuple(session.cost) for session in sessions), strict=True)
    return TokenCounts(*map(sum, tokens)), Cost(*map(sum, costs))


def render(snapshot: Snapshot) -> bytes:
    """Return `snapshot` as the JSON document."""
    return encoded(DOCUMENT(snapshot))


def schema() -> bytes:
    """Return the JSON Schema of the document (draft 2020-12), indented like the document."""
    return schema_of(DOCUMENT)


def encoded(content: object) -> bytes:
    """Return a JSON object as text, indented by two spaces, with a final newline."""
    try:
        data = msgspec.json.encode(content)
    except UnicodeEncodeError:  # file names and transcripts can contain lone surrogates
        data = msgspec.json.encode(_encodable(msgspec.to_builtins(content)))
    return msgspec.json.format(data, indent=2) + b"\n"


def schema_of(document: Shape) -> bytes:
    """Return the JSON Schema of a document (draft 2020-12), indented like the document."""
    generated = msgspec.json.schema(document.type)
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return msgspec.json.format(msgspec.json.encode(dialect | generated), indent=2) + b"\n"


def _encodable(value: object) -> object:
    """Return `value` with question marks instead of the lone surrogates in its text."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
