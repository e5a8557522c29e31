"""The decoded fields of transcript records, and the conversion of usage to token counts."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count, Moment

NOTHING = msgspec.Raw()
BACKGROUND = "bg"  # kind of a session in the background
STANDARD = "standard"  # the usual speed and service tier
ANYWHERE = frozenset({None, "", "global", "not_available"})  # values of `inference_geo`


class CacheCreation(msgspec.Struct, gc=False):
    """The tokens that a request writes to the prompt cache, by the lifetime of the cache."""

    ephemeral_5m_input_tokens: Count | None = 0
    ephemeral_1h_input_tokens: Count | None = 0

    @property
    def total(self) -> int:
        """The number of tokens of both lifetimes."""
        return (self.ephemeral_5m_input_tokens or 0) + (self.ephemeral_1h_input_tokens or 0)

    def plus(self, other: "CacheCreation") -> "CacheCreation":
        """Return the sum of this object and another one."""
        return CacheCreation(
            (self.ephemeral_5m_input_tokens or 0) + (other.ephemeral_5m_input_tokens or 0),
            (self.ephemeral_1h_input_tokens or 0) + (other.ephemeral_1h_input_tokens or 0),
        )


class OutputDetails(msgspec.Struct, gc=False):
    """The number of thinking tokens among the output tokens of a response."""

    thinking_tokens: Count | None = 0


class ServerToolUse(msgspec.Struct, gc=False):
    """The calls of tools that run at the provider.

    Only web searches are decoded, because only web searches are billed for each call.
    """

    web_search_requests: Count | None = 0


class Figures(msgspec.Struct, gc=False):
    """The token counts of a response as the API reports them, and properties that change the price.

    The input tokens exclude cached tokens. The output tokens include thinking tokens.
    """

    input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: CacheCreation | None = None
    output_tokens: Count | None = None
    output_tokens_details: OutputDetails | None = None
    speed: str | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    server_tool_use: ServerToolUse | None = None

    @property
    def price_tier(self) -> str:
        """The speed or service tier that changes the price; "" for the standard price."""
        found = (self.speed, self.service_tier)
        return next((tier for tier in found if tier and tier != STANDARD), "")

    @property
    def region(self) -> str:
        """The region in which the model had to run, such as `us`; "" if any region was allowed."""
        return "" if self.inference_geo in ANYWHERE else (self.inference_geo or "").lower()

    @property
    def web_searches(self) -> int:
        """The number of web searches. Each web search is billed."""
        return (self.server_tool_use and self.server_tool_use.web_search_requests) or 0

    def keep_terms(self, earlier: "Figures") -> None:
        """Copy the properties that change the price from an earlier line of the same response.

        Properties that are unknown in the earlier line keep their values. The number of web
        searches is the larger one of the two lines.
        """
        self.speed = earlier.speed or self.speed
        self.service_tier = earlier.service_tier or self.service_tier
        self.inference_geo = earlier.inference_geo or self.inference_geo
        if earlier.web_searches > self.web_searches:
            self.server_tool_use = earlier.server_tool_use

    @property
    def prompt(self) -> tuple[int, int, int]:
        """The token counts (input, cache read, cache write) of the prompt.

        These counts are constant while a response is streamed.
        """
        return (
            self.input_tokens or 0,
            self.cache_read_input_tokens or 0,
            self.cache_creation_input_tokens or 0,
        )


class Iteration(Figures, gc=False):
    """One item of `usage.iterations`, which lists the model responses of a record."""

    type: str = ""
    model: str | None = None


class Usage(Figures, gc=False):
    """The object `usage` of the API, with the token counts of a response."""

    iterations: list[Iteration] | None = None

    def continues(self, other: "Usage") -> bool:
        """Return whether this usage can be a later report of the response with usage `other`.

        All token counts except output must be equal. The output tokens must not have decreased.
        """
        return (
            (self.output_tokens or 0) >= (other.output_tokens or 0)
            and self.output_tokens_details == other.output_tokens_details
            and self.input_tokens == other.input_tokens
            and self.cache_read_input_tokens == other.cache_read_input_tokens
            and self.cache_creation_input_tokens == other.cache_creation_input_tokens
            and self.cache_creation == other.cache_creation
        )


class Block(msgspec.Struct, gc=False):
    """One content block of a message."""

    tool_use_id: str = ""
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""
    is_error: bool | None = None


class Message(msgspec.Struct, gc=False):
    """The API message in a transcript record."""

    model: str | None = None
    id: str | None = None
    content: str | list[Block] | None = None
    stop_reason: str | None = None
    usage: Usage | None = None


class CompactMetadata(msgspec.Struct, gc=False, rename="camel"):
    """The result of a compaction: the number of context tokens after the compaction."""

    post_tokens: Count | None = None


class QuotaLimits(msgspec.Struct, gc=False, rename="camel"):
    """The rate limit that rejected a request (seen in 2.1.332). `resets_at` is in unix seconds."""

    resets_at: float | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One line of a transcript.

    The fields have about the same order as in the file, which makes decoding faster.
    """

    is_sidechain: bool | None = None
    agent_id: str | None = None
    cwd: str | None = None
    session_id: str | None = None
    version: str | None = None
    git_branch: str | None = None
    type: str = ""
    request_id: str | None = None
    prompt_cache_requested: str | None = None
    message: Message | None = None
    uuid: str | None = None
    timestamp: Moment | None = None
    tool_use_result: msgspec.Raw = NOTHING
    effort: str | None = None
    request_session_id: str | None = None
    parent_session_id: str | None = None
    forked_from: object = None
    session_kind: str | None = None
    subtype: str | None = None
    is_meta: bool | None = None
    is_compact_summary: bool | None = None
    is_api_error_message: bool | None = None
    error: object = None
    quota_limits: QuotaLimits | None = None
    ai_title: str | None = None
    custom_title: str | None = None
    summary: str | None = None
    advisor_model: str | None = None
    compact_metadata: CompactMetadata | None = None
    model_usage: msgspec.Raw = NOTHING

    @property
    def kind(self) -> str:
        """The record type as in `KNOWN_TYPES`. For a system record, it is `system.<subtype>`."""
        return f"system.{self.subtype}" if self.type == "system" and self.subtype else self.type

    @property
    def may_be_copied(self) -> bool:
        """Whether the record belongs to a session in the background.

        If a session is moved to the background, its records are copied to the transcript of a new
        session without another mark (kenn-io/agentsview 1370 and 1373).
        """
        return self.session_kind == BACKGROUND

    @property
    def seconds(self) -> float:
        """The time of the record in unix seconds; 0 if the record has no time."""
        return self.timestamp.timestamp() if self.timestamp is not None else 0.0


def token_counts(usage: Figures) -> TokenCounts:
    """Convert a usage to token counts that do not overlap.

    Cache writes of unknown lifetime are counted with a lifetime of 5 minutes.
    """
    creation = usage.cache_creation
    written = usage.cache_creation_input_tokens or 0
    one_hour = 0
    if creation is not None:
        one_hour = creation.ephemeral_1h_input_tokens or 0
        written = max(written, creation.total)
    output, details = usage.output_tokens or 0, usage.output_tokens_details
    return TokenCounts(
        usage.input_tokens or 0,
        usage.cache_read_input_tokens or 0,
        written - one_hour,
        one_hour,
        output,
        0 if details is None else min(output, details.thinking_tokens or 0),
    )
