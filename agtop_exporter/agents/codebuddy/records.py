"""Decodes the lines of CodeBuddy's transcripts."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count

MESSAGE, CALL, RESULT = "message", "function_call", "function_call_result"
KNOWN_TYPES = frozenset(
    {MESSAGE, CALL, RESULT, "reasoning", "model-usage", "credit-usage", "turn-metrics"}
    | {"ai-title", "custom-title", "topic", "summary", "session-meta", "file-history-snapshot"}
    | {"goal-progress", "goal-result", "resend-fork-notice", "acp-terminal-state"}
)
COMPACTION = "compact"  # name of the agent that compacts the context


class Details(msgspec.Struct, gc=False):
    """The parts of a token count. They are included in the count."""

    cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class RawUsage(msgspec.Struct, gc=False):
    """The usage of a response as the API returned it.

    `prompt_tokens` includes the tokens that were read from and written to the cache, and
    `completion_tokens` includes reasoning. The names of the cached tokens depend on the API. Of
    several names, one or all have the figure.
    """

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    prompt_cache_hit_tokens: Count | None = None
    prompt_cache_write_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    completion_thinking_tokens: Count | None = None

    @property
    def tokens(self) -> TokenCounts:
        """Disjoint token counts. The input is negative if the counts contradict each other."""
        details = self.prompt_tokens_details or Details()
        hits = self.prompt_cache_hit_tokens, self.cache_read_input_tokens, details.cached_tokens
        writes = self.prompt_cache_write_tokens, self.cache_creation_input_tokens
        reasoning = (self.completion_tokens_details or Details()).reasoning_tokens
        return _disjoint(
            self.prompt_tokens or 0,
            self.completion_tokens or 0,
            read=max(count or 0 for count in hits),
            written=max(count or 0 for count in writes),
            reasoning=max(reasoning or 0, self.completion_thinking_tokens or 0),
        )


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The usage of a response in CodeBuddy's own form, which lacks cache writes."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_tokens_details: list[Details] | None = None
    output_tokens_details: list[Details] | None = None

    @property
    def tokens(self) -> TokenCounts:
        """Disjoint token counts. The input is negative if the counts contradict each other."""
        read = sum(each.cached_tokens or 0 for each in self.input_tokens_details or ())
        reasoning = sum(each.reasoning_tokens or 0 for each in self.output_tokens_details or ())
        total = self.input_tokens or 0, self.output_tokens or 0
        return _disjoint(*total, read=read, written=0, reasoning=reasoning)


class ProviderData(msgspec.Struct, gc=False, rename="camel"):
    """The origin of a record: the response of a model, or a part of the program.

    `message_id` identifies the response. `agent` is `cli` for the main agent. A prompt with
    `skip_run`, `is_meta` or another of these flags was not typed by the user.
    """

    message_id: str = ""
    model: str | None = None
    agent: str | None = None
    raw_usage: RawUsage | None = None
    usage: Usage | None = None
    skip_run: bool | None = None
    is_meta: bool | None = None
    is_summary: bool | None = None
    is_compacted: bool | None = None
    is_compact_internal: bool | None = None
    is_sub_agent: bool | None = None

    @property
    def tokens(self) -> TokenCounts | None:
        """The token counts of the response; None if this record does not have them."""
        forms = (form.tokens for form in (self.raw_usage, self.usage) if form is not None)
        return next((tokens for tokens in forms if tokens.total or tokens.input), None)

    @property
    def is_typed(self) -> bool:
        """Whether a prompt with this origin was typed by the user."""
        marks = self.skip_run, self.is_meta, self.is_summary, self.is_compacted
        return self.agent != COMPACTION and not any(
            (*marks, self.is_compact_internal, self.is_sub_agent)
        )


class Part(msgspec.Struct, gc=False):
    """A part of the content of a message."""

    text: str | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One line of a transcript. `timestamp` is in unix milliseconds."""

    type: str = ""
    id: str = ""
    timestamp: float | None = None
    session_id: str | None = None
    cwd: str | None = None
    role: str | None = None
    content: list[Part] | str | None = None
    provider_data: ProviderData | None = None
    name: str | None = None
    call_id: str | None = None
    status: str | None = None
    ai_title: str | None = None
    custom_title: str | None = None

    @property
    def text(self) -> str:
        """The first text of a message."""
        if isinstance(self.content, str):
            return self.content
        return next((part.text for part in self.content or () if part.text), "")


def _disjoint(
    prompt: int, completion: int, *, read: int, written: int, reasoning: int
) -> TokenCounts:
    """Return disjoint token counts. Cache writes have a lifetime of 5 minutes.

    `prompt` includes the tokens that were `read` from and `written` to the cache.
    """
    return TokenCounts(
        input=prompt - read - written,
        cache_read=read,
        cache_write_5m=written,
        output=completion,
        reasoning=min(completion, reasoning),
    )
