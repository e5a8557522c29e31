"""What a parser keeps of a Claude Code transcript between two reads."""

from datetime import datetime

from msgspec import field

from agtop_exporter.agents.claude.responses import Response
from agtop_exporter.reading.state import ReaderState


class TranscriptState(ReaderState):
    """The state of one transcript."""

    began: datetime | None = None  # the time of its first record; earlier records are copies
    session_id: str = ""  # empty until a record shows that the file is a transcript
    wide_models: list[str] = field(
        default_factory=list
    )  # models that used a context window of 1,000,000 tokens
    tools: dict[str, str] = field(default_factory=dict)  # the latest calls: id -> name
    # Unix seconds by session id: a record without a time keeps the time of the one before.
    last_active: dict[str, float] = field(default_factory=dict)
    open: dict[str, Response] = field(default_factory=dict)  # responses without a unique id
    lines: list[int] = field(default_factory=list)  # the latest lines of such responses
    requests: dict[int, int] = field(default_factory=dict)  # latest message ids -> request ids
