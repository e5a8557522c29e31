"""Converts the usage that version 3 of the editor extension recorded to disjoint token counts.

The extension stores what its code for the model provider returned, and the providers differ: for
some `tokensIn` includes the cached tokens, and for some `cacheWrites` are the tokens that were not
in the cache. The meanings are those of `src/core/api/providers` in https://github.com/cline/cline,
tags v3.37.0 to v3.89.2. See tests/agents/cline/README.
"""

from collections.abc import Mapping
from enum import Enum

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count


class Meaning(Enum):
    """What the input counts of a provider include."""

    DISJOINT = "tokensIn excludes cache reads and cache writes"
    READS_INCLUDED = "tokensIn includes cache reads; cacheWrites are no writes, but the other input"
    ALL_INCLUDED = "tokensIn includes cache reads and cache writes"
    MISSES = "cacheWrites are the input that was not in the cache; tokensIn is 0 or the sum"
    UNCACHED = "tokensIn is the whole input, and cached tokens are not recorded"


class Provider(msgspec.Struct, frozen=True):
    """How one provider counts. `models` are parts of the model ids for which this is known."""

    meaning: Meaning
    models: tuple[str, ...] = ("",)


CLAUDE = ("claude",)
PROVIDERS: Mapping[str, Provider] = {
    **dict.fromkeys(
        ("anthropic", "minimax", "openai-native", "openrouter", "cline", "groq", "moonshot"),
        Provider(Meaning.DISJOINT),
    ),
    "vercel-ai-gateway": Provider(Meaning.DISJOINT),
    "vertex": Provider(Meaning.DISJOINT, CLAUDE),
    "bedrock": Provider(Meaning.DISJOINT, ("anthropic.claude", "amazon.nova")),
    **dict.fromkeys(
        ("openai", "openai-codex", "zai", "fireworks", "qwen", "doubao", "hicap", "lmstudio"),
        Provider(Meaning.READS_INCLUDED),
    ),
    "requesty": Provider(Meaning.ALL_INCLUDED),
    "deepseek": Provider(Meaning.MISSES),
    **dict.fromkeys(
        (
            *("baseten", "cerebras", "huawei-cloud-maas", "huggingface", "mistral", "nebius"),
            *("nousResearch", "ollama", "qwen-code", "sambanova", "together", "wandb"),
        ),
        Provider(Meaning.UNCACHED),
    ),
}
ELSEWHERE = frozenset({"claude-code"})
"""Providers whose requests another agent makes and records, so that they are counted there."""
SINCE_MODE = frozenset({"vercel-ai-gateway"})
"""Providers that counted otherwise before version 3.40, the first that records a `mode`."""


class ModelInfo(msgspec.Struct, gc=False, rename="camel"):
    """The model that was in use when an entry was written. It is recorded since version 3.37."""

    provider_id: str | None = None
    model_id: str | None = None
    mode: str | None = None


class ApiUsage(msgspec.Struct, gc=False, rename="camel"):
    """The usage of one request. `cost` is in USD. All members are missing at its start."""

    tokens_in: Count | None = 0
    tokens_out: Count | None = 0
    cache_writes: Count | None = 0
    cache_reads: Count | None = 0
    cost: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the request has no tokens (yet)."""
        return not (self.tokens_in or self.tokens_out or self.cache_writes or self.cache_reads)


def token_counts(usage: ApiUsage, info: ModelInfo) -> TokenCounts | None:
    """Return disjoint token counts; None if the meaning of the recorded counts is not known."""
    name, model = info.provider_id or "", info.model_id or ""
    provider = PROVIDERS.get(name)
    if provider is None or not any(part in model for part in provider.models):
        return None
    if name in SINCE_MODE and not info.mode:
        return None
    given, read = usage.tokens_in or 0, usage.cache_reads or 0
    fresh, written = _split(provider.meaning, given, read, usage.cache_writes or 0)
    if fresh < 0:
        return None
    return TokenCounts(
        input=fresh, cache_read=read, cache_write_5m=written, output=usage.tokens_out or 0
    )


def _split(meaning: Meaning, given: int, read: int, written: int) -> tuple[int, int]:
    """Return (uncached input, cache writes). The input is negative if the counts contradict."""
    match meaning:
        case Meaning.DISJOINT:
            return given, written
        case Meaning.READS_INCLUDED:
            return given - read, 0
        case Meaning.ALL_INCLUDED:
            return given - read - written, written
        case Meaning.MISSES:
            return (written if given in {0, read + written} else -1), 0
        case Meaning.UNCACHED:
            return (-1 if read or written else given), 0


def has_cost(usage: ApiUsage, info: ModelInfo) -> bool:
    """Return whether `cost` is right.

    The extension calculates the cost of most providers as if `tokensIn` excluded cached tokens. So
    it counts cached tokens twice if `tokensIn` includes them.
    """
    provider = PROVIDERS.get(info.provider_id or "")
    included = provider is not None and provider.meaning is Meaning.READS_INCLUDED
    return not (included and (usage.cache_reads or usage.cache_writes))
