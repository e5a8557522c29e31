"""The decoded fields of the records in a pi session file, and conversions of their values."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count, Moment
from agtop_exporter.reading.outputs import whole_output

ENTRIES = frozenset(
    {"branch_summary", "compaction", "context_edit", "custom", "custom_message", "label"}
    | {"message", "model_change", "session", "session_info", "thinking_level_change", "usage"}
)
ROLES = frozenset(
    {"assistant", "bashExecution", "branchSummary", "compactionSummary", "custom"}
    | {"hookMessage", "system", "toolResult", "user"}
)
KNOWN_TYPES = ENTRIES | {f"message.{role}" for role in ROLES}
GOOGLE_APIS = frozenset({"google-generative-ai", "google-vertex"})
COMPLETIONS_API, XAI = "openai-completions", "xai"
ROUTERS = frozenset({"auto"})  # last parts of model names that mean that a router selects the model


class Cost(msgspec.Struct, gc=False):
    """The cost of a response in USD, as estimated by pi."""

    total: float | None = None


class CacheLifetimes(msgspec.Struct, gc=False):
    """The written cache tokens by lifetime, in Oh My Pi. Other programs have `cacheWrite1h`."""

    ephemeral_1h: Count | None = msgspec.field(default=0, name="ephemeral1h")


class Orchestration(msgspec.Struct, gc=False, rename="camel"):
    """Billed tokens that a provider used to coordinate agents, in Oh My Pi."""

    input: Count | None = 0
    output: Count | None = 0
    cache_read: Count | None = 0


class ServerTools(msgspec.Struct, gc=False, rename="camel"):
    """The uses of tools of the provider in a response, in Oh My Pi."""

    web_search: Count | None = 0


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The token counts and the cost of a response.

    `cache_write` includes `cache_write_1h` and `cttl`, and `output` includes `reasoning` and
    `reasoning_tokens`. The other counts do not include `orchestration`.
    """

    input: Count | None = 0
    output: Count | None = 0
    cache_read: Count | None = 0
    cache_write: Count | None = 0
    cache_write_1h: Count | None = msgspec.field(default=0, name="cacheWrite1h")
    reasoning: Count | None = 0
    reasoning_tokens: Count | None = 0
    total_tokens: Count | None = None
    cttl: CacheLifetimes | None = None
    orchestration: Orchestration | None = None
    server: ServerTools | None = None
    cost: Cost | None = None


class Block(msgspec.Struct, gc=False):
    """One content block of a message."""

    type: str = ""
    text: str | None = None
    id: str = ""
    name: str = ""


class Subagent(msgspec.Struct, gc=False, rename="camel"):
    """The result of one subagent that a tool ran."""

    session_file: str | None = None


class Run(msgspec.Struct, gc=False):
    """The results of the subagents of one run."""

    results: list[Subagent] | None = None


class Details(Run, gc=False):
    """The details in the result of a tool of the extension pi-subagents."""

    completions: list[Run] | None = None


class Message(msgspec.Struct, gc=False, rename="camel"):
    """The message in an entry of a session file."""

    role: str = ""
    content: str | list[Block] | None = None
    api: str | None = None
    provider: str | None = None
    model: str | None = None
    response_model: str | None = None
    upstream_model: str | None = None
    usage: Usage | None = None
    stop_reason: str | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    is_error: bool | None = None
    thinking_level: str | None = None
    disabled_features: list[str] | None = None
    details: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)

    @property
    def session_files(self) -> list[str]:
        """The session files of the subagents that a tool ran, if its result has usage.

        The usage of the result is the sum of the usage in these files.
        """
        if self.usage is None:
            return []
        try:
            details = msgspec.json.decode(self.details or b"{}", type=Details)
        except (msgspec.MsgspecError, RecursionError):
            return []
        runs = (details, *(details.completions or ()))
        return [file for run in runs for child in run.results or () if (file := child.session_file)]

    @property
    def served_model(self) -> str:
        """The name of the model that answered.

        If `model` is a router, this is the model that the router selected.
        """
        model = self.model or ""
        is_router = model.rpartition("/")[2] in ROUTERS
        return ((self.response_model or self.upstream_model) if is_router else "") or model


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One line of a session file: the header of the session, or an entry."""

    type: str = ""
    id: str = ""
    timestamp: Moment | None = None
    cwd: str | None = None
    message: Message | None = None
    provider: str | None = None
    model: str | None = None
    model_id: str | None = None
    usage: Usage | None = None
    thinking_level: str | None = None
    name: str | None = None
    title: str | None = None
    role: str | None = None  # of a selected model
    service_tier: dict[str, str | None] | str | None = None  # by family of models
    parent_session: str | None = None
    rlm_depth: Count | None = None  # of a session of Prime Agent: 0, or larger for a subagent

    @property
    def selected_model(self) -> str | None:
        """The model that a `model_change` selects for the session; None if it selects no model.

        In Oh My Pi, `model` is `<provider>/<model>`, and an entry can select a model for another
        role.
        """
        if self.model_id or self.role not in (None, "default"):
            return self.model_id
        return (self.model or "").partition("/")[2] or None

    @property
    def kind(self) -> str:
        """The record type as in `KNOWN_TYPES`. For a message, it is `<type>.<role>`."""
        return f"{self.type}.{self.message.role}" if self.message else self.type


def corrected(usage: Usage, *, api: str, provider: str) -> Usage:
    """Return the usage of a message without the mistakes of some versions and APIs.

    With Google's APIs, pi before 0.63.0 recorded cached tokens as input, too (earendil-works/pi
    pull request 2588). The recorded total, which is Google's, shows it. With xAI's chat
    completions, which pi used until August 2026, the output lacks the reasoning. The recorded cost,
    which has the same mistake, is left out.
    """
    if api == COMPLETIONS_API:
        return _with_reasoning(usage, provider)
    return _without_cached_input(usage) if api in GOOGLE_APIS else usage


def _with_reasoning(usage: Usage, provider: str) -> Usage:
    output, reasoning = usage.output or 0, usage.reasoning or usage.reasoning_tokens or 0
    whole = output + reasoning if provider == XAI else whole_output(output, reasoning)
    return usage if whole == output else msgspec.structs.replace(usage, output=whole, cost=None)


def _without_cached_input(usage: Usage) -> Usage:
    prompt, cached = usage.input or 0, usage.cache_read or 0
    if not 0 < cached <= prompt:
        return usage
    if prompt + (usage.output or 0) != usage.total_tokens:
        return usage
    return msgspec.structs.replace(usage, input=prompt - cached, cost=None)


def token_counts(usage: Usage) -> TokenCounts:
    """Convert a usage to token counts that do not overlap.

    Cache writes of unknown lifetime are counted with a lifetime of 5 minutes.
    """
    lifetimes, other = usage.cttl or CacheLifetimes(), usage.orchestration or Orchestration()
    written = usage.cache_write or 0
    long_lived = usage.cache_write_1h or lifetimes.ephemeral_1h or 0
    output = (usage.output or 0) + (other.output or 0)
    return TokenCounts(
        input=(usage.input or 0) + (other.input or 0),
        cache_read=(usage.cache_read or 0) + (other.cache_read or 0),
        cache_write_5m=max(0, written - long_lived),
        cache_write_1h=min(written, long_lived),
        output=output,
        reasoning=min(output, usage.reasoning or usage.reasoning_tokens or 0),
    )


def text_of(content: str | list[Block] | None) -> str:
    """Return the text of a prompt, without its images."""
    if isinstance(content, list):
        return " ".join(block.text or "" for block in content if block.type == "text")
    return content or ""
