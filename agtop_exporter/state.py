"""Determines the state of a session with one decision table. Performs no I/O."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from agtop_exporter.model import Signal, State, is_ahead

STALL_SECONDS = 300.0
"""A working session with a live process counts as stalled after this time without a record."""
RUNNING_GRACE_SECONDS = 30.0
"""A working session without a known process counts as running for this time after a record."""
REST_GRACE_SECONDS = 300.0
"""An idle, waiting or failed session without a known process counts as open for this time.

So does a working session that a visible host may run, because a response may take minutes.
"""
REPORTED_SECONDS = 3600.0
"""A registry entry of an invisible process is valid for this time after the last record.

The time is limited, because the entry remains if the process is killed.
"""


ACTIVE = frozenset({"running", "warning", "idle"})
"""The states of active sessions: working, stalled or idle."""


def resolve(  # noqa: PLR0913 - the facts of the decision
    signal: Signal,
    *,
    liveness: Literal["live", "stopped", "reported"] | None,
    scanned: bool,
    last_active: float | None,
    now: float,
    hosted: bool = False,
    busy: bool = False,
    acting: bool = False,
    registry_status: str = "",
    waiting_for: str = "",
    prompted: bool = True,
) -> State:
    """Return the state of a session.

    Args:
        signal: The activity that the end of the transcript shows.
        liveness: Whether the session's process runs; None without a known process. `reported`:
            the agent's registry contains the process, but this program cannot see it.
        scanned: Processes were scanned, and none of them can belong to the session.
        last_active: Time of the latest record, in unix seconds; None if unknown.
        now: Current time, in unix seconds.
        hosted: A visible process that runs many sessions may run the session.
        busy: The session's process tree uses CPU or disk.
        acting: A tool process has started since the last record, so no permission is pending.
        registry_status: The status in the agent's own registry of live processes, or "". This
            status takes precedence over the transcript.
        waiting_for: What the session waits for according to the registry, or "".
        prompted: The session has received a prompt. A session without a prompt and without a signal
            is idle.

    For a subagent, pass the liveness of its parent and no registry status.

    """
    age = None if last_active is None or is_ahead(last_active, now) else now - last_active
    if not (signal or prompted):
        signal = Signal("idle", detail="no prompt")
    reported = liveness == "reported" and not scanned
    if liveness == "live" or (reported and age is not None and age < REPORTED_SECONDS):
        if registry_status:
            signal = _from_registry(signal, registry_status, waiting_for=waiting_for)
            busy = busy or registry_status == "busy"
        elif acting and signal.reason == "permission":
            signal = Signal("running", detail="tool process")
        return _live(signal, stalled=not busy and age is not None and age >= STALL_SECONDS)
    if liveness == "stopped" or scanned:
        return State("closed", signal.reason or None if signal.kind == "error" else None)
    return _unseen(signal, hosted=hosted, age=float("inf") if age is None else age)


def _live(signal: Signal, *, stalled: bool) -> State:
    match signal.kind:
        case "idle":
            return State("idle")
        case "waiting":
            return State("waiting", signal.reason or "input")
        case "error":
            return State("error", signal.reason or None)
        case "ended":
            return State("closed")
        case _:
            return State("warning", "stalled") if stalled else State("running")


def _unseen(signal: Signal, *, hosted: bool, age: float) -> State:
    at_work = signal.kind not in {"idle", "waiting", "error", "ended"}
    if age < (RUNNING_GRACE_SECONDS if at_work and not hosted else REST_GRACE_SECONDS):
        return _live(signal, stalled=False)
    return State("closed", signal.reason or None if signal.kind == "error" else None)


def _from_registry(signal: Signal, status: str, *, waiting_for: str) -> Signal:
    match status:
        case "busy":
            return Signal("running", detail="registry")
        case "waiting":
            return Signal("waiting", reason=_reason(waiting_for), detail="registry")
        # "shell": idle while a command runs in the background; idle after an error remains an error
        case "idle" | "shell" if signal.kind != "error":
            return Signal("idle", detail="registry")
        case _:
            return signal


def _reason(waiting_for: str) -> str:
    """Return why a session waits, from the text `waiting_for` of the agent's registry.

    A registry may report "permission prompt" both for permissions and for questions.
    """
    if "permission" in waiting_for:
        return "permission"
    if not waiting_for or "input" in waiting_for or "question" in waiting_for:
        return "input"
    return "other"


class StateCounts(msgspec.Struct, frozen=True, gc=False):
    """Numbers of sessions for the summary line of a table. Idle sessions also count as active."""

    active: int = 0
    idle: int = 0
    waiting: int = 0
    today: int = 0


def count_states(sessions: Iterable[tuple[State, float | None]], *, midnight: float) -> StateCounts:
    """Return the numbers of sessions by state. Each session is given as (state, started_at).

    `midnight` is the start of the user's day in unix seconds.
    """
    pairs = tuple(sessions)
    return StateCounts(
        active=sum(state.kind in ACTIVE for state, _ in pairs),
        idle=sum(state.kind == "idle" for state, _ in pairs),
        waiting=sum(state.kind == "waiting" for state, _ in pairs),
        today=sum(started is not None and started >= midnight for _, started in pairs),
    )
