"""Encodes the resource usage of process trees for the ledger. Performs no I/O."""

from collections.abc import Mapping

import msgspec

from agtop_exporter.model import SessionKey
from agtop_exporter.processes.growth import ResourceTotals
from agtop_exporter.processes.usage import TreeUsage

NAME = "process_usage"
"""The name of the usage in the ledger. The usage of a session is `NAME/agent/session id`."""


def changes(before: TreeUsage, now: TreeUsage) -> dict[str, bytes]:
    """Return the encoded values that differ between two states, by name."""
    if now is before or (not now.last and not before.last):
        return {}
    trees = msgspec.structs.replace(now, gone={}, sessions={})
    return {NAME: msgspec.msgpack.encode(trees)} | {
        _name(key): msgspec.msgpack.encode(spent)
        for key, spent in now.sessions.items()
        if before.sessions.get(key) != spent
    }


def restored(saved: Mapping[str, bytes]) -> TreeUsage:
    """Return the stored usage; empty if it is missing or another version has written it."""
    try:
        trees = msgspec.msgpack.decode(saved[NAME], type=TreeUsage)
        sessions = {
            SessionKey(*name.split("/", 2)[1:]): msgspec.msgpack.decode(data, type=ResourceTotals)
            for name, data in saved.items()
            if name.startswith(f"{NAME}/")
        }
    except (KeyError, msgspec.MsgspecError):
        return TreeUsage()
    return msgspec.structs.replace(trees, sessions=sessions)


def _name(session: SessionKey) -> str:
    return f"{NAME}/{session.agent}/{session.session_id}"
