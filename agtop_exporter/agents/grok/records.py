"""Decodes the records of Grok Build: the lines of a log, and the documents of a session."""

from typing import Any

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.costs import picodollars
from agtop_exporter.reading.decoding import Count, Moment, Number, RunningTotal, seconds_of
from agtop_exporter.reading.outputs import whole_output

KNOWN_TYPES = frozenset(  # values of `sessionUpdate`
    {"agent_message_chunk", "agent_thought_chunk", "auto_compact_cancelled"}
    | {"auto_compact_completed", "auto_compact_failed", "auto_compact_started"}
    | {"auto_continue_completed", "auto_recovery_exhausted", "auto_recovery_started"}
    | {"available_commands_update", "background_tasks", "compaction_checkpoint"}
    | {"config_option_update"}
    | {"current_mode_update", "diff_review", "feedback_request", "goal_updated", "hook_annotation"}
    | {"hook_execution", "hooks_changed", "image_compressed", "image_dropped"}
    | {"interaction_resolved", "last_turn_summary", "memory_dream_completed", "memory_files"}
    | {"memory_flush_completed", "memory_flush_started", "memory_session_saved"}
    | {"model_auto_switched", "model_changed", "monitor_event", "pending_interaction", "plan"}
    | {"plugin_updates_installed", "plugins_changed", "reasoning_completed", "relay_sync_status"}
    | {"response_completed", "response_started", "retry_state", "rewind_marker"}
    | {"scheduled_task_created", "scheduled_task_deleted", "scheduled_task_fired"}
    | {"session_info_update", "session_recap", "session_recap_unavailable", "session_status"}
    | {"session_summary_generated", "subagent_finished", "subagent_progress", "subagent_spawned"}
    | {"task_backgrounded", "task_completed", "tool_call", "tool_call_delta_chunk"}
    | {"tool_call_update", "turn_completed", "usage_update", "user_message_chunk"}
    | {"workflow_updated"}
)
TICKS_PER_USD = 1e10
SUBAGENT = "subagent"  # start of the kind of a subagent's session


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The usage of one or more requests of a turn.

    `input_tokens` includes the cached tokens, and `output_tokens` includes reasoning, except in
    xAI's chat completions, which Grok Build uses only for a model of the settings.
    """

    input_tokens: RunningTotal | None = 0
    cached_read_tokens: RunningTotal | None = 0
    cache_creation_tokens: RunningTotal | None = 0
    output_tokens: RunningTotal | None = 0
    reasoning_tokens: RunningTotal | None = 0
    model_calls: RunningTotal | None = 0
    cost_usd_ticks: Number | None = None
    cost_is_partial: bool | None = None

    @property
    def tokens(self) -> TokenCounts:
        """Disjoint token counts. Cache writes have a lifetime of 5 minutes."""
        read, written = self.cached_read_tokens or 0, self.cache_creation_tokens or 0
        reasoning = self.reasoning_tokens or 0
        return TokenCounts(
            input=max(0, (self.input_tokens or 0) - read - written),
            cache_read=read,
            cache_write_5m=written,
            output=whole_output(self.output_tokens or 0, reasoning),
            reasoning=reasoning,
        )

    @property
    def cost(self) -> int | None:
        """The billed cost in picodollars; None if it is unknown or a part is missing."""
        known = self.cost_usd_ticks if not self.cost_is_partial else None
        return picodollars(known / TICKS_PER_USD) if known else None


class TurnUsage(Usage, gc=False, rename="camel"):
    """The usage of a turn, in total and by model."""

    model_usage: dict[str, Usage] | None = None


class Content(msgspec.Struct, gc=False):
    """The content of a part of a message."""

    text: str | None = None


class Tool(msgspec.Struct, gc=False):
    """The tool of a call."""

    name: str | None = None


class UpdateMeta(msgspec.Struct, gc=False, rename="camel"):
    """Additional properties of a message or a tool call."""

    host_turn: bool | None = None  # whether the message is a command, such as `/compact`
    tool: Tool | None = msgspec.field(default=None, name="x.ai/tool")


class Update(msgspec.Struct, gc=False):
    """A change of a session."""

    kind: str = msgspec.field(default="", name="sessionUpdate")
    content: Any = None
    call_id: str = msgspec.field(default="", name="toolCallId")
    tool_kind: str | None = msgspec.field(default=None, name="kind")
    status: str | None = None
    prompt_id: str | None = None
    stop_reason: str | None = None
    usage: TurnUsage | None = None
    meta: UpdateMeta | None = msgspec.field(default=None, name="_meta")
    child_session_id: str | None = None
    parent_prompt_id: str | None = None

    @property
    def is_command(self) -> bool:
        """Whether the message is a command of Grok Build, not a prompt."""
        return bool(self.meta and self.meta.host_turn)

    @property
    def tool(self) -> str:
        """The name of the called tool; its kind, such as `read`, if the call has no name."""
        named = self.meta.tool.name if self.meta and self.meta.tool else None
        return named or self.tool_kind or ""


class Meta(msgspec.Struct, gc=False, rename="camel"):
    """Additional properties of a change. `agent_timestamp_ms` is in unix milliseconds."""

    prompt_id: str | None = None
    agent_timestamp_ms: float | None = None


class Params(msgspec.Struct, gc=False):
    """The parameters of a notification."""

    update: Update | None = None
    meta: Meta | None = msgspec.field(default=None, name="_meta")


class Line(msgspec.Struct, gc=False):
    """One line of `updates.jsonl`.

    `timestamp` is the time in unix seconds at which the line was written. For the copies in a fork,
    that is the time of the copy, and only `agent_timestamp_ms` is the time of the change.
    """

    timestamp: float = 0.0
    params: Params | None = None

    @property
    def meta(self) -> Meta:
        """The additional properties of the change."""
        return (self.params.meta if self.params else None) or Meta()

    @property
    def time(self) -> float:
        """The time of the change in unix seconds; 0 if unknown."""
        return seconds_of(self.meta.agent_timestamp_ms) or max(0.0, self.timestamp)


class Info(msgspec.Struct):
    """The identity of a session."""

    id: str | None = None
    cwd: str | None = None


class Description(msgspec.Struct):
    """The document `summary.json`: the description of a session."""

    info: Info | None = None
    session_summary: str | None = None
    generated_title: str | None = None
    created_at: Moment | None = None
    current_model_id: str | None = None
    parent_session_id: str | None = None
    session_kind: str | None = None
    head_branch: str | None = None

    @property
    def is_subagent(self) -> bool:
        """Whether the session is that of a subagent."""
        return (self.session_kind or "").startswith(SUBAGENT)

    @property
    def parent(self) -> str:
        """The id of the session that runs the subagent; "" for other sessions, such as forks."""
        return (self.parent_session_id or "") if self.is_subagent else ""


class Signals(msgspec.Struct, rename="camel"):
    """The document `signals.json`: the size of the context after the latest response."""

    context_tokens_used: Count | None = None
    context_window_tokens: Count | None = None
