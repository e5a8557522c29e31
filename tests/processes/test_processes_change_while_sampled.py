"""Processes that fork, execute and exit at any step of a sample leave the table consistent."""

import sys
import time

import msgspec
import pytest
from bench.churn import daemon_run, make_home, one_shots
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from processes.builders import NOW, SIGNATURES, U1, U2, session
from processes.changing import ChangingReader, FailingReader, change
from processes.churning import churn
from processes.running import Running
from running import PATIENCE_SECONDS

from agtop_exporter.processes.evidence import gather
from agtop_exporter.processes.facts import Matches
from agtop_exporter.processes.match import match
from agtop_exporter.processes.source import ProcessTracker, system_processes, users_of
from agtop_exporter.processes.usage import TreeUsage, advance
from agtop_exporter.signature import RegistryEntry

pytestmark = pytest.mark.integration

SESSIONS = {
    item.key: item
    for item in (
        session("codex", U1, -600, 0, cwd="/home/user/3", path=f"/home/user/{U1}.jsonl"),
        session("claude", U2, -600, 0, cwd="/home/user/2"),
        session("opencode", "ses_1", -600, 0, cwd="/home/user/5"),
    )
}
REGISTRY = [  # of the first claude, and of a process that may be forked
    RegistryEntry("claude", 2, U2, started_at=NOW - 3600),
    RegistryEntry("claude", 9, U2, started_at=NOW),
]
PHASES = set(Phase) - {Phase.explain}  # explaining a failure takes minutes
SEEN_MIN = 8  # short-lived agents; a loaded machine finds one in several seconds
QUIET_TICKS = 18  # in which every process is checked once


def assert_consistent(table):
    """Check the invariants of ProcessTable."""
    members, roots = table.roots.keys(), set(table.roots.values())
    assert table.complete
    assert table.processes.keys() == table.samples.keys() == members
    assert table.agents.keys() <= members
    assert table.open_files.keys() == roots
    assert len({member.pid for member in members}) == len(members)
    assert all(table.roots[root] == root and root in table.agents for root in roots)
    for agent, recognized in table.agents.items():
        assert (agent in roots) == (recognized.role != "helper")
    for member in members:
        process, sample = table.processes[member], table.samples[member]
        assert process.id == sample.id == member
        assert (process.comm, process.parent_pid) == (sample.comm, sample.parent_pid)
        assert process.zombie == sample.zombie


class Follower:
    """Handles the tables in sequence, as the daemon does."""

    def __init__(self):
        self._matches, self._usage = Matches(), TreeUsage()

    def follow(self, table):
        """Match and sum; check that no binding outlives its root and no total decreases."""
        evidence = gather(table, SESSIONS, signatures=SIGNATURES, registry=REGISTRY)
        before, roots = self._matches.bindings, set(table.roots.values())
        self._matches = match(table, SESSIONS, evidence, previous=self._matches)
        assert self._matches.leaves.keys() == roots
        for binding in self._matches.bindings.values():
            assert (binding.process in roots) == (binding.liveness == "live")
        assert all(
            key in self._matches.bindings  # as stopped, or of another process
            for key, binding in before.items()
            if binding.liveness == "live" and binding.process not in roots
        )
        self._add_up(table)

    def _add_up(self, table):
        past = self._usage
        self._usage = advance(past, table, matches=self._matches).state
        for totals, earlier in (
            (self._usage.sessions, past.sessions),
            (self._usage.agents, past.agents),
        ):
            for key, spent in earlier.items():
                for figure, least in zip(
                    *map(msgspec.structs.astuple, (totals[key], spent)), strict=True
                ):
                    assert (figure or 0) >= (least or 0)


@pytest.mark.long
@settings(max_examples=150, phases=PHASES)
@given(
    st.lists(change, min_size=40, max_size=120),
    st.lists(st.sampled_from([0.2, 5, 20]), min_size=4, max_size=8),
)
def test_a_table_is_consistent_whatever_happens_while_it_is_made(changes, pauses):
    reader = ChangingReader(changes)
    tracker, follower = (
        ProcessTracker(reader, signatures=SIGNATURES, uids=frozenset({1000})),
        Follower(),
    )
    for pause in pauses:
        table = tracker.sample(reader.now)
        assert_consistent(table)
        follower.follow(table)
        reader.now += pause


@pytest.mark.long
@settings(max_examples=150, phases=PHASES)
@given(st.lists(change, min_size=20, max_size=60))
def test_an_incomplete_read_is_not_kept(changes):
    reader = ChangingReader(changes)
    tracker = ProcessTracker(reader, signatures=SIGNATURES, uids=frozenset({1000}))
    ticks = 0
    while ticks < QUIET_TICKS:
        table = tracker.sample(reader.now)
        reader.now += 20
        ticks += reader.quiet
    fresh = ProcessTracker(reader, signatures=SIGNATURES, uids=frozenset({1000})).sample(reader.now)
    assert set(table.roots.values()) == set(fresh.roots.values())
    for member, root in fresh.roots.items():  # a tool that has lost its parent is in `table` only
        assert table.roots[member] == root
        assert table.processes[member] == fresh.processes[member]
        assert table.agents.get(member) == fresh.agents.get(member)


def test_a_system_that_cannot_be_read_changes_nothing():
    for step in range(1000):
        reader = FailingReader()
        tracker = ProcessTracker(reader, signatures=SIGNATURES, uids=frozenset({1000}))
        whole = tracker.sample(NOW)
        reader.answers = step
        failed = tracker.sample(NOW + 5)
        if reader.answers >= 0:  # there were no more questions
            assert step > len(whole.roots)
            break
        assert not failed.complete
        assert (failed.roots, failed.skipped) == ({}, {"unreadable": 1})
        reader.answers = None
        again = tracker.sample(NOW + 10)
        assert_consistent(again)
        assert again.roots == whole.roots


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_real_stream_of_short_lived_agents(tmp_path):
    seen, follower = set(), Follower()
    with Running(tmp_path) as running, churn(running, per_second=100, tools=30) as agent:
        source = system_processes(signatures=SIGNATURES, uids=users_of(()))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(seen) < SEEN_MIN and time.monotonic() < deadline:
            table = source.sample(time.time())
            assert_consistent(table)
            follower.follow(table)
            seen |= {member for member in table.agents if member.pid != agent.pid}
    assert len(seen) >= SEEN_MIN


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_commands_and_the_daemon_survive_short_lived_agents(tmp_path):
    home = make_home(tmp_path)
    with Running(tmp_path) as running, churn(running, per_second=40, tools=30):
        once, refreshed = one_shots(home, 4), daemon_run(home, 3)
    assert (once.problems, refreshed.problems) == ([], [])
    assert once.with_agents == once.seen == 4
    assert refreshed.with_agents == refreshed.seen > 1
