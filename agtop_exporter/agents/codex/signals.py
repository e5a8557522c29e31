"""Derives the activity of a thread from its records.

The activity is a `Signal`: whether the thread runs, waits, is idle, or has an error.
"""

from functools import lru_cache

from agtop_exporter.agents.codex.records import NOTHING, Payload
from agtop_exporter.model import Signal

APPROVALS = frozenset(
    {"exec_approval_request", "apply_patch_approval_request", "elicitation_request"}
)
# Mark of a tool call that needs permission. No record shows the question to the user (0.169).
ESCALATED = b"require_escalated"


@lru_cache(maxsize=256)
def signal(kind: str, detail: str, reason: str = "", tool: str = "") -> Signal:
    """Return a Signal with the given fields. Equal signals are the same object."""
    return Signal(kind, reason, detail).with_tool(tool)


def asks(text: str) -> bool:
    """Return whether an answer ends with a question mark.

    A question mark elsewhere in the text can be part of a URL or of code.
    """
    return text.rstrip().endswith("?")


def asks_permission(payload: Payload) -> bool:
    """Return whether a tool call needs the user's permission."""
    arguments = payload.input if payload.arguments is NOTHING else payload.arguments
    return ESCALATED in bytes(arguments)


def turn_end(payload: Payload) -> Signal:
    """Return the activity of a thread after a record that ends a turn."""
    if payload.error is not None:
        reason = payload.error.codex_error_info
        return signal("error", payload.type, reason if isinstance(reason, str) else "error")
    if asks(payload.last_agent_message or ""):
        return signal("waiting", payload.type, "input")
    return signal("idle", payload.type)


def final_answer(payload: Payload) -> Signal:
    """Return the activity of a thread after an answer that ends a turn."""
    parts = payload.content if isinstance(payload.content, list) else ()
    if asks(" ".join(part.text or "" for part in parts)):
        return signal("waiting", "assistant-question", "input")
    return signal("idle", "assistant-final")


TURN_SIGNALS = {  # by type of event, for events whose type alone determines the signal
    "turn_aborted": signal("idle", "turn_aborted"),
    "request_user_input": signal("waiting", "request_user_input", "input"),
    "error": signal("error", "error", "error"),
    "stream_error": signal("error", "stream_error", "stream_error"),
    **{kind: signal("waiting", kind, "permission") for kind in APPROVALS},
}
