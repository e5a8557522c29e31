"""Decodes the document of a session of Auggie."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count, Moment

LOCAL, ELSEWHERE = "local", "remote"  # where an exchange was made: here, or on another machine
KNOWN_TYPES = frozenset({LOCAL, ELSEWHERE})


class Usage(msgspec.Struct, gc=False):
    """The usage of a request. The counts are disjoint."""

    input_tokens: Count | None = 0
    output_tokens: Count | None = 0
    cache_read_input_tokens: Count | None = 0
    cache_creation_input_tokens: Count | None = 0

    @property
    def tokens(self) -> TokenCounts:
        """The token counts. Cache writes have a lifetime of 5 minutes."""
        return TokenCounts(
            input=self.input_tokens or 0,
            cache_read=self.cache_read_input_tokens or 0,
            cache_write_5m=self.cache_creation_input_tokens or 0,
            output=self.output_tokens or 0,
        )


class Text(msgspec.Struct, gc=False):
    """A text that the user wrote."""

    content: str | None = None


class Call(msgspec.Struct, gc=False):
    """A tool call."""

    tool_use_id: str = ""
    tool_name: str = ""


class Result(msgspec.Struct, gc=False):
    """The result of a tool call."""

    tool_use_id: str = ""
    is_error: bool | None = None


class Folder(msgspec.Struct, gc=False):
    """A folder in which the session works."""

    repository_root: str | None = None
    folder_root: str | None = None


class Workspace(msgspec.Struct, gc=False):
    """The folders in which the session works."""

    workspace_folders: list[Folder] | None = None


class Summary(msgspec.Struct, gc=False):
    """The summary that replaces older exchanges after a compaction."""

    summarization_request_id: str | None = None


class Node(msgspec.Struct, gc=False):
    """A part of a request or of a response. A node has one of these members."""

    text_node: Text | None = None
    tool_result_node: Result | None = None
    ide_state_node: Workspace | None = None
    history_summary_node: Summary | None = None
    tool_use: Call | None = None
    token_usage: Usage | None = None


class Request(msgspec.Struct, gc=False):
    """A request to a model, and the response."""

    request_id: str | None = None
    model_id: str | None = None
    request_nodes: list[Node] | None = None
    response_nodes: list[Node] | None = None


class Exchange(msgspec.Struct, gc=False, rename="camel"):
    """An exchange, its position in the session, and the time of its end."""

    exchange: Request | None = None
    sequence_id: float | None = None
    finished_at: Moment | None = None
    completed: bool | None = None
    source: str | None = None


class Summarization(Usage, gc=False):
    """The request of a compaction."""

    request_id: str | None = None
    model: str | None = None
    finished_at: Moment | None = msgspec.field(default=None, name="finishedAt")


class Subagent(msgspec.Struct, gc=False, rename="camel"):
    """A subagent and its exchanges."""

    model: str | None = None
    chat_history: list[Exchange] | None = None


class AgentState(msgspec.Struct, gc=False, rename="camel"):
    """The settings of the session. Other members, such as an e-mail address, are not decoded."""

    model_id: str | None = None


class Session(msgspec.Struct, rename="camel"):
    """The document of one session."""

    session_id: str | None = None
    created: Moment | None = None
    title: str | None = None
    custom_title: str | None = None
    parent_conversation_id: str | None = None
    agent_state: AgentState | None = None
    chat_history: list[Exchange] | None = None
    summarizations: list[Summarization] | None = None
    sub_agents: list[Subagent] | None = None
