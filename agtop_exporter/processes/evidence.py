"""Collects evidence that a process runs a session. Performs no I/O.

`match` decides between contradictory pieces of evidence.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from agtop_exporter.model import SessionKey, SessionState
from agtop_exporter.processes.facts import Process, ProcessId, ProcessTable
from agtop_exporter.signature import UUID, ProcessSignature, RegistryEntry

STRENGTHS = {"registry": 4, "lock_file": 3, "open_file": 3, "argv": 2, "cwd": 1}
"""Strength of each kind of evidence.

The strongest evidence is the registry in which an agent lists its live processes. The weakest
evidence is that a process and a session have the same working directory.
"""

_UUID = re.compile(rf"(?<![0-9A-Za-z]){UUID}(?![0-9A-Za-z])")
_REGISTRATION_SECONDS = 120.0  # an agent registers itself within this time of its start
_CLOCK_SLACK_SECONDS = 2.0  # the boot time of the kernel has a resolution of one second


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """One reason to match a process with a session.

    `kind` is a key of `STRENGTHS`. `entry` is the registry entry if `kind` is `registry`, else
    None.
    """

    process: ProcessId
    session: SessionKey
    kind: str
    entry: RegistryEntry | None = None

    @property
    def strength(self) -> int:
        """The strength of this kind of evidence. Larger values have precedence."""
        return STRENGTHS[self.kind]


def gather(
    table: ProcessTable,
    sessions: Mapping[SessionKey, SessionState],
    *,
    signatures: Mapping[str, ProcessSignature],
    registry: Iterable[RegistryEntry] = (),
) -> tuple[Evidence, ...]:
    """Return the evidence from registries, open files and arguments. The strongest comes first.

    The evidence may name a session that is not in `sessions`, because the transcript of the session
    has not been read yet. `signatures` maps the names of agents to their signatures. `registry` has
    the entries of the registries in which agents list their live processes.
    """
    found = [
        *_from_registry(table, registry),
        *_from_open_files(table, sessions, signatures),
        *_from_arguments(table, sessions),
    ]
    return tuple(
        sorted(set(found), key=lambda item: (-item.strength, item.session, item.process, item.kind))
    )


def session_ids_in_path(path: str) -> tuple[str, ...]:
    """Return the UUIDs in a path that are not part of a longer word."""
    return tuple(_UUID.findall(path))


def _from_registry(table: ProcessTable, entries: Iterable[RegistryEntry]) -> list[Evidence]:
    by_pid: dict[int, list[Process]] = defaultdict(list)
    for process in table.processes.values():
        # An agent in a container registers the pid that it has in its namespace.
        by_pid[process.inner_pid or process.id.pid].append(process)
    return [
        Evidence(process.id, SessionKey(entry.agent, entry.session_id), "registry", entry)
        for entry in entries
        for process in by_pid.get(entry.pid, ())
        if _is_about(entry, process, table)
    ]


def _is_about(entry: RegistryEntry, process: Process, table: ProcessTable) -> bool:
    """Return whether a registry entry describes this process.

    An entry may describe an earlier process with the same pid.
    """
    recognized = table.agents.get(process.id)
    if recognized is None or recognized.agent != entry.agent or recognized.role == "helper":
        return False
    if entry.start_ticks is not None:
        return entry.start_ticks == process.id.start_ticks
    if entry.started_at is not None:
        delay = entry.started_at - process.started_at
        return -_CLOCK_SLACK_SECONDS <= delay <= _REGISTRATION_SECONDS
    return False


def _from_open_files(
    table: ProcessTable,
    sessions: Mapping[SessionKey, SessionState],
    signatures: Mapping[str, ProcessSignature],
) -> list[Evidence]:
    opened = {path for files in table.open_files.values() for path in files}
    writers = [session for session in sessions.values() if session.facts.data_path in opened]
    paths = Counter(session.facts.data_path for session in writers)
    own = {
        (session.agent, session.facts.data_path): session.key
        for session in writers
        if paths[session.facts.data_path] == 1  # a database of several sessions identifies none
    }
    found: list[Evidence] = []
    for process, files in table.open_files.items():
        recognized = table.agents.get(process)
        if recognized is None or recognized.role not in {"session", "host"}:
            continue
        signature = signatures[recognized.agent]
        known: list[Evidence] = []
        unknown: list[Evidence] = []
        for path in files:
            kind = "lock_file" if path.endswith(signature.lock_suffixes) else "open_file"
            keys = {SessionKey(recognized.agent, word) for word in session_ids_in_path(path)}
            keys.add(own.get((recognized.agent, path), SessionKey("", "")))
            known.extend(Evidence(process, key, kind) for key in keys if key in sessions)
            if re.fullmatch(signature.transcript_names, path.rpartition("/")[2]):
                unknown.extend(Evidence(process, key, "open_file") for key in keys if key.agent)
        found += known or unknown
    return found


def _from_arguments(
    table: ProcessTable, sessions: Mapping[SessionKey, SessionState]
) -> list[Evidence]:
    return [
        Evidence(process, SessionKey(recognized.agent, recognized.session_id), "argv")
        for process, recognized in table.agents.items()
        if recognized.session_id
        and not recognized.forks
        and recognized.role in {"session", "host"}
        and SessionKey(recognized.agent, recognized.session_id) in sessions
    ]
