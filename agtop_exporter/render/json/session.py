"""Defines the JSON object of a session."""

from operator import attrgetter

import msgspec

from agtop_exporter.model import ProcessMatch, Session, State
from agtop_exporter.render.json.shape import Key, Shape, key_of, keys_of, rounded
from agtop_exporter.render.json.usage import HIDDEN, TREE, USAGE_KEYS, Usage


def _ratio(session: Session) -> float | None:
    used, window = session.context_used_tokens, session.context_window_tokens
    return None if used is None or not window else rounded(used / window)


def _duration(session: Session) -> float | None:
    if session.started_at is None or session.last_active is None:
        return None
    return round(max(0.0, session.last_active - session.started_at), 3)


def _process_key(name: str, field: str) -> Key:
    """Return the key `name` of the session object. Its value is a field of the session's process.

    The value is null if the session has no process.
    """
    value = attrgetter(field)
    (kind,) = (f.type for f in msgspec.structs.fields(ProcessMatch) if f.name == field)
    return Key(name, kind | None, lambda s: None if s.process is None else value(s.process))


def _tree(session: Session) -> Usage:
    tree = session.tree
    return Usage(tree.models, tree.tokens, tree.cost, tree.billed, session.included)


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
    "One session. Only `tree` includes its subagents. A subagent has no process: that of "
    "its parent (`parent_session_id`) runs it.",
)
