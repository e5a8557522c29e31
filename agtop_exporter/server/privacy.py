"""Removes the parts of a snapshot that other machines must not get."""

from pathlib import PurePath

import msgspec

from agtop_exporter.model import Session, Snapshot


def without_private(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot for other machines: its sessions have no titles and no directories.

    The path of a transcript becomes the name of its file.
    """
    sessions = tuple(map(_without_private, snapshot.sessions))
    published = tuple(map(_without_private, snapshot.published))
    return msgspec.structs.replace(snapshot, sessions=sessions, published=published)


def _without_private(session: Session) -> Session:
    name = PurePath(session.data_path).name
    return msgspec.structs.replace(session, title=None, cwd=None, data_path=name)
