"""Decodes the lines of Junie's events, and of the index of sessions."""

import msgspec

from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.decoding import Count

BLOCKS = {  # tools by the kind of the event that shows a step
    "FileChangesBlockUpdatedEvent": "file_changes",
    "TerminalBlockUpdatedEvent": "terminal",
    "ToolBlockUpdatedEvent": "tool",
    "ViewFilesBlockUpdatedEvent": "view_files",
}
KNOWN_TYPES = frozenset(  # kinds of lines, and of events of the agent
    {"SessionA2uxEvent", "SkillsStatusEvent", "SystemMessageEvent", "TaskStartedEvent", "TaskState"}
    | {"UserMessagesCommittedToHistory", "UserPromptEvent"}
    | {"AgentCurrentStatusUpdatedEvent", "AgentFailureEvent", "AgentPatchCreatedEvent"}
    | {"AgentPlanUpdatedEvent", "AgentStartedEvent", "AgentStateUpdatedEvent", "SuggestPlanEvent"}
    | {"AgentTaskNameUpdatedEvent", "AgentThoughtBlockUpdatedEvent", "ShowPlanProgressEvent"}
    | {"AskAsyncRequestUpdatedEvent", "AuthorizationAvailabilityEvent", "MarkdownBlockUpdatedEvent"}
    | {"AvailablePullRequestsEvent", "ChoiceRequestUpdatedEvent", "ContextWindowReportEvent"}
    | {"CurrentDirectoryUpdatedEvent", "CustomAgentBlockUpdatedEvent", "LlmResponseMetadataEvent"}
    | {"EnvironmentVariablesUpdatedEvent", "NextPromptSuggestionEvent", "ResultBlockUpdatedEvent"}
    | {"TipSuggestionCreatedEvent", *BLOCKS}
)


class Usage(msgspec.Struct, gc=False, rename="camel"):
    """The usage of a response. The counts are disjoint. `cost` is in USD."""

    model: str | None = None
    input_tokens: Count | None = 0
    cache_input_tokens: Count | None = 0
    cache_create_tokens: Count | None = 0
    output_tokens: Count | None = 0
    cost: float | None = None

    @property
    def tokens(self) -> TokenCounts:
        """The token counts. Cache writes have a lifetime of 5 minutes."""
        return TokenCounts(
            input=self.input_tokens or 0,
            cache_read=self.cache_input_tokens or 0,
            cache_write_5m=self.cache_create_tokens or 0,
            output=self.output_tokens or 0,
        )


class Worker(msgspec.Struct, gc=False):
    """The main agent of a session or a subagent."""

    kind: str | None = None
    id: str | None = None


class AgentEvent(msgspec.Struct, gc=False, rename="camel"):
    """An event of the agent. `used` and `size` are the tokens in the context and its window."""

    kind: str = ""
    agent: Worker | None = None
    model_usage: list[Usage] | None = None
    current_directory: str | None = None
    step_id: str | None = None
    status: str | None = None
    used: Count | None = None
    size: Count | None = None

    @property
    def is_main(self) -> bool:
        """Whether the main agent of the session has made the event."""
        return self.agent is None or self.agent.kind in (None, "MainAgent")


class Wrapper(msgspec.Struct, gc=False, rename="camel"):
    """The member `event` of a line of kind `SessionA2uxEvent`."""

    agent_event: AgentEvent | None = None


class Attachment(msgspec.Struct, gc=False, rename="camel"):
    """A setting of a task: the model that the user chose, or another setting."""

    model_id: str | None = None


class Line(msgspec.Struct, gc=False, rename="camel"):
    """One line of `events.jsonl`."""

    kind: str = ""
    task_id: str | None = None
    timestamp_ms: float | None = None
    request_id: str | None = None
    prompt: str | None = None
    presentable_prompt: str | None = None
    custom_attachments: list[Attachment] | None = None
    event: Wrapper | None = None


class Summary(msgspec.Struct, gc=False, rename="camel"):
    """One line of `index.jsonl`. The times are in unix milliseconds."""

    session_id: str = ""
    created_at: float | None = None
    updated_at: float | None = None
    project_dir: str | None = None
    task_name: str | None = None
