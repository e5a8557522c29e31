"""A known process is not read again, and a skipped process is counted once."""

import pytest
from msgspec.structs import replace
from processes.builders import NOW, SIGNATURES, process
from processes.static import StaticReader

from agtop_exporter.processes.facts import ProcessId, ProcessSample
from agtop_exporter.processes.source import ProcessTracker


def tracked(*processes, **settings):
    reader = StaticReader()
    for item in processes:
        reader.put(item)
    return reader, ProcessTracker(
        reader, signatures=SIGNATURES, uids=settings.get("uids", frozenset({1000}))
    )


def members(table):
    return {item.pid: root.pid for item, root in table.roots.items()}


@pytest.mark.slow
def test_known_processes_are_looked_at_once():
    reader, tracker = tracked(*(process(pid, "sleep") for pid in range(1, 1001)))
    for tick in range(50):
        table = tracker.sample(NOW + tick * 5)
        assert table.samples == {}
    assert len(reader.looks) == 1000


def test_only_agents_and_what_they_started_are_sampled():
    reader, tracker = tracked(
        process(10, "claude"),
        process(11, "bash", parent=10),
        process(12, "make", parent=11),
        process(13, "make", parent=1),
        process(14, "bash"),
    )
    table = tracker.sample(NOW)
    assert members(table) == {10: 10, 11: 10, 12: 10}
    assert table.samples.keys() == table.roots.keys()
    assert table.processes[ProcessId(12, reader.sample(12).id.start_ticks)].argv == ()


def test_a_shell_that_becomes_an_agent_is_found():
    young, old = process(10, "bash", start=-1), process(11, "bash", start=-3600)
    reader, tracker = tracked(young, old)
    assert tracker.sample(NOW).agents == {}
    for shell in (young, old):
        agent = replace(shell, comm="claude", exe="/usr/bin/claude", argv=("claude",))
        reader.put(agent)
    assert members(tracker.sample(NOW + 5)) == {10: 10}
    for tick in range(2, 18):
        table = tracker.sample(NOW + tick * 5)
    assert members(table) == {10: 10, 11: 11}


def test_a_tool_that_is_a_zombie_is_still_counted():
    """Its figures will be added to its parent's. If it were dropped, they would count twice."""
    tool = process(11, "bash", parent=10)
    reader, tracker = tracked(process(10, "claude"), tool)
    tracker.sample(NOW)
    reader.put(replace(tool, zombie=True), ProcessSample(tool.id, 10, "bash", zombie=True))
    assert members(tracker.sample(NOW + 5)) == {10: 10, 11: 10}


def test_a_tool_whose_parent_has_ended_stays_with_its_agent():
    reader, tracker = tracked(
        process(10, "claude"), process(11, "bash", parent=10), process(12, "server", parent=11)
    )
    tracker.sample(NOW)
    reader.end(11)
    server = process(12, "server", parent=1)
    reader.put(server)
    reader.put(process(13, "worker", parent=12, start=3))
    assert members(tracker.sample(NOW + 5)) == {10: 10, 12: 10, 13: 10}
    reader.end(10)
    assert members(tracker.sample(NOW + 10)) == {}


def test_a_reused_pid_is_not_taken_for_a_member():
    reader, tracker = tracked(process(10, "claude"), process(11, "bash", parent=10))
    tracker.sample(NOW)
    reader.put(process(11, "bash", parent=1, start=2))
    assert members(tracker.sample(NOW + 5)) == {10: 10}
    assert members(tracker.sample(NOW + 10)) == {10: 10}
    reader.end(11)
    tracker.sample(NOW + 90)
    reader.put(process(11, "bash", parent=10, start=92))
    assert members(tracker.sample(NOW + 95)) == {10: 10, 11: 10}
    reader.put(process(11, "codex", parent=1, start=96))
    assert members(tracker.sample(NOW + 100)) == {10: 10, 11: 11}


def test_other_users_are_counted_once_and_left_out():
    reader, tracker = tracked(process(10, "claude", uid=1001), process(11, "bash", uid=1001))
    reader.put(process(12, "codex", uid=1001), inner_pid=7)
    for tick in range(40):
        table = tracker.sample(NOW + tick * 5)
    assert table.roots == {}
    assert table.skipped == {"other_user": 2}
    assert table.hidden == {"codex"}  # its container may share the home


def test_processes_of_every_user_can_be_selected():
    _, tracker = tracked(process(10, "claude", uid=1001), uids=None)
    assert members(tracker.sample(NOW)) == {10: 10}


def test_a_refused_figure_is_unknown_and_counted_once():
    reader, tracker = tracked()
    item = process(10, "claude")
    reader.put(item, ProcessSample(item.id, 1, "claude", 10, 20, rss_bytes=4096, denied=True))
    for tick in range(5):
        table = tracker.sample(NOW + tick)
    assert table.samples[item.id].read_bytes is None
    assert table.samples[item.id].rss_bytes == 4096
    assert table.skipped == {"access_denied": 1}


def test_a_process_that_ends_while_it_is_looked_at_is_no_error():
    reader, tracker = tracked(process(10, "claude"))
    reader.pids = lambda: [10, 11]
    assert members(tracker.sample(NOW)) == {10: 10}
    assert tracker.sample(NOW + 5).skipped == {}


def test_a_process_is_not_taken_for_the_child_of_one_that_reuses_its_parents_pid():
    reader, tracker = tracked(process(11, "bash"), process(12, "server", parent=11))
    tracker.sample(NOW)
    reader.end(11)
    reader.put(process(12, "server", parent=1))
    tracker.sample(NOW + 5)
    reader.put(process(11, "claude", start=7))
    assert members(tracker.sample(NOW + 10)) == {11: 11}


def test_a_look_without_arguments_is_repeated_once():
    """A process has no arguments during an exec. A kernel thread never has any."""
    reader, tracker = tracked(process(10, "bash"), process(11, comm="kworker"))
    reader.put(replace(process(10, "node"), argv=()))
    assert members(tracker.sample(NOW)) == {}
    reader.put(process(10, "node", "/usr/bin/gemini"))
    assert members(tracker.sample(NOW + 5)) == {10: 10}
    for tick in range(2, 50):
        tracker.sample(NOW + tick * 5)
    assert sorted(reader.looks) == [10, 10, 11, 11]
