"""What the records of the command line tool's log say that a session is doing."""

from functools import lru_cache

from agtop_exporter.model import Signal

SIGNALS = {  # of the records that tell no more than their type
    "user.message": ("running", ""),
    "assistant.turn_start": ("running", ""),
    "permission.requested": ("waiting", "permission"),
    "permission.completed": ("running", ""),
    "user_input.requested": ("waiting", "input"),
    "user_input.completed": ("running", ""),
    "elicitation.requested": ("waiting", "input"),
    "elicitation.completed": ("running", ""),
    "session.start": ("idle", ""),
    "session.resume": ("idle", ""),
    "session.idle": ("idle", ""),
    "session.shutdown": ("idle", ""),
    "session.error": ("error", "session error"),
    "subagent.started": ("running", ""),
    "subagent.completed": ("idle", ""),
    "subagent.failed": ("error", "subagent failed"),
    "abort": ("idle", ""),
}


@lru_cache(maxsize=256)
def signal(kind: str, detail: str, reason: str = "") -> Signal:
    """Return the signal of a record type."""
    return Signal(kind, reason, detail)
