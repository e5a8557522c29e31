"""The logs of the command line tool below its home: where they are, and who wrote them."""

import re
from pathlib import Path

import msgspec

from agtop_exporter.paths import clean_path
from agtop_exporter.reading.files import read_head

LOG = "events.jsonl"
FOLDER = "session-state"
HEAD_BYTES = 64 * 1024
NAME_BYTES_MAX = 200  # of a session; a file name can have 255
FIRST_WITH_RECORDS = (1, 0, 90)
VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})")

_VERSION_IN_HEAD = re.compile(rb'"copilotVersion":\s*"([^"]{1,40})"')
_MODEL_IN_HEAD = re.compile(rb'"selectedModel":\s*"([^"]{1,200})"')
_ORIGIN_IN_HEAD = re.compile(rb'"sourceSessionId":\s*"([^"]{1,200})"')
_RECORD = b'"session.usage_record"'


class Log(msgspec.Struct, frozen=True):
    """What the beginning of a log shows."""

    path: str
    has_records: bool = False  # its version writes a usage record for each request
    forked: bool = False  # it begins with copies of records of another session
    model: str = ""  # selected at the start


def session_id_of(path: str) -> str:
    """Return the session id: the log's folder, or its own name in the oldest versions."""
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2] if name == LOG else name.removesuffix(".jsonl")


def writes_records(version: str) -> bool:
    """Return whether a version of the tool writes usage records."""
    found = VERSION.match(version)
    return found is not None and tuple(map(int, found.groups())) >= FIRST_WITH_RECORDS


def home_of(path: str) -> Path:
    """Return the home of the tool, in which a log is."""
    return Path(path.rpartition(f"/{FOLDER}/")[0])


def find_log(home: Path, session_id: str) -> Path | None:
    """Return the log of a session; an id that cannot be a file name has none."""
    if "/" in session_id or not clean_path(session_id) or len(session_id.encode()) > NAME_BYTES_MAX:
        return None
    for name in (f"{session_id}/{LOG}", f"{session_id}.jsonl"):
        path = home / FOLDER / name
        if path.exists():
            return path
    return None


def look_at_log(home: Path, session_id: str) -> Log | None:
    """Return what the beginning of a session's log shows; None if the session has no log."""
    path = find_log(home, session_id)
    if path is None:
        return None
    try:
        head = read_head(path, HEAD_BYTES)
    except OSError:
        return Log(str(path))
    origin = _ORIGIN_IN_HEAD.search(head)
    version, model = _VERSION_IN_HEAD.search(head), _MODEL_IN_HEAD.search(head)
    return Log(
        path=str(path),
        has_records=_RECORD in head
        or (version is not None and writes_records(version[1].decode("utf-8", "replace"))),
        forked=origin is not None and origin[1] != session_id.encode(),
        model=model[1].decode("utf-8", "replace") if model else "",
    )
