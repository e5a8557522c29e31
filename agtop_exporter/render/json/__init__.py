"""A snapshot as the JSON document of `agtop json`, version 1, and the JSON Schema of the document.

    {
      "schema_version": 1,
      "generated_at": "2026-11-22T21:54:00.000Z",
      "plan": "retail",
      "sessions": [...],
      "totals": {...},
      ...
    }

Keys are generated from the fields of the published values. The tables below list the exceptions:
other units, derived values, and fields that the document does not show. Keys are only added.
An unknown value is null. Times are RFC 3339 text in UTC, and costs are US dollars.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import astuple

from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    AgentStatus,
    Cost,
    ModelUsage,
    Plan,
    PriceSource,
    ProcessMatch,
    RateLimit,
    Session,
    Snapshot,
    State,
    TokenCounts,
)
from agtop_exporter.render.json.shape import Key, Shape, key_of, keys_of, list_of, mapping_of

SCHEMA_VERSION = 1
HIDDEN: tuple[Key, ...] = ()


class Bill(NamedTuple):
    """A cost with what is derived from it. US dollars are None where no price is known."""

    cost: Cost
    total_usd: float | None
    billed_usd: float | None
    included: bool


class Usage(NamedTuple):
    """The usage of a session's tree. It has the names of the same fields of `Session`."""

    models: Mapping[str, ModelUsage]
    tokens: TokenCounts
    cost: Cost
    included: bool


class Sum(NamedTuple):
    """The sum over all sessions."""

    sessions: int
    tokens: TokenCounts
    cost: Bill


def _known_usd(cost: Cost, tokens: TokenCounts) -> float | None:
    if cost.unpriced_tokens and not cost.known_for(tokens):
        return None
    return cost.total / PICODOLLARS_PER_USD


def _bill(used: Session | Usage) -> Bill:
    usd = _known_usd(used.cost, used.tokens)
    return Bill(used.cost, usd, 0.0 if used.included else usd, used.included)


def _usd_key(field: str) -> Key:
    def usd(bill: Bill) -> float | None:
        amount: int = getattr(bill.cost, field)
        return None if bill.total_usd is None else amount / PICODOLLARS_PER_USD

    return Key(f"{field}_usd", float | None, usd)


def _ratio(session: Session) -> float | None:
    used, window = session.context_used_tokens, session.context_window_tokens
    return None if used is None or not window else used / window


def _duration(session: Session) -> float | None:
    if session.started_at is None or session.last_active is None:
        return None
    return round(max(0.0, session.last_active - session.started_at), 3)


def _process_key(name: str, field: str) -> Key:
    """Return the key of a field of a session's process. Without a process it is null."""
    value = attrgetter(field)
    (kind,) = (f.type for f in msgspec.structs.fields(ProcessMatch) if f.name == field)
    return Key(name, kind | None, lambda s: None if s.process is None else value(s.process))


# --- usage ----------------------------------------------------------------------------------------

TOKENS = Shape(
    "Tokens",
    [*keys_of(TokenCounts), key_of("total", int)],
    "Token counts. `reasoning` is a part of `output`. `total` is the sum of the others.",
)

COST = Shape(
    "Cost",
    [
        *(_usd_key(field) for field in Cost.__struct_fields__ if field != "unpriced_tokens"),
        key_of("total_usd", float | None),
        key_of("billed_usd", float | None),
        key_of("included", bool),
        Key("unpriced_tokens", int, attrgetter("cost.unpriced_tokens")),
    ],
    "Cost in US dollars: null where no price is known. `billed_usd` is 0 if the plan includes it.",
)

TOKENS_KEY = Key("tokens", TOKENS.type, lambda used: TOKENS(used.tokens))

MODEL = Shape(
    "Model",
    keys_of(
        ModelUsage,
        {
            "tokens": (TOKENS_KEY,),
            "cost": (
                Key("cost_usd", float | None, lambda used: _known_usd(used.cost, used.tokens)),
                Key("unpriced_tokens", int, attrgetter("cost.unpriced_tokens")),
            ),
        },
    ),
    "The usage of one model.",
)

USAGE_KEYS = {
    "models": (
        Key(
            "models",
            mapping_of(MODEL),
            lambda used: {name: MODEL(usage) for name, usage in used.models.items()},
        ),
    ),
    "tokens": (TOKENS_KEY,),
    "cost": (Key("cost", COST.type, lambda used: COST(_bill(used))),),
    "included": HIDDEN,  # a key of `cost`
}

TREE = Shape(
    "Tree",
    [key for keys in USAGE_KEYS.values() for key in keys],
    "The usage of a session with all its subagents.",
)


def _tree(session: Session) -> Usage:
    tree = session.tree
    return Usage(tree.models, tree.tokens, tree.cost, session.included)


# --- sessions -------------------------------------------------------------------------------------

