"""Model responses of Claude Code: each is built from several lines that repeat its usage."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

import msgspec

from agtop_exporter.agents.claude.records import Record, Usage, token_counts
from agtop_exporter.model import NO_TOKENS, SessionUpdate, Signal, TokenCounts

CONTEXT_TOKENS = 200_000
LONG_CONTEXT_TOKENS = 1_000_000  # if the model's name ends with [1m], or so many are in use

Calls = tuple[tuple[str, str], ...]  # (call id, tool name)
NO_CALLS: Calls = ()
NO_SIGNAL = Signal()


class Response(msgspec.Struct, gc=False):
    """A response as far as its lines have been read."""

    time: float
    model: str
    usage: Usage  # of the latest line
    copied: bool
    main_chain: bool
    tools: Calls
    tokens: TokenCounts = NO_TOKENS  # of earlier lines whose figures are not those of `usage`

    def grow(self, usage: Usage) -> None:
        """Merge the usage of one more line of the response."""
        if usage.cache_creation is None:
            usage.cache_creation = self.usage.cache_creation
        elif self.usage.cache_creation is None:
            self.usage.cache_creation = usage.cache_creation
        if not usage.continues(self.usage):
            self.tokens = self.all_tokens()
        usage.keep_terms(self.usage)
        self.usage = usage

    def all_tokens(self) -> TokenCounts:
        """Return the largest figures of all lines."""
        tokens = token_counts(self.usage)
        return tokens if self.tokens is NO_TOKENS else tokens.max(self.tokens)


@dataclass(slots=True)
class SessionRead:
    """What one read has found of one session.

    The fields that change with nearly every record are here and not in the Struct.
    """

    update: SessionUpdate
    signal: Signal = NO_SIGNAL
    model: str = ""
    effort: str = ""
    responses: dict[str, Response] = field(default_factory=dict)  # by key, in order of their start
    latest: str = ""  # the key of the latest response of the main chain
    first: datetime | None = None  # the earliest and the latest record that is no copy
    last: datetime | None = None


def each_once(calls: Calls) -> Calls:
    """Return every call once, although several lines repeat it."""
    return calls if len(calls) < 2 else tuple(dict(calls).items())  # noqa: PLR2004 - two


def key_without_id(session_id: str, record: Record, usage: Usage) -> str:
    """Return the key of a response that has no id."""
    return f"{session_id}:{record.timestamp}:{token_counts(usage)}"


@lru_cache(maxsize=64)
def context_window(model: str) -> int | None:
    """Return the context window of a model, by its name; None for models of other makers."""
    if not model.startswith("claude"):
        return None
    return LONG_CONTEXT_TOKENS if "[1m]" in model else CONTEXT_TOKENS
