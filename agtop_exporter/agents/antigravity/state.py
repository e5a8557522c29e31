"""Reads Antigravity's list of conversations: titles, times and folders, and no figures.

It is one value of the application's key-value table, of which only two keys are looked at.
"""

import re
from collections.abc import Iterator

from agtop_exporter.agents.antigravity import protobuf
from agtop_exporter.agents.antigravity.protobuf import Fields
from agtop_exporter.decoding import Errors
from agtop_exporter.model import Batch, Cursor, SessionUpdate
from agtop_exporter.paths import path_of_uri
from agtop_exporter.tail_sqlite import Database, TableRow

NAME = "antigravity"
TABLE = "ItemTable"
SUMMARIES = "antigravityUnifiedStateSync.trajectorySummaries"
STATUS = "antigravityUnifiedStateSync.userStatus"
TITLE_RANK = 4
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PLANS = ("pro", "enterprise", "free", "trial", "business")
FOLDER_DEPTH = 4  # messages within messages
EARLIEST, LATEST = 1_500_000_000, 10_000_000_000  # what is a time, and no other number
NANOSECONDS = 1_000_000_000


class Value(TableRow):
    """The value of a row: text, or its bytes."""

    value: object = None


def conversations(data: bytes) -> dict[str, Fields]:
    """Return what a list says of every conversation, by its id.

    An entry is an id and a value, which has the summary as base64 or as it is. What is no list at
    all is searched for ids.
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
    """Make a session of a summary: its first text is the title, its messages with one are times."""
    session = SessionUpdate(session_id=session_id)
    session.entitle(protobuf.text(summary, 1), TITLE_RANK)
    for number in summary:
        for message in protobuf.messages(summary, number):
            seconds = protobuf.number(message, 1)
            if EARLIEST < seconds < LATEST and set(message) <= {1, 2}:
                session.seen(seconds + protobuf.number(message, 2) % NANOSECONDS / NANOSECONDS)
    session.cwd = next(filter(None, _folders(summary, FOLDER_DEPTH)), "")
    return session


def _folders(message: Fields, depth: int) -> Iterator[str]:
    """Give the directories that are named as `file://` anywhere in a message; "" for no path."""
    for number in sorted(message):
        for value in protobuf.texts(message, number):
            if value.startswith("file://"):
                yield path_of_uri(value)
        if depth:
            for inner in protobuf.messages(message, number):
                yield from _folders(inner, depth - 1)


def plan(data: bytes) -> str:
    """Name the plan that the status speaks of, as a word of its own; empty where it names none."""
    told = protobuf.from_base64(data).decode("latin-1").lower()
    for name in PLANS:
        if re.search(rf"(?<![a-z]){name}(?![a-z])", told):
            return name.capitalize()
    return ""


def read(path: str, cursor: Cursor) -> Batch:
    """Read the list of conversations. Raises OSError."""
    errors = Errors(path)
    with Database(path, cursor, errors=errors) as database:
        if database.unchanged:
            return Batch(agent=NAME, path=path, cursor=cursor)
        subscription = plan(_value(database, STATUS))
        sessions = []
        for session_id, summary in conversations(_value(database, SUMMARIES)).items():
            session = update(session_id, summary)
            session.subscription = subscription
            session.data_path = path
            sessions.append(session)
    return Batch(
        agent=NAME,
        path=path,
        cursor=database.cursor(b""),
        sessions=tuple(sessions),
        errors=errors.all(),
        records=len(sessions),
        bytes_read=database.bytes_read,
    )


def _value(database: Database, key: str) -> bytes:
    for row in database.find(TABLE, Value, where="key = ?", values=(key,), limit=1):
        if isinstance(row.value, str):
            return row.value.encode()
        return row.value if isinstance(row.value, bytes) else b""
    return b""
