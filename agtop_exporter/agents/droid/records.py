"""Decodes the settings of a session of Droid, and the lines of its transcript."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Moment, RunningTotal

START, COMPACTION = "session_start", "compaction_state"  # types of the first lines
KNOWN_TYPES = frozenset({START, COMPACTION, "message", "todo_state", "session_end"})


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The usage of one or more requests.

    `thinkingTokens` is not decoded: it is a part of `output_tokens`, and Droid estimates it from
    the length of the text for most providers.
    """

    input_tokens: RunningTotal | None = 0
    output_tokens: RunningTotal | None = 0
    cache_creation_tokens: RunningTotal | None = 0
    cache_read_tokens: RunningTotal | None = 0

    @property
    def tokens(self) -> TokenCounts:
        """The recorded counts. Cache writes have a lifetime of 5 minutes.

        The counts are disjoint, except those of Google's models: see `disjoint`.
        """
        return TokenCounts(
            input=self.input_tokens or 0,
            cache_read=self.cache_read_tokens or 0,
            cache_write_5m=self.cache_creation_tokens or 0,
            output=self.output_tokens or 0,
        )


class Settings(msgspec.Struct, rename="camel"):
    """The document `<session id>.settings.json`."""

    model: str | None = None
    reasoning_effort: str | None = None
    provider_lock: str | None = None
    token_usage: Usage | None = None
    last_call_token_usage: Usage | None = None


class Block(msgspec.Struct, gc=False):
    """One content block of a message."""

    type: str = ""
    id: str = ""
    name: str = ""
    tool_use_id: str = ""
    is_error: bool | None = None


class Message(msgspec.Struct, gc=False):
    """A message of the user or of the model."""

    role: str = ""
    content: str | list[Block] | None = None

    @property
    def blocks(self) -> list[Block]:
        """The content blocks of the message."""
        return self.content if isinstance(self.content, list) else []


class Line(msgspec.Struct, gc=False, rename="camel"):
    """One line of a transcript. The first line has the facts of the session."""

    type: str = ""
    id: str = ""
    timestamp: Moment | None = None
    message: Message | None = None
    cwd: str | None = None
    title: str | None = None
    parent: str | None = None
    calling_session_id: str | None = None


def disjoint(tokens: TokenCounts, model: str) -> TokenCounts:
    """Return token counts that do not overlap, for requests to `model`.

    For Google's models, Droid counts the cached tokens also as input. They are subtracted.
    """
    if not model.startswith("gemini"):
        return tokens
    return msgspec.structs.replace(tokens, input=max(0, tokens.input - tokens.cache_read))
