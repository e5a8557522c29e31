"""The decoded records of Qwen Code transcripts, their types and token counts. Performs no I/O."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count, Moment

RESPONSE = "qwen-code.api_response"
USER = frozenset(
    {"cron", "goal_runtime", "mid_turn_user_message", "notification", "realtime_message"}
)
TYPED = (None, "mid_turn_user_message")  # subtypes of records "user" that a user has typed
# provenance of records that no user has typed
GENERATED = frozenset({"goal_control", "goal_runtime", "system"})
SYSTEM = frozenset(
    {"agent_bootstrap", "agent_launch_prompt", "at_command", "attribution_snapshot"}
    | {"chat_compression", "custom_title", "file_history_snapshot", "goal_state", "parent_session"}
    | {"rewind", "session_artifact_event", "session_artifact_snapshot", "session_source"}
    | {"slash_command", "user_text_elements", "agent_retry", "agent_session_ready"}
    | {"branch_checkpoint", "goal_turn_end", "session_approval_mode", "session_execution_engine"}
    | {"session_model", "session_notes", "session_sources_snapshot", "turn_result"}
)
GEMINI_PROTOCOLS = frozenset({"gemini", "vertex-ai"})  # kinds of authentication
TELEMETRY = frozenset({RESPONSE, "qwen-code.api_error", "qwen-code.tool_call"})
KNOWN_TYPES = (
    frozenset({"assistant", "tool_result", "user"})
    | {f"user.{subtype}" for subtype in USER}
    | {f"system.{subtype}" for subtype in SYSTEM}
    | {f"system.ui_telemetry.{event}" for event in TELEMETRY}
)

Figures = tuple[str, int, int, int, int]  # (model, prompt, cached, candidates, total)


class Part(msgspec.Struct, gc=False, rename="camel"):
    """One part of a message."""

    text: str | None = None
    thought: bool | None = None
    function_call: "FunctionCall | None" = None


class FunctionCall(msgspec.Struct, gc=False):
    """A call of a tool."""

    id: str | None = None
    name: str | None = None


class Message(msgspec.Struct, gc=False):
    """The content that was sent to the model or received from the model."""

    parts: list[Part] | None = None


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The token counts of a response.

    The prompt count includes cached tokens. The prompt count excludes the prompt tokens of tool
    use.
    """

    prompt_token_count: Count | None = 0
    tool_use_prompt_token_count: Count | None = 0
    cached_content_token_count: Count | None = 0
    candidates_token_count: Count | None = 0
    thoughts_token_count: Count | None = 0
    total_token_count: Count | None = 0


class UiEvent(msgspec.Struct, gc=False):
    """The event of a `ui_telemetry` record.

    If the event is a response, it contains the token counts of the response.
    """

    name: str | None = msgspec.field(default=None, name="event.name")
    model: str | None = None
    prompt_id: str | None = None
    subagent_id: str | None = None
    subagent_name: str | None = None
    input_token_count: Count | None = 0
    cached_content_token_count: Count | None = 0
    output_token_count: Count | None = 0
    thoughts_token_count: Count | None = 0
    tool_token_count: Count | None = None  # written by older versions only
    total_token_count: Count | None = 0
    auth_type: str | None = None

    @property
    def subagent(self) -> str:
        """The id of the subagent that made the request; "" for the main session.

        Before version 0.24, the id is part of the prompt id.
        """
        parts = (self.prompt_id or "").split("#")
        of_subagent = self.subagent_name and len(parts) == 3  # noqa: PLR2004 - session, id, number
        return self.subagent_id or (parts[1] if of_subagent else "")

    @property
    def usage(self) -> Usage:
        """The token counts of the event as a `Usage`, the type of the token counts in an answer."""
        return Usage(
            prompt_token_count=self.input_token_count,
            tool_use_prompt_token_count=self._tool_use(),
            cached_content_token_count=self.cached_content_token_count,
            candidates_token_count=self.output_token_count,
            thoughts_token_count=self.thoughts_token_count,
            total_token_count=self.total_token_count,
        )

    def _tool_use(self) -> int:
        """Return the number of prompt tokens of tool use. Only Gemini's protocol has such tokens.

        Newer versions do not record this number. It is then the recorded total minus the other
        token counts, because the total includes these tokens.
        """
        if self.tool_token_count is not None or self.auth_type not in GEMINI_PROTOCOLS:
            return self.tool_token_count or 0
        others = (self.input_token_count, self.output_token_count, self.thoughts_token_count)
        return max(0, (self.total_token_count or 0) - sum(count or 0 for count in others))


class SystemPayload(msgspec.Struct, gc=False, rename="camel"):
    """The payload of a `system` record, with the decoded fields of all payload types."""

    ui_event: UiEvent | None = None
    custom_title: str | None = None
    title_source: str | None = None
    display_text: str | None = None  # text of a prompt, without text that hooks have added
    parent_session_id: str | None = None


class ToolCallResult(msgspec.Struct, gc=False, rename="camel"):
    """The result of a tool call."""

    call_id: str | None = None
    status: str | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One line of a transcript."""

    uuid: str = ""
    session_id: str | None = None
    timestamp: Moment | None = None
    type: str = ""
    subtype: str | None = None
    provenance: str | None = None
    cwd: str | None = None
    version: str | None = None
    git_branch: str | None = None
    model: str | None = None
    message: Message | None = None
    usage_metadata: Usage | None = None
    context_window_size: Count | None = None
    tool_call_result: ToolCallResult | None = None
    system_payload: SystemPayload | None = None
    forked_from: object = None

    @property
    def is_typed(self) -> bool:
        """Whether a user typed the text of this `user` record.

        The subtype shows this, and in newer versions also the provenance.
        """
        return self.subtype in TYPED and self.provenance not in GENERATED

    @property
    def kind(self) -> str:
        """The record type as in `KNOWN_TYPES`.

        It consists of the type, the subtype and the name of the telemetry event, joined by dots.
        """
        event = self.system_payload.ui_event if self.system_payload else None
        return ".".join(filter(None, (self.type, self.subtype, event.name if event else None)))


def figures_of(usage: Usage, model: str) -> Figures:
    """Return the model and the token counts, which both records of a response have in common."""
    return (
        model,
        usage.prompt_token_count or 0,
        usage.cached_content_token_count or 0,
        usage.candidates_token_count or 0,
        usage.total_token_count or 0,
    )


def token_counts(usage: Usage) -> TokenCounts:
    """Convert a usage to token counts that do not overlap.

    The returned input excludes cached tokens and includes tokens of tool use. The returned output
    includes reasoning tokens, which the usage calls thoughts.

    In OpenAI's protocol, the candidates count of the usage includes thoughts. In Gemini's protocol,
    the candidates count excludes thoughts. The total of the usage shows which protocol was used.
    """
    prompt, cached = usage.prompt_token_count or 0, usage.cached_content_token_count or 0
    candidates, thoughts = usage.candidates_token_count or 0, usage.thoughts_token_count or 0
    outside = (usage.total_token_count or 0) >= prompt + candidates + thoughts
    return TokenCounts(
        input=max(0, prompt - cached) + (usage.tool_use_prompt_token_count or 0),
        cache_read=cached,
        output=candidates + thoughts if outside else max(candidates, thoughts),
        reasoning=thoughts,
    )
