"""Encodes the resource usage of process trees for the ledger. Performs no I/O."""

from collections.abc import Mapping

import msgspec

from agtop_exporter.model import SessionKey
from agtop_exporter.processes.growth import ResourceTotals
from agtop_exporter.processes.usage import TreeUsage

NAME = "process_usage"
"""The name of the usage of all process trees in the ledger.

The usage of one session has the name `process_usage/agent/session id`.
"""


def changes(before: TreeUsage, now: TreeUsage) -> dict[str, bytes]:
    """Return the usage in `now` that differs from `before`, as {name: encoded usage}."""
    if now is before or (not now.last and not before.last):
        return {}
    trees = msgspec.structs.replace(now, gone={}, sessions={})
    return {NAME: msgspec.msgpack.encode(trees)} | {
        _name(key): msgspec.msgpack.encode(spent)
        for key, spent in now.sessions.items()
        if before.sessions.get(key) != spent
    }


def restored(saved: Mapping[str, bytes]) -> TreeUsage:
    """Decode the usage in `saved`. Return empty usage if it is missing or cannot be decoded."""
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
