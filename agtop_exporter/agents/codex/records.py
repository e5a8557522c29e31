"""The decoded fields of the records in a Codex rollout (transcript)."""

import msgspec

from agtop_exporter.reading.decoding import UNDECODABLE, Count, Moment, Number, RunningTotal

NOTHING = msgspec.Raw()


class TokenUsage(msgspec.Struct, gc=False):
    """The token counts of one response.

    The input tokens include cached input. The output tokens include reasoning tokens. TraeX has
    another name for `cache_write_input_tokens`: `cache_creation_input_tokens`.
    """

    input_tokens: Count | None = 0
    cached_input_tokens: Count | None = 0
    cache_write_input_tokens: Count | None = 0
    output_tokens: Count | None = 0
    reasoning_output_tokens: Count | None = 0
    total_tokens: Count | None = 0
    cache_creation_input_tokens: Count | None = 0


class TotalUsage(msgspec.Struct, gc=False):
    """The running total of a thread: the token counts of all responses so far.

    The fields have the same meaning as in TokenUsage.
    """

    input_tokens: RunningTotal | None = 0
    cached_input_tokens: RunningTotal | None = 0
    cache_write_input_tokens: RunningTotal | None = 0
    output_tokens: RunningTotal | None = 0
    reasoning_output_tokens: RunningTotal | None = 0
    total_tokens: RunningTotal | None = 0
    cache_creation_input_tokens: RunningTotal | None = 0


class TokenInfo(msgspec.Struct, gc=False):
    """The member `info` of a `token_count` record.

    It contains the running total of the thread, and the usage of the last response.
    """

    total_token_usage: TotalUsage | None = None
    last_token_usage: TokenUsage | None = None
    model_context_window: Count | None = None


class Window(msgspec.Struct, gc=False):
    """One rate-limit window of a `token_count` record."""

    used_percent: float | None = None
    window_minutes: Count | None = None
    resets_at: float | None = None
    resets_in_seconds: float | None = None


class RateLimits(msgspec.Struct, gc=False):
    """The member `rate_limits` of a `token_count` record."""

    limit_id: str | None = None
    primary: Window | None = None
    secondary: Window | None = None
    plan_type: str | None = None


class TextPart(msgspec.Struct, gc=False):
    """One part of the content of a message."""

    text: str | None = None


class Item(msgspec.Struct, gc=False):
    """The item in an `item_completed` event."""

    type: str = ""
    id: str = ""
    status: str | None = None
    exit_code: Number | None = None
    content: list[TextPart] | None = None


class ReasoningSettings(msgspec.Struct, gc=False):
    """The settings of a collaboration mode: the reasoning effort."""

    reasoning_effort: str | None = None


class CollaborationMode(msgspec.Struct, gc=False):
    """The collaboration mode of a turn.

    In newer versions, its settings contain the reasoning effort of the turn.
    """

    settings: ReasoningSettings | None = None


class ThreadSpawn(msgspec.Struct, gc=False):
    """The reference of a subagent to the thread that started the subagent."""

    parent_thread_id: str | None = None


class Subagent(msgspec.Struct, gc=False):
    """The member `subagent` in the source of a thread. Only a subagent has this member."""

    thread_spawn: ThreadSpawn | None = None


class Source(msgspec.Struct, gc=False):
    """The source of a thread, if the source is recorded as an object and not as a string."""

    subagent: Subagent | str | None = None


class Git(msgspec.Struct, gc=False):
    """The Git branch of the directory in which a thread was started."""

    branch: str | None = None


class Failure(msgspec.Struct, gc=False):
    """The reason for which a task failed."""

    codex_error_info: str | dict[str, object] | None = None


class ThreadSettings(msgspec.Struct, gc=False):
    """The model, its provider, the reasoning effort and the service tier of a thread."""

    model: str | None = None
    model_provider_id: str | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None


class CountContext(msgspec.Struct, gc=False):
    """The context of a token count in TraeX, which has the model of the response."""

    model: str | None = None


class SearchAction(msgspec.Struct, gc=False):
    """The action of a web search call.

    The action is either a search, or the opening of a page that was found.
    """

    type: str | None = None


_decode_action = msgspec.json.Decoder(SearchAction).decode
_decode_context = msgspec.json.Decoder(CountContext).decode


class Payload(msgspec.Struct, gc=False):
    """The payload of a rollout record, with the decoded fields of all payload types."""

    type: str = ""
    role: str | None = None
    name: str | None = None
    arguments: msgspec.Raw = NOTHING
    call_id: str | None = None
    info: TokenInfo | None = None
    rate_limits: RateLimits | None = None
    context: msgspec.Raw = NOTHING
    item: Item | None = None
    id: str | None = None
    session_id: str | None = None
    timestamp: Moment | None = None
    cwd: str | None = None
    cli_version: str | None = None
    source: str | Source | None = None
    forked_from_id: str | None = None
    history_base: msgspec.Raw = NOTHING  # an object if another rollout has the earlier records
    parent_thread_id: str | None = None
    subagent_history_start_ordinal: Count | None = None
    git: Git | None = None
    model: str | None = None
    model_provider: str | None = None
    effort: str | None = None
    collaboration_mode: CollaborationMode | None = None
    thread_settings: ThreadSettings | None = None
    turn_id: str | None = None
    started_at: msgspec.Raw = NOTHING  # unix seconds in a task_started
    turn_attribution: msgspec.Raw = NOTHING  # who started a turn; missing if it only compacts
    thread_id: str | None = None
    response_id: str | None = None
    usage: TokenUsage | None = None
    thread_token_usage: TotalUsage | None = None
    model_context_window: Count | None = None
    message: str | None = None
    thread_name: str | None = None
    last_agent_message: str | None = None
    error: Failure | None = None
    phase: str | None = None
    action: msgspec.Raw = NOTHING
    input: msgspec.Raw = NOTHING
    content: list[TextPart] | str | None = None

    @property
    def counted_model(self) -> str | None:
        """The model in the context of a token count; None if it is not recorded."""
        try:
            return _decode_context(self.context).model
        except UNDECODABLE:
            return None

    @property
    def web_searches(self) -> int:
        """The number of billed web searches in this payload. Opening a page is not billed."""
        if self.type != "web_search_call":
            return 0
        try:
            action = _decode_action(self.action)
        except UNDECODABLE:  # older versions do not record the action
            return 1
        return int(action.type in (None, "search"))


class Record(msgspec.Struct, gc=False):
    """One line of a rollout (transcript).

    The fields have the same order as in the file, which makes decoding faster.
    """

    timestamp: Moment | None = None
    ordinal: Count | None = None
    type: str = ""
    payload: Payload | None = None

    @property
    def kind(self) -> str:
        """The record type as in `KNOWN_TYPES`.

        For an event or an item, it is `<record type>.<payload type>`.
        """
        if self.type in ("event_msg", "response_item") and self.payload is not None:
            return f"{self.type}.{self.payload.type}"
        return self.type
