"""What a session is doing: the one decision table; pure."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from agtop_exporter.model import Signal, State

STALL_SECONDS = 300.0
"""A live session that should be at work and has been silent for so long is stalled."""
RUNNING_GRACE_SECONDS = 30.0
"""Without any word of its process, a session at work counts as running for so long."""
REST_GRACE_SECONDS = 300.0
"""The same for a session that is idle, waits or has failed."""


def resolve(  # noqa: PLR0913 each is one fact of the decision
    signal: Signal,
    *,
    liveness: Literal["live", "stopped"] | None,
    scanned: bool,
    last_active: float | None,
    now: float,
    busy: bool = False,
    acting: bool = False,
    registry_status: str = "",
    waiting_for: str = "",
    stall_seconds: float = STALL_SECONDS,
) -> State:
    """Return the state of a session.

    `signal` is the tail of the transcript. `liveness` is None for a session without a known
    process; `scanned` then says that processes were looked at and none can be this session's.
    `busy` says that its process tree is at work, however silent the transcript is, and `acting`
    that a tool has started since its last word: nobody waits for a permission then. What the
    agent's own registry says of a live process outranks the transcript. A subagent is resolved
    with its parent's liveness, without its parent's registry.
    """
    age = None if last_active is None else now - last_active
    if liveness == "live":
        if registry_status:
            told = _from_registry(signal, registry_status, waiting_for=waiting_for)
            signal, busy = told, busy or registry_status == "busy"
        elif acting and signal.reason == "permission":
            signal = Signal("running", detail="tool process")
        return _live(signal, stalled=not busy and age is not None and age >= stall_seconds)
    if liveness == "stopped" or scanned:
        return State("closed", signal.reason or None if signal.kind == "error" else None)
    return _unseen(signal, age=float("inf") if age is None else age)


def _live(signal: Signal, *, stalled: bool) -> State:
    match signal.kind:
        case "idle":
            return State("idle")
        case "waiting":
            return State("waiting", signal.reason or "input")
        case "error":
            return State("error", signal.reason or None)
        case _:
            return State("warning", "stalled") if stalled else State("running")


def _unseen(signal: Signal, *, age: float) -> State:
    at_work = signal.kind not in {"idle", "waiting", "error"}
    if age < (RUNNING_GRACE_SECONDS if at_work else REST_GRACE_SECONDS):
        return _live(signal, stalled=False)
    return State("closed", signal.reason or None if signal.kind == "error" else None)


def _from_registry(signal: Signal, status: str, *, waiting_for: str) -> Signal:
    match status:
        case "busy":
            return Signal("running", detail="registry")
        case "waiting":
            return Signal("waiting", reason=_reason(waiting_for), detail="registry")
        case "idle" if signal.kind != "error":  # at rest after an error is still an error
            return Signal("idle", detail="registry")
        case _:
            return signal


def _reason(waiting_for: str) -> str:
    """Return the reason of a waiting session.

    A registry may report "permission prompt" for permissions and for questions alike.
    """
    if "permission" in waiting_for:
        return "permission"
    if not waiting_for or "input" in waiting_for or "question" in waiting_for:
        return "input"
    return "other"


def is_active(state: State) -> bool:
    """Tell whether a session counts as active: at work or ready for it."""
    return state.kind in {"running", "warning", "idle"}


def is_live(state: State) -> bool:
    """Tell whether a session still goes on."""
    return state.kind != "closed"


class StateCounts(msgspec.Struct, frozen=True, gc=False):
    """The head line of a table; an idle session counts as active too."""

    active: int = 0
    idle: int = 0
    waiting: int = 0
    today: int = 0


def count_states(sessions: Iterable[tuple[State, float | None]], *, midnight: float) -> StateCounts:
    """Count (state, started_at) pairs; `midnight` is when the user's day began."""
    pairs = tuple(sessions)
    return StateCounts(
        active=sum(is_active(state) for state, _ in pairs),
        idle=sum(state.kind == "idle" for state, _ in pairs),
        waiting=sum(state.kind == "waiting" for state, _ in pairs),
        today=sum(started is not None and started >= midnight for _, started in pairs),
    )
