"""The reader state of a Claude Code transcript."""

from datetime import datetime, timedelta

from msgspec import field

from agtop_exporter.agents.claude.responses import Response
from agtop_exporter.agents.claude.tally import Tally
from agtop_exporter.model import is_sane
from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.state import ReaderState


class TranscriptState(ReaderState):
    """The data about one Claude Code transcript that is stored between two reads."""

    # The time of its first record, or a time after the copies that are marked. Earlier records are
    # copies.
    began: datetime | None = None
    session_id: str = ""  # "" until a record of Claude Code contains the id
    wide_models: list[str] = field(
        default_factory=list
    )  # models that used a context window of 1,000,000 tokens
    tools: dict[str, str] = field(default_factory=dict)  # names of the latest calls by id
    calls: OpenCalls = field(default_factory=OpenCalls)  # of the main chain
    searches: dict[str, str] = field(default_factory=dict)  # see `searches.note_call`
    called_by: str = ""  # id of the message that contains these calls
    prompted: list[str] = field(default_factory=list)  # ids of sessions whose first prompt was read
    # Unix seconds by session id. A record without a time gets the time of the previous record.
    last_active: dict[str, float] = field(default_factory=dict)
    open: dict[str, Response] = field(default_factory=dict)  # responses without a unique id
    lines: list[int] = field(default_factory=list)  # digests of the latest lines of such responses
    # hashes of the latest message ids, each with the hash of its first request id
    requests: dict[int, int] = field(default_factory=dict)
    # the latest response with a unique id: a hash of its ids, and its time
    latest: tuple[int, float] = (0, 0.0)
    # None if an earlier version of this program has read a part of the transcript
    tally: Tally | None = None

    def is_copy(self, time: datetime, *, marked: bool) -> bool:
        """Return whether a record with this time is a copy. Update `began`.

        `marked` is true if the record is marked as a copy. A record that is older than the first
        record of the transcript is a copy. A branch can contain its copies again, without a mark
        (anthropics/claude-code 40363). So a record that is not newer than the marked copies is also
        a copy.
        """
        began = self.began or time
        if marked and is_sane(time.timestamp()):
            began = max(began, time + timedelta.resolution)
        self.began = began
        return marked or time < began
