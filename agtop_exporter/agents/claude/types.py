"""The types of records that Claude Code writes, from the tables in version 2.1.330."""

TYPES = frozenset(
    {"agent-color", "agent-name", "agent-setting", "ai-title", "api-request"}
    | {"api-request-blob", "api-request-resumed", "api-request-shape"}
    | {"artifact-autoreact-ledger", "artifact-comment-monitor", "assistant", "atis-latch"}
    | {"attachment", "attribution-snapshot", "bridge-session", "content-replacement"}
    | {"continued-in", "cost-state", "custom-title", "data-flow-incomplete"}
    | {"data-flow-records", "derived-from", "dev-mods", "ended-by-model"}
    | {"file-history-delta", "file-history-snapshot", "fork-context-ref", "frame-link"}
    | {"history-suppression", "host-row", "hybrid-organization", "isolation-latch"}
    | {"last-prompt", "memory-mode", "mode", "observer-ref", "permission-mode", "pr-link"}
    | {"progress", "queue-operation", "relocated", "repl-mode", "resume-head-vouch"}
    | {"session-owner", "summary", "system", "tag", "tools-used", "user", "worktree-state"}
)
SUBTYPES = frozenset(
    {"agents_killed", "api_error", "api_retry", "away_summary"}
    | {"background_tasks_changed", "bridge_state", "bridge_status", "checkpoint_done"}
    | {"cloud_session_delta", "cloud_session_status", "code_change_published"}
    | {"commands_changed", "compact_boundary", "control_request_progress", "dev_intent"}
    | {"elicitation_complete", "feedback_draft_queued", "file_attachments_missing"}
    | {"file_snapshot", "hook_progress", "hook_response", "hook_started", "informational"}
    | {"inherited_asks_settled", "init", "instruction_size_warning", "late_allow_not_run"}
    | {"local_command", "memory_recall", "memory_saved", "microcompact_boundary"}
    | {"mirror_error", "model_consent_fallback", "model_fallback", "model_refusal_fallback"}
    | {"model_refusal_no_fallback", "notification", "peer_message_hold"}
    | {"per_turn_effort_changed", "permission_check_status", "permission_denied"}
    | {"permission_retry", "placed", "plugin_install", "post_turn_summary"}
    | {"rewind_stand_in", "scheduled_task_fire", "session_metadata"}
    | {"session_state_changed", "session_title_changed", "session_writes_lost", "shell_cwd"}
    | {"start_folder", "status", "stop_hook_summary", "task_notification", "task_progress"}
    | {"task_started", "task_summary", "task_updated", "thinking_tokens"}
    | {"tool_host_result", "turn_began_before_init", "turn_duration"}
    | {"turn_handoff_available", "turn_preempted", "turn_starting", "vcs_state_changed"}
    | {"voice_call_talk", "worker_shutting_down"}
)
PLAIN_TYPES = TYPES - {"system"}  # types without subtypes
KNOWN_TYPES = TYPES | {f"system.{subtype}" for subtype in SUBTYPES}
