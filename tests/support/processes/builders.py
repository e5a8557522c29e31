"""Builds processes and sessions for tests of the matching, with times relative to NOW."""

from msgspec.structs import replace
from processes.static import StaticReader

from agtop_exporter.agents import load_agents, signatures_of
from agtop_exporter.model import SessionKey, SessionState, SessionUpdate
from agtop_exporter.processes.evidence import gather
from agtop_exporter.processes.facts import Matches, Process, ProcessId, ProcessTable
from agtop_exporter.processes.match import match
from agtop_exporter.processes.source import ProcessTracker
from agtop_exporter.signature import RegistryEntry

SIGNATURES = signatures_of(load_agents())
NOW = 1_800_000_000.0
BOOT = NOW - 30 * 86_400
U1 = "11111111-1111-4111-8111-111111111111"
U2 = "22222222-2222-4222-8222-222222222222"
U3 = "33333333-3333-4333-8333-333333333333"
OC1 = "ses_23c93ae9fffeyoWWO2jksO2OxI"
OC2 = "ses_99c93ae9fffeyoWWO2jksO2OxJ"
PROJECT = "/home/user/proj"
MINUTE = 60.0


def process(pid, *argv, start=-3600.0, parent=1, cwd=PROJECT, comm="", exe="", uid=1000):  # noqa: PLR0913 facts
    """Return a process that started `start` seconds after NOW, by default with argv[0] as name."""
    started_at = NOW + start
    name = (argv[0] if argv else "").rpartition("/")[2]
    return Process(
        id=ProcessId(pid, round((started_at - BOOT) * 100)),
        started_at=started_at,
        parent_pid=parent,
        uid=uid,
        comm=comm or name[:15],
        exe=exe or f"/usr/bin/{name}",
        argv=argv,
        cwd=cwd,
    )


def session(agent, session_id, start=None, active=None, *, cwd=PROJECT, path=""):  # noqa: PLR0913 facts
    """Return a session. Times are seconds after NOW, or None if unknown."""
    facts = SessionUpdate(
        session_id,
        cwd=cwd,
        started_at=None if start is None else NOW + start,
        last_active=None if active is None else NOW + active,
        data_path=path,
    )
    return SessionState(0, agent, session_id, facts)


class Machine:
    """A machine in memory whose processes are matched with sessions repeatedly."""

    def __init__(self):
        self.reader = StaticReader()
        self.tracker = ProcessTracker(self.reader, signatures=SIGNATURES, uids=frozenset({1000}))
        self.matches = Matches()
        self.table = ProcessTable(sampled_at=NOW)
        self.registry: tuple[RegistryEntry, ...] = ()
        self.now = NOW

    def run(self, *processes, files=(), **container):
        """Add processes that write the same files; return the machine."""
        for item in processes:
            self.reader.put(item, open_files=tuple(files), **container)
        return self

    def write(self, pid, characters, disk_bytes=0):
        """Set the total number of bytes that a process has written."""
        known, sample = self.reader.look(pid), self.reader.sample(pid)
        sample = replace(sample, written_characters=characters, written_bytes=disk_bytes)
        self.reader.put(known, sample)

    def pair(self, *sessions, seconds=0.0):
        """Advance the time, sample and match; return {session id: (pid, confidence)}."""
        self.now += seconds
        self.table = self.tracker.sample(self.now)
        facts = {item.key: item for item in sessions}
        evidence = gather(self.table, facts, signatures=SIGNATURES, registry=self.registry)
        self.matches = match(self.table, facts, evidence, previous=self.matches)
        return self.live()

    def live(self):
        """Return {session id: (pid, confidence)} of live sessions."""
        return {
            key.session_id: (binding.process.pid, binding.confidence)
            for key, binding in self.matches.bindings.items()
            if binding.liveness == "live"
        }

    def binding(self, agent, session_id):
        """Return the binding of a session, None without one."""
        return self.matches.bindings.get(SessionKey(agent, session_id))

    def orphans(self):
        """Return the pids without a session."""
        return [item.pid for item in self.matches.orphans]

    def duplicates(self):
        """Return {pid: session id} of processes whose session has another process."""
        return {item.pid: key.session_id for item, key in self.matches.duplicates.items()}


def registered(item, session_id, *, status="", waiting_for="", ticks=0):
    """Return Claude Code's registry entry of a process. `ticks` overrides its start."""
    return RegistryEntry(
        agent="claude",
        pid=item.id.pid,
        session_id=session_id,
        start_ticks=item.id.start_ticks + ticks,
        status=status,
        waiting_for=waiting_for,
    )
