"""The totals of a process tree never decrease, and count every second and byte once."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes.builders import NOW

from agtop_exporter.model import SessionKey
from agtop_exporter.processes.facts import (
    Binding,
    Matches,
    Process,
    ProcessId,
    ProcessSample,
    ProcessTable,
    Recognized,
)
from agtop_exporter.processes.usage import TreeUsage, advance, past_usage

KEY = SessionKey("claude", "s1")
ALONE = ProcessId(42, 100)
OTHER = SessionKey("claude", "s2")


@dataclass
class Task:
    """A process with the data that the kernel has."""

    id: ProcessId
    parent: int
    cpu: int = 0
    reaped: int = 0
    disk: int = 0


class Kernel:
    """A process tree. The figures of a reaped child are added to its parent."""

    def __init__(self):
        self.tasks = {1: Task(ProcessId(1, 1), 0)}
        self.born = 1
        self.truth_cpu = self.truth_disk = 0

    def act(self, what, which, amount):
        """Make one process fork, work or exit."""
        task = self.tasks[sorted(self.tasks)[which % len(self.tasks)]]
        if what == "fork":
            self.born += 1
            self.tasks[self.born] = Task(ProcessId(self.born, self.born), task.id.pid)
        elif what == "work":
            task.cpu += amount
            task.disk += amount * 3
            self.truth_cpu += amount
            self.truth_disk += amount * 3
        elif task.id.pid != 1 and not self.children(task):  # exit, and be waited for
            parent = self.tasks[task.parent]
            parent.reaped += task.cpu + task.reaped
            parent.disk += task.disk
            del self.tasks[task.id.pid]

    def children(self, task):
        """Return the live children."""
        return [other for other in self.tasks.values() if other.parent == task.id.pid]

    def sample(self, between=()):
        """Read the processes one by one, parents first. Processes change between the reads."""
        between = list(between)
        samples = {}
        for pid in sorted(self.tasks):
            if pid in self.tasks:
                task = self.tasks[pid]
                samples[task.id] = ProcessSample(
                    task.id,
                    task.parent,
                    user_microseconds=task.cpu,
                    system_microseconds=0,
                    reaped_user_microseconds=task.reaped,
                    rss_bytes=10,
                    read_bytes=0,
                    written_bytes=task.disk,
                    disk_includes_reaped=True,
                )
            if between:
                self.act(*between.pop(0))
        return samples


def table(samples, now=NOW, *, boot="b", roots=None):
    root = min(samples, default=ProcessId(1, 1))
    roots = roots or dict.fromkeys(samples, root)
    return ProcessTable(
        sampled_at=now,
        boot_id=boot,
        processes={item: Process(id=item, started_at=NOW) for item in samples},
        agents={item: Recognized("claude") for item in set(roots.values())},
        roots=roots,
        samples=samples,
    )


def bound(process=None, key=KEY, **more):
    """Return the result of a matching with one bound process."""
    process = process or ProcessId(1, 1)
    binding = Binding(key, process, NOW, "high", ("registry",))
    return Matches(bindings={key: binding}, leaves={process: process}, **more)


def one(pid=1, cpu=0, disk=0, *, parent=0, start=None, reaped=0):  # noqa: PLR0913 figures
    item = ProcessId(pid, pid if start is None else start)
    return {
        item: ProcessSample(
            item,
            parent,
            user_microseconds=cpu,
            system_microseconds=0,
            reaped_user_microseconds=reaped,
            rss_bytes=100,
            vms_bytes=1000,
            read_bytes=disk,
            written_bytes=disk,
            disk_includes_reaped=True,
        )
    }


action = st.tuples(
    st.sampled_from(["fork", "fork", "work", "work", "exit"]), st.integers(0, 9), st.integers(1, 50)
)


@pytest.mark.slow
@given(st.lists(st.tuples(st.lists(action, max_size=6), st.lists(action, max_size=4)), max_size=12))
def test_a_tree_is_counted_exactly_whatever_ends_between_and_during_samples(rounds):
    kernel, state, before = Kernel(), TreeUsage(), (0, 0)
    for number, (actions, between) in enumerate([*rounds, ([], []), ([], [])]):
        for step in actions:
            kernel.act(*step)
        turn = advance(state, table(kernel.sample(between), NOW + number), matches=bound())
        state, spent = turn.state, turn.state.sessions[KEY]
        now = (spent.user_microseconds, spent.written_bytes)
        assert now >= before
        assert now[1] >= before[1]
        assert now[0] <= kernel.truth_cpu
        assert now[1] <= kernel.truth_disk
        before = now
    assert before == (kernel.truth_cpu, kernel.truth_disk)


def test_a_childs_end_lowers_nothing_even_if_no_one_waited_for_it():
    turn = advance(TreeUsage(), table(one(1, 10) | one(2, 70, parent=1)), matches=bound())
    assert turn.sessions[KEY].cpu_seconds == 80e-6
    turn = advance(turn.state, table(one(1, 15), NOW + 5), matches=bound())
    assert turn.sessions[KEY].cpu_seconds == 85e-6
    assert turn.sessions[KEY].processes == 1


def test_a_tool_that_was_never_sampled_is_counted():
    turn = advance(TreeUsage(), table(one(1, 10)), matches=bound())
    turn = advance(turn.state, table(one(1, 10, reaped=500), NOW + 5), matches=bound())
    assert turn.sessions[KEY].cpu_seconds == 510e-6


def test_p04_l2_rates_need_two_samples():
    turn = advance(TreeUsage(), table(one(1, 10, 1000)), matches=bound())
    usage = turn.sessions[KEY]
    assert (usage.cpu_percent, usage.disk_read_bytes_per_second) == (None, None)
    assert (usage.rss_bytes, usage.vms_bytes, usage.disk_read_bytes) == (100, 1000, 1000)
    later = one(1, 500_010, 1400)
    usage = advance(turn.state, table(later, NOW + 2), matches=bound()).sessions[KEY]
    assert usage.cpu_percent == 25.0
    assert usage.disk_written_bytes_per_second == 200.0
    for same_moment in (NOW, NOW - 60):
        usage = advance(turn.state, table(later, same_moment), matches=bound()).sessions[KEY]
        assert usage.cpu_percent is None


def test_p05_l3_counters_that_fall_give_no_rate_and_no_loss():
    turn = advance(TreeUsage(), table(one(1, 50, 8000)), matches=bound())
    usage = advance(turn.state, table(one(1, 40, 7000), NOW + 5), matches=bound()).sessions[KEY]
    assert (usage.disk_read_bytes, usage.disk_read_bytes_per_second) == (8000, 0.0)
    assert (usage.cpu_seconds, usage.cpu_percent) == (50e-6, 0.0)


def test_unreadable_figures_are_unknown_not_zero():
    item = ProcessId(1, 1)
    samples = {item: ProcessSample(item, rss_bytes=5, denied=True)}
    usage = advance(TreeUsage(), table(samples), matches=bound()).sessions[KEY]
    assert usage.disk_read_bytes is None
    assert usage.disk_written_bytes_per_second is None
    assert usage.cpu_seconds is None
    assert usage.vms_bytes is None
    assert usage.rss_bytes == 5


def test_a_process_that_was_used_before_its_session_was_known_brings_it_along():
    turn = advance(TreeUsage(), table(one(1, 10)), matches=Matches())
    assert turn.sessions == {}
    turn = advance(turn.state, table(one(1, 30), NOW + 5), matches=bound())
    assert turn.sessions[KEY].cpu_seconds == 30e-6
    turn = advance(turn.state, table(one(1, 70), NOW + 10), matches=bound(key=OTHER))
    assert turn.sessions[OTHER].cpu_seconds == 40e-6  # after /clear: only what is new
    assert past_usage(turn.state, KEY).cpu_seconds == 30e-6
    assert past_usage(turn.state, SessionKey("claude", "s3")) is None


def test_a_reused_pid_is_a_new_process():
    turn = advance(TreeUsage(), table(one(1, 1000)), matches=bound())
    again = ProcessId(1, 99)
    turn = advance(turn.state, table(one(1, 5, start=99), NOW + 5), matches=bound(again))
    assert turn.sessions[KEY].cpu_seconds == 1005e-6


def test_totals_survive_a_restart_and_a_reboot():
    turn = advance(TreeUsage(), table(one(1, 10) | one(2, 5, parent=1)), matches=bound())
    stored = msgspec.msgpack.encode(turn.state)
    state = msgspec.msgpack.decode(stored, type=TreeUsage)
    assert state == turn.state
    turn = advance(state, table(one(1, 30), NOW + 5), matches=bound())
    assert turn.sessions[KEY].cpu_seconds == 35e-6
    turn = advance(state, table(one(1, 7), NOW + 5, boot="next"), matches=bound())
    assert turn.sessions[KEY].cpu_seconds == 22e-6
    assert turn.sessions[KEY].cpu_percent is None


def test_a_process_that_could_not_be_read_for_once_is_not_counted_again():
    turn = advance(TreeUsage(), table(one(1, 1000)), matches=bound())
    turn = advance(turn.state, table({}, NOW + 5), matches=Matches())
    turn = advance(turn.state, table(one(1, 1010), NOW + 10), matches=bound())
    assert turn.sessions[KEY].cpu_seconds == 1010e-6
    failed = msgspec.structs.replace(table({}, NOW + 15), complete=False)
    assert advance(turn.state, failed, matches=bound()).state == turn.state


def test_a_host_and_an_orphan_count_for_their_agent_only():
    host, orphan = ProcessId(1, 1), ProcessId(2, 2)
    samples = one(1, 40) | one(2, 2)
    matches = Matches(
        bindings={
            key: Binding(key, host, NOW, "high", ("lock_file",), role="host")
            for key in (KEY, OTHER)
        },
        leaves={host: host, orphan: orphan},
        orphans=(orphan,),
    )
    roots = {host: host, orphan: orphan}
    turn = advance(TreeUsage(), table(samples, roots=roots), matches=matches)
    assert turn.sessions == {}
    agent = turn.agents["claude"]
    assert (agent.processes, agent.orphan_processes) == (2, 1)
    assert turn.state.agents["claude"].user_microseconds == 42
    assert (agent.rss_bytes, agent.vms_bytes) == (200, 2000)


def test_a_second_process_on_a_session_counts_for_it():
    roots = {ProcessId(1, 1): ProcessId(1, 1), ProcessId(2, 2): ProcessId(2, 2)}
    matches = msgspec.structs.replace(bound(), leaves=roots, duplicates={ProcessId(2, 2): KEY})
    turn = advance(TreeUsage(), table(one(1, 10) | one(2, 5), roots=roots), matches=matches)
    assert turn.sessions[KEY].processes == 2
    assert turn.sessions[KEY].cpu_seconds == 15e-6
    assert turn.agents["claude"].duplicate_processes == 1


def test_an_agents_totals_outlive_its_sessions_and_processes():
    turn = advance(TreeUsage(), table(one(1, 10)), matches=bound())
    state = msgspec.structs.replace(turn.state, sessions={})
    assert past_usage(state, KEY) is None
    turn = advance(state, table({}, NOW + 5), matches=Matches())
    assert turn.state.agents["claude"].user_microseconds == 10
    assert turn.agents["claude"].processes == 0


@pytest.mark.slow
def test_the_state_stays_small():
    state = TreeUsage()
    for number in range(1500):
        samples = one(1, number) | one(number + 2, 1, parent=1)
        state = advance(state, table(samples, NOW + number), matches=bound()).state
    assert len(state.gone) <= 1024
    assert len(state.last) == 2
    assert len(state.owed) <= 1


@given(st.lists(st.integers(0, 100), min_size=1, max_size=12))
def test_bytes_that_were_deleted_again_are_counted_once(written):
    """The byte count decreases if a file is deleted before the kernel writes it."""
    matches = Matches(bindings={KEY: Binding(KEY, ALONE, NOW, "high", ())}, leaves={ALONE: ALONE})
    state, totals = TreeUsage(), []
    for second, count in enumerate(written):
        table = ProcessTable(
            sampled_at=NOW + second,
            boot_id="b",
            processes={ALONE: Process(ALONE, NOW)},
            agents={ALONE: Recognized("claude")},
            roots={ALONE: ALONE},
            samples={ALONE: ProcessSample(ALONE, written_bytes=count, disk_includes_reaped=True)},
        )
        state = advance(state, table, matches=matches).state
        totals.append(past_usage(state, KEY).disk_written_bytes)
    assert totals == [max(written[: n + 1]) for n in range(len(written))]


def test_an_agent_in_a_container_counts_from_its_first_session_on():
    """Without a session, its home may belong to another machine."""

    def table(second):
        return ProcessTable(
            sampled_at=NOW + second,
            boot_id="b",
            processes={ALONE: Process(ALONE, NOW, container="other_pid_namespace")},
            agents={ALONE: Recognized("claude")},
            roots={ALONE: ALONE},
            samples={
                ALONE: ProcessSample(
                    ALONE, user_microseconds=10 * (second + 1), system_microseconds=0, rss_bytes=5
                )
            },
        )

    stranger = Matches(leaves={ALONE: ALONE}, container_orphans=(ALONE,))
    turn = advance(TreeUsage(), table(0), matches=stranger)
    assert turn.agents == {}
    known = Matches(bindings={KEY: Binding(KEY, ALONE, NOW, "high", ())}, leaves={ALONE: ALONE})
    turn = advance(turn.state, table(1), matches=known)
    turn = advance(turn.state, table(2), matches=known)
    assert turn.state.agents["claude"].cpu_microseconds == 30
    assert turn.state.sessions[KEY].cpu_microseconds == 30
    assert turn.agents["claude"].processes == 1
