"""Defines the values in Cursor's key-value table. Does no I/O."""

import re

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.paths import clean_path, path_of_uri
from agtop_exporter.reading.decoding import Count, Moment

CONVERSATION, BUBBLE = "composerData:", "bubbleId:"
TASK = "task-"  # prefix of the id of a subagent's conversation; the id of the tool call follows
TASK_TOOL = "task"  # prefix of the name of the tool that starts a subagent
DRIVE = re.compile(r"^/[A-Za-z]:/")  # a Windows path in a URI


class ModelChoice(msgspec.Struct, rename="camel"):
    """The model of a conversation or of one answer."""

    model_name: str | None = None


class Breakdown(msgspec.Struct, rename="camel"):
    """The number of tokens in the context of a conversation."""

    total_used_tokens: Count | None = None


class FolderUri(msgspec.Struct, rename="camel"):
    """The URI of a folder."""

    fs_path: str | None = None
    path: str | None = None


class Workspace(msgspec.Struct):
    """The workspace of an editor window.

    `uri` is the folder or its URI. It is None if no folder is open.
    """

    uri: FolderUri | str | None = None

    @property
    def directory(self) -> str:
        """The path of the folder; "" if unknown."""
        uri = self.uri
        path = path_of_uri(uri) if isinstance(uri, str) else ""
        if isinstance(uri, FolderUri):
            path = clean_path(uri.fs_path or uri.path or "")
        return path[1:] if DRIVE.match(path) else path


class Parent(msgspec.Struct, rename="camel"):
    """The conversation that started a subagent."""

    parent_composer_id: str | None = None


class Branch(msgspec.Struct, rename="camel"):
    """The git branch of the workspace folder."""

    branch_name: str | None = None


class Conversation(msgspec.Struct, rename="camel"):
    """A conversation, which is the value of the key `composerData:<id>`."""

    name: str | None = None
    created_at: Moment | float | None = None
    last_updated_at: Moment | float | None = None
    model_config: ModelChoice | None = None
    context_tokens_used: Count | None = None
    context_token_limit: Count | None = None
    prompt_token_breakdown: Breakdown | None = None
    workspace_identifier: Workspace | None = None
    active_branch: Branch | None = None
    subagent_info: Parent | None = None
    subagent_composer_ids: list[str] | None = None
    sub_composer_ids: list[str] | None = None  # parallel attempts at one task by several models

    @property
    def children(self) -> list[str]:
        """The recorded ids of the conversations that this conversation started."""
        return [*(self.subagent_composer_ids or ()), *(self.sub_composer_ids or ())]


class TokenCount(msgspec.Struct, rename="camel"):
    """The token counts of an answer. Cursor writes 0 for both counts if the counts are unknown."""

    input_tokens: Count | None = 0
    output_tokens: Count | None = 0


class ToolCall(msgspec.Struct, rename="camel"):
    """The tool call of a message."""

    name: str | None = None
    tool_call_id: str | None = None


class Timing(msgspec.Struct, rename="camel"):
    """The times of an answer, in older versions."""

    client_rpc_send_time: Moment | float | None = None  # time of the request


class Bubble(msgspec.Struct, rename="camel"):
    """One message, which is the value of the key `bubbleId:<conversation>:<bubble>`."""

    type: int | None = None
    created_at: Moment | float | None = None
    timing_info: Timing | None = None
    model_info: ModelChoice | None = None
    token_count: TokenCount | None = None
    tool_former_data: ToolCall | None = None
    usage_uuid: str | None = None  # id of the billed request, which a copy of the message keeps

    @property
    def time(self) -> Moment | float | None:
        """The creation time of the message, or else the time of the request for the message."""
        return self.created_at or (
            self.timing_info.client_rpc_send_time if self.timing_info else None
        )

    @property
    def task(self) -> str:
        """The recorded id of the conversation that this message started; "" if none."""
        call = self.tool_former_data
        if call is None or not (call.name or "").startswith(TASK_TOOL):
            return ""
        return f"{TASK}{call.tool_call_id}" if call.tool_call_id else ""


def session_id_of(composer_id: str) -> str:
    """Return the session id of a conversation; `composer_id` is the recorded id.

    The id of a subagent's conversation is `task-` followed by the id of the tool call that started
    the subagent. With some models, the id of the tool call has a second line. This line is removed.
    """
    return composer_id.partition("\n")[0].strip()


def token_counts(count: TokenCount | None) -> TokenCounts:
    """Convert recorded token counts. Cursor records no separate cached and reasoning tokens."""
    if count is None:
        return TokenCounts()
    return TokenCounts(input=count.input_tokens or 0, output=count.output_tokens or 0)
