"""The processes of a session sum to the usage of the session. Arguments are never listed."""

import socket
from contextlib import closing

import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes.builders import U1, U2, Machine, process, session

from agtop_exporter.model import SessionKey
from agtop_exporter.processes.facts import ProcessSample
from agtop_exporter.processes.members import process_trees
from agtop_exporter.processes.reader import ProcessReader
from agtop_exporter.processes.usage import TreeUsage, advance

PROMPT = "the prompt of the user"
CLAUDE = process(100, "claude", "--resume", U1, PROMPT)
SHELL = process(101, "bash", "-c", PROMPT, parent=100, start=-60)
SERVER = process(102, "node", PROMPT, parent=101, start=-50)
FAMILY = (CLAUDE, SHELL, SERVER)
STRANGER = process(200, "claude", PROMPT, cwd="/elsewhere")
SECONDS = 2.0
SESSION = session("claude", U1, start=-3600, active=-5)


def sample(item, cpu_seconds=1.0, rss_bytes=1000, written_bytes=0):
    return ProcessSample(
        item.id,
        item.parent_pid,
        item.comm,
        user_microseconds=round(cpu_seconds * 1e6),
        system_microseconds=0,
        rss_bytes=rss_bytes,
        read_bytes=0,
        written_bytes=written_bytes,
    )


class Sampled:
    """A machine that is sampled repeatedly, SECONDS apart."""

    def __init__(self, *rounds, sessions=(SESSION,)):
        self.machine = Machine()
        self.turn = None
        for samples in rounds:
            for item, one in samples.items():
                self.machine.reader.put(item, one)
            self.look(*sessions)

    def look(self, *sessions):
        """Sample the machine again."""
        self.machine.pair(*sessions, seconds=SECONDS)
        state = self.turn.state if self.turn else TreeUsage()
        self.turn = advance(state, self.machine.table, matches=self.machine.matches)

    def trees(self, ports=lambda _pid: ()):
        """Return the trees of the last sample."""
        interval = self.turn.interval
        return process_trees(self.machine.table, self.machine.matches, interval, ports=ports)

    def tree(self, *session_ids):
        """Return the tree of these sessions."""
        return next(tree for tree in self.trees() if tree.session_ids == session_ids)


def family(figures):
    return {item: sample(item, *each) for item, each in zip(FAMILY, figures, strict=True)}


FIGURES = st.tuples(st.floats(0, 10), st.integers(0, 10**9), st.integers(0, 10**9))


@pytest.mark.slow
@given(st.tuples(*[st.tuples(FIGURES, FIGURES)] * 3))
def test_the_parts_equal_the_session(figures):
    first = [before for before, _ in figures]
    second = [(one[0] + more[0], more[1], one[2] + more[2]) for one, more in figures]
    machine = Sampled(family(first), family(second))
    tree, usage = machine.tree(U1), machine.turn.sessions[SessionKey("claude", U1)]
    assert tree.usage.processes == len(tree.processes) == 3
    for name in ("cpu_percent", "disk_written_bytes_per_second", "disk_read_bytes_per_second"):
        whole = getattr(usage, name)
        assert getattr(tree.usage, name) == whole
        assert sum(getattr(node.usage, name) for node in tree.processes) == pytest.approx(whole)
    assert sum(node.usage.rss_bytes for node in tree.processes) == usage.rss_bytes


def test_parents_come_first_and_arguments_are_left_out():
    tree = Sampled({item: sample(item) for item in FAMILY}).tree(U1)
    assert [(node.pid, node.parent_pid, node.name) for node in tree.processes] == [
        (100, 1, "claude"),
        (101, 100, "bash"),
        (102, 101, "node"),
    ]
    assert PROMPT.encode() not in msgspec.json.encode(tree)


def test_one_sample_gives_no_rate():
    tree = Sampled({item: sample(item) for item in FAMILY}).tree(U1)
    assert tree.usage.cpu_percent is None
    assert tree.processes[0].usage.cpu_percent is None


def test_an_agent_without_a_session_has_a_tree():
    tree = Sampled({STRANGER: sample(STRANGER)}, sessions=()).tree()
    assert [node.pid for node in tree.processes] == [200]
    assert not tree.host


def test_a_host_has_one_tree_for_its_sessions():
    host = process(300, "codex", "app-server", cwd="/elsewhere")
    machine = Machine().run(host, files=[f"/rollout-{U1}.jsonl", f"/rollout-{U2}.jsonl"])
    machine.pair(
        session("codex", U1, start=-60, active=-5, path=f"/rollout-{U1}.jsonl"),
        session("codex", U2, start=-60, active=-5, path=f"/rollout-{U2}.jsonl"),
    )
    turn = advance(TreeUsage(), machine.table, matches=machine.matches)
    (tree,) = process_trees(machine.table, machine.matches, turn.interval, ports=lambda _pid: ())
    assert tree.host
    assert sorted(tree.session_ids) == [U1, U2]


def test_a_process_whose_parent_has_ended_is_marked():
    machine = Sampled({item: sample(item) for item in FAMILY})
    machine.machine.reader.end(101)
    orphan = msgspec.structs.replace(SERVER, parent_pid=1)
    machine.machine.reader.put(orphan, sample(orphan))
    machine.look(SESSION)
    marks = {node.pid: node.mark for node in machine.tree(U1).processes}
    assert marks == {100: "", 102: "orphan"}


def test_a_second_process_of_a_session_is_marked():
    other = process(110, "claude", "--resume", U1, start=-30)
    machine = Sampled({CLAUDE: sample(CLAUDE), other: sample(other)})
    marks = {node.pid: node.mark for node in machine.tree(U1).processes}
    assert sorted(marks.values()) == ["", "duplicate"]


def test_ports_are_of_the_process_that_listens():
    machine = Sampled({item: sample(item) for item in FAMILY})
    (tree,) = machine.trees(ports=lambda pid: (3000,) if pid == 102 else ())
    assert [node.listening_ports for node in tree.processes] == [(), (), (3000,)]


@pytest.mark.slow
def test_the_system_names_the_ports():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        ports = ProcessReader().listening_ports(psutil.Process().pid)
        assert server.getsockname()[1] in ports
    assert ProcessReader().listening_ports(2**22 + 1) == ()
