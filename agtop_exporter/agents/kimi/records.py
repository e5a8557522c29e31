"""Decodes the records of Kimi Code's `wire.jsonl` files, and the description of a session."""

from datetime import datetime

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count, Moment, seconds_of

KNOWN_TYPES = frozenset(
    {"agent.message.appended", "agent.turn.ended", "agent.turn.started"}
    | {"metadata", "forked", "config.update", "profile.bind", "runtime.set_binding"}
    | {"context.append_loop_event", "context.append_message", "context.apply_compaction"}
    | {"context.clear", "context.undo", "context.update_token_count"}
    | {"cron.add", "cron.cursor", "cron.delete", "goal.clear", "goal.create", "goal.update"}
    | {"file_history.checkpoint", "file_history.tracked"}
    | {"full_compaction.begin", "full_compaction.cancel", "full_compaction.complete"}
    | {"micro_compaction.apply", "interaction.request", "interaction.resolved"}
    | {"interruptionReminder.recorded", "llm.request", "llm.tools_snapshot"}
    | {"mcp.tools_discovered", "permission.record_approval_result", "permission.set_mode"}
    | {"plan_mode.cancel", "plan_mode.enter", "plan_mode.exit", "plan.revision"}
    | {"plugin.session_start", "prompt.aborted", "prompt.accepted", "prompt.completed"}
    | {"prompt.steered", "staleGuard.cleared", "staleGuard.recorded"}
    | {"subagent.cancelled", "subagent.completed", "subagent.failed", "subagent.spawned"}
    | {"subagent.started"}
    | {"swarm_mode.enter", "swarm_mode.exit", "task.started", "task.terminated"}
    | {"task.waitDelivered", "token_counting.measured", "token_counting.rebased"}
    | {"token_counting.truncated", "token_counting.turn_recorded"}
    | {"tools.register_user_tool", "tools.reset_active_tools", "tools.set_active_tools"}
    | {"tools.unregister_user_tool", "tools.update_store", "tower_mode.enter", "tower_mode.exit"}
    | {"turn.cancel", "turn.ended", "turn.prompt", "turn.steer", "turn.step.interrupted"}
    | {"turn.step.retrying", "usage.record"}
)


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The token counts of a request, which do not overlap. `output` includes reasoning."""

    input_other: Count | None = 0
    output: Count | None = 0
    input_cache_read: Count | None = 0
    input_cache_creation: Count | None = 0


class ContentPart(msgspec.Struct, gc=False):
    """A part of a prompt."""

    text: str | None = None


class Origin(msgspec.Struct, gc=False):
    """The origin of a prompt: `user`, or a part of the program."""

    kind: str = ""


class Result(msgspec.Struct, gc=False, rename="camel"):
    """The result of a tool call."""

    is_error: bool | None = None


class LoopEvent(msgspec.Struct, gc=False, rename="camel"):
    """An event in a turn. Only calls of tools and their results are decoded."""

    type: str = ""
    tool_call_id: str = ""
    name: str = ""
    result: Result | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One line of a `wire.jsonl`. `time` is in unix milliseconds.

    In a record of type `usage.record`, `model` is an alias from the user's settings. In a record of
    type `llm.request`, `model` is the name of the model and `model_alias` is the alias.
    """

    type: str = ""
    time: float | None = None
    model: str | None = None
    model_alias: str | None = None
    thinking_effort: str | None = None
    usage: Usage | None = None
    input: list[ContentPart] | None = None
    origin: Origin | str | None = None
    reason: str | None = None
    event: LoopEvent | None = None

    @property
    def is_typed(self) -> bool:
        """Whether the user has typed the prompt of the record."""
        origin = self.origin
        return (origin.kind if isinstance(origin, Origin) else origin) == "user"


class Description(msgspec.Struct, rename="camel"):
    """The document `state.json`: the description of a session.

    `created_at` is in unix milliseconds; before version 2 of the document it is a date.
    """

    id: str | None = None
    title: str | None = None
    created_at: float | Moment | None = None
    cwd: str | None = None
    work_dir: str | None = None

    @property
    def created(self) -> float:
        """The time of the session's start in unix seconds; 0 if unknown."""
        created = self.created_at
        if isinstance(created, datetime):
            return created.timestamp()
        return seconds_of(created) or 0.0


class IndexEntry(msgspec.Struct, rename="camel"):
    """One line of the index of sessions."""

    session_id: str = ""
    work_dir: str = ""


def token_counts(usage: Usage) -> TokenCounts:
    """Return the token counts of a request. Cache writes have a lifetime of 5 minutes."""
    return TokenCounts(
        input=usage.input_other or 0,
        cache_read=usage.input_cache_read or 0,
        cache_write_5m=usage.input_cache_creation or 0,
        output=usage.output or 0,
    )
