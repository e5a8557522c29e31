"""The used fields of transcript records, and their token counts."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count, Moment

STANDARD = "standard"  # the usual speed and service tier
ANYWHERE = frozenset({None, "", "global", "not_available"})  # values of `inference_geo`


class CacheCreation(msgspec.Struct, gc=False):
    """Cache writes of a request by their lifetime."""

    ephemeral_5m_input_tokens: Count | None = 0
    ephemeral_1h_input_tokens: Count | None = 0


class OutputDetails(msgspec.Struct, gc=False):
    """A breakdown of the output tokens."""

    thinking_tokens: Count | None = 0


class ServerToolUse(msgspec.Struct, gc=False):
    """Calls of tools that run at the provider. Only searches are billed by use."""

    web_search_requests: Count | None = 0


class Figures(msgspec.Struct, gc=False):
    """Tokens as the API counts them: input excludes cached tokens, output includes thinking."""

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
        """The speed or service tier that changes the price; empty for the standard price."""
        found = (self.speed, self.service_tier)
        return next((tier for tier in found if tier and tier != STANDARD), "")

    @property
    def region(self) -> str:
        """Where the model ran, if it had to run there, such as `us`."""
        return "" if self.inference_geo in ANYWHERE else (self.inference_geo or "").lower()

    @property
    def web_searches(self) -> int:
        """The searches that are billed by use."""
        return (self.server_tool_use and self.server_tool_use.web_search_requests) or 0

    def keep_terms(self, earlier: "Figures") -> None:
        """Keep what an earlier line of the same response has of its price."""
        self.speed = earlier.speed or self.speed
        self.service_tier = earlier.service_tier or self.service_tier
        self.inference_geo = earlier.inference_geo or self.inference_geo
        if earlier.web_searches > self.web_searches:
            self.server_tool_use = earlier.server_tool_use

    @property
    def prompt(self) -> tuple[int, int, int]:
        """The input figures, which are constant while a response is streamed."""
        return (
            self.input_tokens or 0,
            self.cache_read_input_tokens or 0,
            self.cache_creation_input_tokens or 0,
        )


class Iteration(Figures, gc=False):
    """One model response of a record with several, in `usage.iterations`."""

    type: str = ""
    model: str | None = None


class Usage(Figures, gc=False):
    """The API's usage object."""

    iterations: list[Iteration] | None = None

    def continues(self, other: "Usage") -> bool:
        """Return whether this is the usage of the same response as `other`, at a later time."""
        return (
            (self.output_tokens or 0) >= (other.output_tokens or 0)
            and self.output_tokens_details == other.output_tokens_details
            and self.input_tokens == other.input_tokens
            and self.cache_read_input_tokens == other.cache_read_input_tokens
            and self.cache_creation_input_tokens == other.cache_creation_input_tokens
            and self.cache_creation == other.cache_creation
        )


class Block(msgspec.Struct, gc=False):
    """One content block."""

    tool_use_id: str = ""
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""
    is_error: bool | None = None


class Message(msgspec.Struct, gc=False):
    """The API message of a record."""

    model: str | None = None
    id: str | None = None
    content: str | list[Block] | None = None
    stop_reason: str | None = None
    usage: Usage | None = None


class CompactMetadata(msgspec.Struct, gc=False, rename="camel"):
    """The result of a compaction."""

    post_tokens: Count | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One line. The fields are in about the order of the file, which makes decoding faster."""

    is_sidechain: bool | None = None
    agent_id: str | None = None
    cwd: str | None = None
    session_id: str | None = None
    version: str | None = None
    git_branch: str | None = None
    type: str = ""
    request_id: str | None = None
    message: Message | None = None
    uuid: str | None = None
    timestamp: Moment | None = None
    effort: str | None = None
    request_session_id: str | None = None
    parent_session_id: str | None = None
    forked_from: object = None
    subtype: str | None = None
    is_meta: bool | None = None
    is_compact_summary: bool | None = None
    is_api_error_message: bool | None = None
    error: object = None
    ai_title: str | None = None
    custom_title: str | None = None
    summary: str | None = None
    advisor_model: str | None = None
    compact_metadata: CompactMetadata | None = None

    @property
    def kind(self) -> str:
        """The type as in `KNOWN_TYPES`. A system record has its subtype in it."""
        return f"system.{self.subtype}" if self.type == "system" and self.subtype else self.type

    @property
    def seconds(self) -> float:
        """The time in unix seconds; 0 if there is none."""
        return self.timestamp.timestamp() if self.timestamp is not None else 0.0


def token_counts(usage: Figures) -> TokenCounts:
    """Return disjoint counts; cache writes of unknown lifetime count as 5 minutes."""
    creation = usage.cache_creation
    written = usage.cache_creation_input_tokens or 0
    one_hour = 0
    if creation is not None:
        one_hour = creation.ephemeral_1h_input_tokens or 0
        written = max(written, one_hour + (creation.ephemeral_5m_input_tokens or 0))
    output, details = usage.output_tokens or 0, usage.output_tokens_details
    return TokenCounts(
        usage.input_tokens or 0,
        usage.cache_read_input_tokens or 0,
        written - one_hour,
        one_hour,
        output,
        0 if details is None else min(output, details.thinking_tokens or 0),
    )
