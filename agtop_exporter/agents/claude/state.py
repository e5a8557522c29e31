"""The reader state of a Claude Code transcript."""

from datetime import datetime

from msgspec import field

from agtop_exporter.agents.claude.responses import Response
from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.state import ReaderState


class TranscriptState(ReaderState):
    """The data about one Claude Code transcript that is stored between two reads."""

    began: datetime | None = None  # the time of its first record; earlier records are copies
    session_id: str = ""  # "" until a record of Claude Code contains the id
    wide_models: list[str] = field(
        default_factory=list
    )  # models that used a context window of 1,000,000 tokens
    tools: dict[str, str] = field(default_factory=dict)  # names of the latest calls by id
    calls: OpenCalls = field(default_factory=OpenCalls)  # of the main chain
    called_by: str = ""  # id of the message that contains these calls
    # Unix seconds by session id. A record without a time gets the time of the previous record.
    last_active: dict[str, float] = field(default_factory=dict)
    open: dict[str, Response] = field(default_factory=dict)  # responses without a unique id
    lines: list[int] = field(default_factory=list)  # digests of the latest lines of such responses
    # hashes of the latest message ids, each with the hash of its first request id
    requests: dict[int, int] = field(default_factory=dict)
