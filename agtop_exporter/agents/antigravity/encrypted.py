"""Reads the encrypted conversations (`.pb`) of older versions of Antigravity.

Only the modification time of such a file is known. The history file of the command line tool can
give the folder and the start time of the conversation.
"""

from pathlib import Path

from agtop_exporter.agents.antigravity import history
from agtop_exporter.agents.antigravity.state import NAME
from agtop_exporter.model import NANOSECONDS, Batch
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.file_group import FileGroup


def read(path: str) -> Batch:
    """Return a batch with the session of an encrypted file. Raises OSError.

    The modification time of the file is the time of the session's last activity.
    """
    now = FileGroup(path).cursor()
    batch = BatchBuilder(NAME, path)
    session = batch.session(Path(path).stem.lower(), last_active=now.mtime_ns / NANOSECONDS)
    place = history.place(Path(path))
    session.work_in(place.folder)
    if place.began:
        session.observe_time(place.began)
    return batch.build(now)
