"""Finds the logs of the command line tool, and reads facts from their first records."""

import re
from pathlib import Path

import msgspec

from agtop_exporter.existence import exists
from agtop_exporter.paths import clean_path
from agtop_exporter.reading.files import read_head
from agtop_exporter.reading.identifiers import without_mark

LOG = "events.jsonl"
FOLDER = "session-state"
HEAD_BYTES = 64 * 1024
NAME_BYTES_MAX = 200  # maximum length of a session id; file names are limited to 255
FIRST_WITH_RECORDS = (1, 0, 90)
VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})")

_VERSION_IN_HEAD = re.compile(rb'"copilotVersion":\s*"([^"]{1,40})"')
_MODEL_IN_HEAD = re.compile(rb'"selectedModel":\s*"([^"]{1,200})"')
_ORIGIN_IN_HEAD = re.compile(rb'"sourceSessionId":\s*"([^"]{1,200})"')
_RECORD = b'"session.usage_record"'


class Log(msgspec.Struct, frozen=True):
    """Facts from the first records of a log."""

    path: str
    has_records: bool = False  # its version writes a usage record per request
    forked: bool = False  # it starts with copies of another session's records
    model: str = ""  # the model selected at the start


def session_id_of(path: str) -> str:
    """Return the session id of the log at `path`.

    The id is the name of the log's folder. In old versions, it is the file name of the log.
    """
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2] if name == LOG else without_mark(name.removesuffix(".jsonl"))


def writes_records(version: str) -> bool:
    """Return whether a version of the tool writes usage records."""
    found = VERSION.match(version)
    return found is not None and tuple(map(int, found.groups())) >= FIRST_WITH_RECORDS


def home_of(path: str) -> Path:
    """Return the home directory of the tool to which the log at `path` belongs."""
    return Path(path.rpartition(f"/{FOLDER}/")[0])


def find_log(home: Path, session_id: str) -> Path | None:
    """Return the path of a session's log; None if there is no log or the id is not a file name."""
    if "/" in session_id or not clean_path(session_id) or len(session_id.encode()) > NAME_BYTES_MAX:
        return None
    for name in (f"{session_id}/{LOG}", f"{session_id}.jsonl"):
        path = home / FOLDER / name
        if exists(path):
            return path
    return None


def read_log_facts(home: Path, session_id: str) -> Log | None:
    """Return facts from the first records of a session's log; None if the session has no log."""
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