CONTEXT = Shape(
    "Context",
    [
        Key("used_tokens", int | None, attrgetter("context_used_tokens")),
        Key("peak_tokens", int | None, attrgetter("context_peak_tokens")),
        Key("window_tokens", int | None, attrgetter("context_window_tokens")),
        Key("used_ratio", float | None, _ratio),
    ],
    "The context window of a session's model, and how much of it is used.",
)

STATE = Shape(
    "State",
    [
        *(
            Key(f.name, f.type, attrgetter(f"state.{f.name}"))
            for f in msgspec.structs.fields(State)
        ),
        Key("detail", str | None, attrgetter("state_detail")),
    ],
    "The activity of a session. `detail` names the record that it was derived from.",
)

SESSION = Shape(
    "Session",
    keys_of(
        Session,
        {
            **USAGE_KEYS,
            "tree": (Key("tree", TREE.type, lambda session: TREE(_tree(session))),),
            "floor_tokens": HIDDEN,  # for the counters
            "floor_cost": HIDDEN,
            "last_active": (
                key_of("last_active", float),
                Key("duration_seconds", float | None, _duration),
            ),
            "agent_turns": (key_of("agent_turns", int), key_of("tool_calls", int)),
            "context_used_tokens": (Key("context", CONTEXT.type, CONTEXT),),
            "context_peak_tokens": HIDDEN,  # keys of `context`
            "context_window_tokens": HIDDEN,
            "state": (Key("state", STATE.type, STATE),),
            "state_detail": HIDDEN,  # a key of `state`
            "process": (
                _process_key("pid", "pid"),
                _process_key("liveness", "liveness"),
                _process_key("match_confidence", "confidence"),
                _process_key("match_evidence", "evidence"),
                _process_key("process_role", "role"),
                _process_key("process", "usage"),
            ),
            "spent": HIDDEN,  # for the counters
        },
    ),
    "One session. Only `tree` includes its subagents.",
)

# --- the document ---------------------------------------------------------------------------------

TOTALS = Shape(
    "Totals",
    [
        key_of("sessions", int),
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
        },
    ),
    "One rate-limit window, as the agent last recorded it. `used_ratio` 1.0 is exhausted.",
)

PRICES = Shape("PriceSource", keys_of(PriceSource), "A price table, and the date of its data.")

AGENT = Shape(
    "Agent",
    keys_of(AgentStatus, {"states": HIDDEN, "rss_bytes": HIDDEN, "vms_bytes": HIDDEN}),
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
        Key("price_sources", list_of(PRICES), lambda s: list(map(PRICES, s.price_sources))),
        Key("agents", list_of(AGENT), lambda snapshot: list(map(AGENT, snapshot.agents))),
    ],
    "The output of `agtop json`. Keys are only added. An unknown value is null.",
)


def _newest(snapshot: Snapshot) -> list[Session]:
    """Return all sessions, the latest active first."""
    return sorted(snapshot.sessions, key=lambda s: (-(s.last_active or 0), s.session_id))


def _limits(snapshot: Snapshot) -> list[RateLimit]:
    """Return the rate limits. The ratio of a window that has been reset since is unknown."""
    now = snapshot.generated_at
    return [
        msgspec.structs.replace(limit, used_ratio=None) if limit.is_over(now) else limit
        for limit in snapshot.rate_limits
    ]


def _total(sessions: Sequence[Session]) -> Sum:
    tokens, cost = _sum(sessions)
    billable = [session for session in sessions if not session.included]
    billed_tokens, billed = (tokens, cost) if len(billable) == len(sessions) else _sum(billable)
    included = bool(sessions) and not billable
    bill = Bill(cost, _known_usd(cost, tokens), _known_usd(billed, billed_tokens), included)
    return Sum(len(sessions), tokens, bill)


def _sum(sessions: Sequence[Session]) -> tuple[TokenCounts, Cost]:
    tokens = zip(*(astuple(session.tokens) for session in sessions), strict=True)
    costs = zip(*(astuple(session.cost) for session in sessions), strict=True)
    return TokenCounts(*map(sum, tokens)), Cost(*map(sum, costs))


def render(snapshot: Snapshot) -> bytes:
    """Return the document with an indentation of two spaces and a final newline."""
    content = document(snapshot)
    try:
        encoded = msgspec.json.encode(content)
    except UnicodeEncodeError:  # file names and transcripts can contain lone surrogates
        encoded = msgspec.json.encode(_encodable(msgspec.to_builtins(content)))
    return msgspec.json.format(encoded, indent=2) + b"\n"


def document(snapshot: Snapshot) -> Any:  # noqa: ANN401 - a value of DOCUMENT.type
    """Return the document as a struct."""
    return DOCUMENT(snapshot)


def schema() -> bytes:
    """Return the JSON Schema of the document (draft 2020-12), indented like the document."""
    generated = msgspec.json.schema(DOCUMENT.type)
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return msgspec.json.format(msgspec.json.encode(dialect | generated), indent=2) + b"\n"


def _encodable(value: object) -> object:
    """Replace lone surrogates in all text by question marks."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
