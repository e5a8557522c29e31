"""A daemon keeps no objects of closed sessions, and publishes the same as if it kept them."""

import pytest
from events import batch, price, project
from hypothesis import given
from hypothesis import strategies as st
from processes.builders import NOW, PROJECT, Machine, process

from agtop_exporter.agents import load_agents
from agtop_exporter.ledger import Ledger
from agtop_exporter.metrics import publish
from agtop_exporter.model import SessionUpdate, TokenCounts, UsageEvent
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing import PriceBook
from agtop_exporter.settings import Settings

AGENTS = load_agents()
IDS = [f"{digit * 8}-1111-4111-8111-111111111111" for digit in "12345"]
DAY = 86_400.0
FILES = [f"/home/user/.claude/{name}.jsonl" for name in IDS[:3]] + ["/home/user/shared.db"] * 2


class Daemon:
    """A pipeline without files. A test sets its records and processes."""

    def __init__(self, *, keep_closed):
        self.machine = Machine()
        self.pipeline = Pipeline(
            Settings(),
            agents=AGENTS,
            homes=[],
            environment={},
            ledger=Ledger(),
            prices=PriceBook(),
            processes=self.machine.tracker,
            keep_closed=keep_closed,
        )
        self.previous = self.publication = None

    def run(self, processes):
        """Set the running processes."""
        for pid in self.machine.reader.pids():
            self.machine.reader.end(pid)
        for item, files in processes:
            self.machine.run(item, files=files)

    def write(self, number, tokens, now, parent):
        """Add a response to a session, which may be a subagent of another session."""
        update = SessionUpdate(
            IDS[number],
            data_path=FILES[number],
            parent_session_id=IDS[parent] if parent is not None and parent < number else "",
            started_at=NOW - 30 * DAY,
            last_active=now,
            cwd=PROJECT,
            model="claude-sonnet-4-5",
        )
        event = UsageEvent(
            f"{number}-{now}-{tokens}", IDS[number], now, "m", TokenCounts(tokens), requests=1
        )
        found = batch(event, sessions=(update,), path=FILES[number])
        self.pipeline.ledger.record(found, price=price, project=project)

    def refresh(self, now):
        """Refresh; return the snapshot."""
        snapshot = self.pipeline.refresh(now)
        assert not snapshot.errors
        before = self.publication
        self.publication = publish(snapshot, before, previous=self.previous).to_one_receiver(before)
        self.previous = snapshot
        return snapshot


PROCESSES = st.one_of(
    st.builds(
        lambda pid, number, age: (
            process(pid, "claude", "--resume", IDS[number], start=-age),
            (),
        ),
        st.integers(10, 12),
        st.integers(0, 4),
        st.sampled_from([60.0, 3_600.0, 20 * DAY]),
    ),
    st.builds(
        lambda pid, number, age: (process(pid, "claude", start=-age), (FILES[number],)),
        st.integers(20, 22),
        st.integers(0, 4),
        st.sampled_from([60.0, 20 * DAY]),
    ),
)
WRITES = st.tuples(
    st.integers(0, 4), st.integers(1, 1_000), st.none() | st.integers(0, 3), st.booleans()
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([5.0, 1_000.0, 2 * DAY]),
        st.lists(WRITES, max_size=3),
        st.lists(PROCESSES, max_size=2, unique_by=lambda item: item[0].id.pid),
    ),
    min_size=2,
    max_size=8,
)


@pytest.mark.long
@given(steps=STEPS)
def test_the_published_values_are_the_same(steps):
    whole, lean = Daemon(keep_closed=True), Daemon(keep_closed=False)
    now = NOW - 10 * DAY
    for seconds, writes, processes in steps:
        now += seconds
        snapshots = []
        for daemon in (whole, lean):
            daemon.run(processes)
            for number, tokens, parent, is_late in writes:
                daemon.write(number, tokens, now - is_late * DAY, parent)
            snapshots.append(daemon.refresh(now))
        expected, found = snapshots
        assert found.published == expected.published
        assert found.totals == expected.totals
        assert [agent.states for agent in found.agents] == [a.states for a in expected.agents]
        assert counters(lean) == counters(whole)
        shown = {session.session_id: session for session in expected.sessions}
        assert all(session == shown[session.session_id] for session in found.sessions)
        assert found.first_started_at == expected.first_started_at


@pytest.mark.slow
def test_a_session_that_returns_is_published_from_its_last_values():
    daemon = Daemon(keep_closed=False)
    daemon.write(0, 700, NOW - 9 * DAY, None)
    assert daemon.refresh(NOW).sessions == ()
    daemon.write(0, 30, NOW, None)
    (session,) = daemon.refresh(NOW + 5).published
    assert session.tokens.total == 730
    daemon.refresh(NOW + 10)
    assert tokens_of(daemon) == 730  # from 700: the first page has had the baseline


def tokens_of(daemon):
    return sum(value for name, _, value in counters(daemon) if name == "agtop_session_tokens_total")


def counters(daemon):
    """Return the published counters: (name, labels, value)."""
    return [
        (family.metric.name, labels, value)
        for family in daemon.publication.exposition
        if family.metric.kind == "counter"
        for labels, value in family.samples
    ]


SIGHTINGS = st.tuples(
    st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 50), st.booleans(), st.booleans()
)


@pytest.mark.slow
@given(sightings=st.lists(SIGHTINGS, max_size=12))
def test_packed_sessions_are_counted_as_others(sightings):
    """Copies and streams change the usage of sessions, packed or not."""
    plain, packed = Ledger(), Ledger()
    for key, number, tokens, copied, packs in sightings:
        session = SessionUpdate(IDS[number], started_at=float(number), cwd=PROJECT)
        event = UsageEvent(
            key, IDS[number], NOW, "m", TokenCounts(tokens), requests=1, copied=copied
        )
        found = batch(event, sessions=(session,))
        for ledger in (plain, packed):
            ledger.record(found, price=price, project=project)
        changed = plain.commit()
        if packs:
            packed.pack()
        assert packed.commit() == changed
        packed.pack()
        packed.pack()
        assert packed.sessions == plain.sessions
    assert packed.totals == plain.totals
