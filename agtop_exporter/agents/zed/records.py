"""Rows of Zed's database, and the thread in a row."""

from typing import Any

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import RunningTotal
from agtop_exporter.reading.rows import TableRow

KNOWN_TYPES = frozenset(  # encodings of a thread, and versions of its format
    {"json", "zstd", "thread.0.1.0", "thread.0.2.0", "thread.0.3.0", "thread.1.0.0"}
)
SECONDS_CHARACTERS = len("2026-08-09T03:49:28")


class ThreadRow(TableRow):
    """A row of `threads`. The times are in ISO 8601. `data` is a JSON text, possibly compressed."""

    id: str = ""
    summary: str = ""
    updated_at: str = ""
    created_at: str = ""
    data_type: str = ""
    data: Any = None
    parent_id: str = ""
    folder_paths: str = ""
    folder_paths_order: str = ""

    @property
    def stored(self) -> bytes:
        """The value of `data` as bytes."""
        if isinstance(self.data, str):
            return self.data.encode()
        return self.data if isinstance(self.data, bytes) else b""

    @property
    def folder(self) -> str:
        """The first folder of the project; "" if unknown.

        `folder_paths` has one path per line, sorted. `folder_paths_order` has the positions in
        which the user opened the folders, separated by commas.
        """
        folders = self.folder_paths.splitlines()
        order = self.folder_paths_order.split(",")
        first = order.index("0") if "0" in order and len(order) == len(folders) else 0
        return folders[first] if folders else ""


class Usage(msgspec.Struct, gc=False):
    """The usage of one or more requests. The counts are disjoint."""

    input_tokens: RunningTotal | None = 0
    output_tokens: RunningTotal | None = 0
    cache_creation_input_tokens: RunningTotal | None = 0
    cache_read_input_tokens: RunningTotal | None = 0

    @property
    def tokens(self) -> TokenCounts:
        """The token counts. Cache writes have a lifetime of 5 minutes."""
        return TokenCounts(
            input=self.input_tokens or 0,
            cache_read=self.cache_read_input_tokens or 0,
            cache_write_5m=self.cache_creation_input_tokens or 0,
            output=self.output_tokens or 0,
        )


class Model(msgspec.Struct, gc=False):
    """The model that a thread uses now."""

    provider: str | None = None
    model: str | None = None


class Call(msgspec.Struct, gc=False):
    """A tool call."""

    id: str = ""
    name: str = ""


class Part(msgspec.Struct, gc=False):
    """A part of a message. Only texts and tool calls are decoded."""

    text: str | None = msgspec.field(default=None, name="Text")
    call: Call | None = msgspec.field(default=None, name="ToolUse")


class Result(msgspec.Struct, gc=False):
    """The result of a tool call."""

    is_error: bool | None = None


class Answer(msgspec.Struct, gc=False):
    """A message of the model, with the results of its calls by call id."""

    content: list[Part] | None = None
    tool_results: dict[str, Result] | None = None

    @property
    def calls(self) -> list[Call]:
        """The calls of tools that have an id."""
        return [part.call for part in self.content or () if part.call and part.call.id]


class Prompt(msgspec.Struct, gc=False):
    """A message of the user."""

    id: str = ""
    content: list[Part] | None = None


class Message(msgspec.Struct, gc=False):
    """A message of a thread since version 0.3.0."""

    user: Prompt | None = msgspec.field(default=None, name="User")
    agent: Answer | None = msgspec.field(default=None, name="Agent")


class Thread(msgspec.Struct):
    """A thread. `cumulative_token_usage` is the usage of all its requests so far.

    `request_token_usage` has the usage of the last request after each message of the user, by the
    id of the message. In older versions it is a list.
    """

    version: str | None = None
    model: Model | None = None
    cumulative_token_usage: Usage | None = None
    request_token_usage: dict[str, Usage] | list[Usage] | None = None
    messages: list[Message | str] | None = None

    @property
    def turns(self) -> list[Message]:
        """The messages of the user and of the model."""
        return [each for each in self.messages or () if isinstance(each, Message)]
