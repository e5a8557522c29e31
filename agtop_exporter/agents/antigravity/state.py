"""Reads the application's database of Antigravity: the list of conversations and the user's plan.

The list has the title, times and folder of each conversation, but no tokens. The list and the
status, which names the plan, are two values in a key-value table. Other keys are not read.
"""

import re
from collections.abc import Iterator

from agtop_exporter.agents.antigravity import protobuf
from agtop_exporter.agents.antigravity.messages import EARLIEST, LATEST
from agtop_exporter.agents.antigravity.protobuf import Fields
from agtop_exporter.model import NANOSECONDS, Batch, Cursor, SessionUpdate
from agtop_exporter.paths import path_of_uri
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.key_values import value_of
from agtop_exporter.reading.sqlite import DatabaseParser, read_sqlite
from agtop_exporter.reading.state import NoState

NAME = "antigravity"
TABLE = "ItemTable"
SUMMARIES = "antigravityUnifiedStateSync.trajectorySummaries"
STATUS = "antigravityUnifiedStateSync.userStatus"
TITLE_RANK = 4
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PLANS = ("pro", "enterprise", "free", "trial", "business")
FOLDER_DEPTH = 4  # maximum nesting of messages


def conversations(data: bytes) -> dict[str, Fields]:
    """Decode the list of conversations; return the decoded summaries by conversation id.

    An entry of the list has an id and a summary. The summary can be encoded in base64. If `data`
    is not a protobuf message, return an empty summary for each UUID in it.
    """
    raw = protobuf.from_base64(data)
    try:
        listed = protobuf.fields(raw)
    except ValueError:
        return {match.decode().lower(): {} for match in UUID.findall(raw)}
    found: dict[str, Fields] = {}
    for entry in protobuf.messages(listed, 1):
        key = protobuf.text(entry, 1)
        if UUID.fullmatch(key.encode()):
            found.setdefault(key.lower(), _summary(entry))
    return found


def _summary(entry: Fields) -> Fields:
    for value in protobuf.messages(entry, 2):
        inner = next((each for each in value.get(1, ()) if isinstance(each, bytes)), b"")
        decoded = protobuf.from_base64(inner)
        if inner and decoded != inner:
            try:
                return protobuf.fields(decoded)
            except ValueError:
                continue
        return value
    return {}


def update(session_id: str, summary: Fields) -> SessionUpdate:
    """Return a SessionUpdate with the title, times and folder in the summary of a conversation.

    Every `Timestamp` in the summary extends the time span of the session.
    """
    session = SessionUpdate(session_id=session_id)
    session.set_title(protobuf.text(summary, 1), TITLE_RANK)
    for number in summary:
        for message in protobuf.messages(summary, number):
            seconds = protobuf.number(message, 1)
            if EARLIEST < seconds < LATEST and set(message) <= {1, 2}:
                session.observe_time(
                    seconds + protobuf.number(message, 2) % NANOSECONDS / NANOSECONDS
                )
    session.cwd = next(filter(None, _folders(summary, FOLDER_DEPTH)), "")
    return session


def _folders(message: Fields, depth: int) -> Iterator[str]:
    """Yield the path of each `file://` URI in a message; "" for a URI without a path.

    Nested messages are searched down to `depth` levels.
    """
    for number in sorted(message):
        for value in protobuf.texts(message, number):
            if value.startswith("file://"):
                yield path_of_uri(value)
        if depth:
            for inner in protobuf.messages(message, number):
                yield from _folders(inner, depth - 1)


def plan(data: bytes) -> str:
    """Return the name of the subscription plan in the user's status; "" if there is none."""
    status = protobuf.from_base64(data).decode("latin-1").lower()
    for name in PLANS:
        if re.search(rf"(?<![a-z]){name}(?![a-z])", status):
            return name.capitalize()
    return ""


class SummaryParser(DatabaseParser[NoState]):
    """The parser of the application's database: the list of conversations and the plan.

    Each conversation counts as one record.
    """

    state_type = NoState

    def read(self, database: Database) -> None:
        """Add a session for each conversation in the list, with the user's plan."""
        subscription = plan(value_of(database, TABLE, STATUS))
        for session_id, summary in conversations(value_of(database, TABLE, SUMMARIES)).items():
            session = update(session_id, summary)
            session.subscription = subscription
            session.data_path = self.path
            self.batch.sessions[session_id] = session
        self.batch.records = len(self.batch.sessions)


def read(path: str, cursor: Cursor) -> Batch:
    """Read the list of conversations if the database changed since the cursor. Raises OSError."""
    return read_sqlite(NAME, SummaryParser, path, cursor)
