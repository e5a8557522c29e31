"""Lists the record types in the command line tool's log, and the activity signals of some types."""

from functools import lru_cache

from agtop_exporter.model import Signal

SIGNALS = {  # (state, reason) by record type, if the type is sufficient
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
    "session.shutdown": ("ended", ""),
    "session.error": ("error", "session error"),
    "subagent.started": ("running", ""),
    "subagent.completed": ("idle", ""),
    "subagent.failed": ("error", "subagent failed"),
    "abort": ("idle", ""),
}

OTHER_TYPES = {  # further record types in the tool's SDK, by prefix
    "assistant": (
        *("fusion_phase_completed", "fusion_phase_failed", "message", "reasoning", "turn_end"),
    ),
    "external_tool": ("requested",),
    "hook": ("end", "start"),
    "model": (  # part of a compaction, whose own record has the usage
        *("message", "messages_snapshot", "model_call_started", "model_call_success", "response"),
        *("turn_ended", "turn_started"),
    ),
    "permission": (
        *("assentDetected", "carriedForward", "contextualAuthorization", "messageAuthorization"),
        *("messageAuthorizationDegraded", "messageAuthorizationRead"),
    ),
    "session": (
        *("auto_mode_resolved", "autopilot_objective_changed", "binary_asset", "canvas.recorded"),
        *("canvas.removed", "compaction_complete", "compaction_start", "completion_receipt"),
        *("context_changed", "context_cleared", "fusion_completed", "fusion_resolved"),
        *("fusion_route_failed", "handoff", "info", "mode_changed", "mode_notice_delivered"),
        *("model_change", "permissions_changed", "plan_changed", "remote_steerable_changed"),
        *("schedule_cancelled", "schedule_created", "schedule_rearmed", "session_limits_changed"),
        *("task_complete", "truncation", "usage_checkpoint", "usage_record", "warning"),
        "workspace_file_changed",
    ),
    "skill": ("invoked",),
    "subagent": ("configured", "deselected", "selected"),
    "system": ("message", "notification"),
    "tool": ("execution_complete", "execution_start", "user_requested"),
    "tool_search": ("activated",),
}
KNOWN_TYPES = frozenset(SIGNALS) | {
    f"{family}.{name}" for family, names in OTHER_TYPES.items() for name in names
}


@lru_cache(maxsize=256)
def signal(kind: str, detail: str, reason: str = "") -> Signal:
    """Return an activity signal. Equal signals are one object.

    `kind` is the activity, such as "running". `detail` is the type of the record that shows the
    activity. `reason` is what a waiting session waits for, or the kind of an error.
    """
    return Signal(kind, reason, detail)
