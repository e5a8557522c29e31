"""A binding holds until there is evidence against it, and never survives a reused pid."""

import pytest
from msgspec.structs import replace
from processes.builders import (
    MINUTE,
    OC1,
    OC2,
    U1,
    U2,
    U3,
    Machine,
    process,
    registered,
    session,
)

from agtop_exporter.processes.facts import ProcessSample


def test_a_registry_outranks_everything_else():
    item = process(42, "claude", "--resume", U2)
    machine = Machine().run(item, files=[f"/x/{U3}.jsonl"])
    machine.registry = (registered(item, U1, status="waiting", waiting_for="permission prompt"),)
    sessions = [session("claude", name, -60, 0) for name in (U1, U2, U3)]
    assert machine.pair(*sessions) == {U1: (42, "high")}
    binding = machine.binding("claude", U1)
    assert (binding.status, binding.waiting_for) == ("waiting", "permission prompt")
    assert binding.evidence == ("registry",)


def test_a_registry_of_an_earlier_process_with_the_pid_is_not_believed():
    item = process(42, "claude")
    machine = Machine().run(item)
    machine.registry = (registered(item, U1, ticks=-500),)
    assert machine.pair(session("claude", U1, -7200, -7100)) == {}


@pytest.mark.parametrize(("delay", "believed"), [(1.0, True), (-3600.0, False), (600.0, False)])
def test_without_ticks_the_registration_must_follow_the_start(delay, believed):
    item = process(42, "claude", cwd="/elsewhere")
    machine = Machine().run(item)
    entry = registered(item, U1)
    machine.registry = (type(entry)("claude", 42, U1, started_at=item.started_at + delay),)
    assert (machine.pair(session("claude", U1)) == {U1: (42, "high")}) is believed


def test_clear_moves_the_process_to_the_next_session():
    item = process(42, "claude", "--resume", U1)
    machine = Machine().run(item)
    machine.registry = (registered(item, U1),)
    first = session("claude", U1, -7200, -60)
    assert machine.pair(first) == {U1: (42, "high")}
    machine.registry = (registered(item, U2),)  # no transcript yet
    assert machine.pair(first, seconds=5) == {}
    assert machine.orphans() == [42]
    assert machine.pair(first, session("claude", U2, 6, 7), seconds=5) == {U2: (42, "high")}
    assert machine.binding("claude", U1) is None  # it did not stop: its process lives


def test_arguments_lose_to_a_later_session_that_only_this_process_can_have_written():
    machine = Machine().run(process(42, "gemini", "--resume", U1, start=-600))
    before = session("gemini", U1, -7200, -60)
    assert machine.pair(before) == {U1: (42, "high")}
    assert machine.pair(before, session("gemini", U2, -30, 0)) == {U2: (42, "medium")}
    again = session("gemini", U1, -7200, 10)  # resumed
    assert machine.pair(again, session("gemini", U2, -30, 0), seconds=10) == {U1: (42, "high")}


def test_arguments_count_if_another_process_can_have_written_the_later_session():
    machine = Machine().run(
        process(42, "gemini", "--resume", U1, start=-600), process(43, "gemini", start=-40)
    )
    found = machine.pair(session("gemini", U1, -7200, -60), session("gemini", U2, -30, 0))
    assert found == {U1: (42, "high"), U2: (43, "medium")}


def test_a_fork_is_not_the_session_that_it_was_forked_from():
    machine = Machine().run(process(42, "codex", "fork", U1, start=-60))
    assert machine.pair(session("codex", U1, -7200, -3600)) == {}
    found = machine.pair(session("codex", U1, -7200, -3600), session("codex", U2, -50, 0))
    assert found == {U2: (42, "medium")}


def test_a_folder_match_stays_when_another_session_has_the_latest_record():
    machine = Machine().run(process(42, "opencode", start=-600), process(43, "opencode", start=-60))
    one, two = session("opencode", OC1, -590, -10), session("opencode", OC2, -50, -5)
    expected = {OC1: (42, "medium"), OC2: (43, "medium")}
    assert machine.pair(one, two) == expected
    for active in range(5, 300, 5):
        one, two = (
            session("opencode", OC1, -590, active if active % 2 else -10),
            session("opencode", OC2, -50, active),
        )
        assert machine.pair(one, two, seconds=5) == expected


def test_a_new_session_of_the_only_process_takes_over():
    machine = Machine().run(process(42, "opencode", start=-600))
    one = session("opencode", OC1, -590, -60)
    assert machine.pair(one) == {OC1: (42, "medium")}
    assert machine.pair(one, session("opencode", OC2, -20, 0)) == {OC2: (42, "medium")}


def test_a_session_whose_process_has_ended_goes_to_no_other_process():
    machine = Machine().run(process(42, "opencode", start=-600), process(43, "opencode", start=-60))
    one, two = session("opencode", OC1, -590, -45), session("opencode", OC2, -50, -5)
    machine.pair(one, two)
    machine.reader.end(43)
    two = session("opencode", OC2, -50, 4)
    assert machine.pair(one, two, seconds=5) == {OC1: (42, "medium")}
    assert machine.pair(one, two, seconds=600) == {OC1: (42, "medium")}
    resumed = session("opencode", OC2, -50, 610)
    assert machine.pair(one, resumed, seconds=10) == {OC2: (42, "medium")}


def test_a_record_from_the_future_does_not_hide_a_live_session():
    """After the clock is set back, starts and ends are no longer in the future."""
    machine = Machine().run(process(42, "opencode", start=3600 - 600))
    one = session("opencode", OC1, -590, 0)
    assert machine.pair(one) == {}  # its process seems to start after its last record
    machine.reader.step_seconds = -3600.0
    assert machine.pair(one, seconds=5) == {OC1: (42, "medium")}


def test_a_session_that_ended_before_the_clock_was_set_back_can_be_resumed():
    machine = Machine().run(process(42, "claude", "-r", U1, start=-60))
    machine.pair(session("claude", U1, -50, -5))
    machine.reader.end(42)
    assert machine.pair(session("claude", U1, -50, -5), seconds=5) == {}
    machine.run(process(43, "claude", start=-3500))
    resumed = session("claude", U1, -3700, -3490)
    machine.pair(resumed, seconds=-3490)
    later = session("claude", U1, -3700, -3480)
    assert machine.pair(later, seconds=10) == {U1: (43, "medium")}


def test_an_agent_that_another_agent_has_not_waited_for_has_ended():
    inner = process(43, "claude", "-r", U1, parent=42)
    machine = Machine().run(process(42, "codex"), inner)
    one = session("claude", U1, -590, -500)
    assert machine.pair(one) == {U1: (43, "high")}
    ended = replace(inner, argv=(), exe="", zombie=True)
    machine.reader.put(ended, ProcessSample(inner.id, 42, "claude", zombie=True))
    assert machine.pair(one, seconds=5) == {}
    assert machine.binding("claude", U1).liveness == "stopped"
    assert machine.matches.ended == {one.key: machine.now}
    assert inner.id in machine.table.roots  # of the other agent's tree


def test_a_wrapper_does_not_get_the_session_of_its_child_that_was_killed():
    """The node wrapper of Copilot ends one second after its child."""
    machine = Machine().run(
        process(42, "claude", "--resume", U1, start=-600),
        process(43, "claude", "--resume", U1, start=-599, parent=42),
    )
    one = session("claude", U1, -590, -5)
    earlier = session("claude", U2, -595, -593)  # before `/new`
    assert machine.pair(one, earlier) == {U1: (43, "high")}
    machine.reader.end(43)
    for _ in range(3):
        assert machine.pair(one, earlier, seconds=1) == {}
    again = session("claude", U1, -590, 4)
    assert machine.pair(again, earlier, seconds=1) == {U1: (42, "high")}  # it writes: no wrapper


def test_a_duplicate_gets_the_session_when_the_other_process_ends():
    machine = Machine().run(process(42, "claude", "-r", U1), process(43, "claude", "-r", U1))
    one = session("claude", U1, -590, -5)
    (held,) = {pid for pid, _ in machine.pair(one).values()}
    machine.reader.end(held)
    assert machine.pair(one, seconds=5) == {U1: ({42, 43}.difference({held}).pop(), "high")}


def test_a_process_that_writes_an_unknown_transcript_gets_no_other():
    """A one-shot Codex with another CODEX_HOME runs in the directory of an ended session."""
    machine = Machine().run(
        process(43, "codex", start=-60),
        files=[f"/other/sessions/2026/11/30/rollout-2026-11-30T03-04-05-{U2}.jsonl"],
    )
    ended = session("codex", U1, -90, -58)
    assert machine.pair(ended) == {}
    assert machine.orphans() == [43]
    assert machine.pair(ended, session("codex", U2, -59, -58)) == {U2: (43, "high")}


def test_a_process_does_not_get_a_session_whose_last_record_is_older():
    """The one-shot process started two seconds after the other one had ended."""
    machine = Machine().run(process(43, "codex", start=-60))
    assert machine.pair(session("codex", U1, -90, -61)) == {}
    assert machine.pair(session("codex", U1, -90, -60)) == {U1: (43, "medium")}


def test_a_container_is_matched_by_ids_only():
    machine = Machine().run(
        process(42, "codex", start=-60),
        namespace_mismatch="other_pid_namespace",
        inner_pid=7,
    )
    one = session("codex", U1, -50, -5)
    assert machine.pair(one) == {}
    assert (machine.orphans(), [item.pid for item in machine.matches.container_orphans]) == (
        [],
        [42],
    )
    rollout = f"/x/sessions/2026/01/02/rollout-2026-01-02T03-04-05-{U1}.jsonl"
    machine.run(
        process(42, "codex", start=-60),
        files=[rollout],
        namespace_mismatch="other_pid_namespace",
        inner_pid=7,
    )
    assert machine.pair(one, seconds=5) == {U1: (42, "high")}
    assert machine.matches.container_orphans == ()


def test_a_registry_in_a_container_is_not_about_a_process_of_the_host():
    host = process(7, "claude", start=-600)
    inside = process(42, "claude", start=-60)
    machine = Machine().run(host)
    machine.run(inside, namespace_mismatch="other_pid_namespace", inner_pid=7)
    machine.registry = (replace(registered(inside, U1), pid=7),)
    assert machine.pair(session("claude", U1, -50, -5)) == {U1: (42, "high")}
    machine.registry = (replace(registered(host, U2), pid=7),)
    found = machine.pair(session("claude", U1, -50, -5), session("claude", U2, -50, -5))
    assert found == {U1: (42, "high"), U2: (7, "high")}


def test_a_reused_pid_is_another_process():
    machine = Machine().run(process(42, "claude", "-r", U1, start=-600))
    one = session("claude", U1, -590, -500)
    assert machine.pair(one) == {U1: (42, "high")}
    machine.run(process(42, "claude", start=3))
    assert machine.pair(one, seconds=5) == {}
    assert machine.binding("claude", U1).liveness == "stopped"
    assert machine.orphans() == [42]


def test_a_daemon_hosts_many_sessions_and_its_clients_are_not_orphans():
    host = process(50, "codex", "app-server", "--listen", "unix://", cwd="/first")
    locks = [f"/home/u/.codex/thread-writer-locks/{name}.lock" for name in (U1, U2)]
    machine = Machine().run(host, files=locks)
    machine.run(process(60, "codex"), process(61, "codex", "resume", U2, cwd="/second"))
    machine.run(process(62, "codex", cwd="/third"))
    found = machine.pair(session("codex", U1, -60, 0), session("codex", U2, -60, 0, cwd="/second"))
    assert found == {U1: (50, "high"), U2: (50, "high")}
    assert machine.binding("codex", U1).role == "host"
    assert machine.binding("codex", U1).evidence == ("lock_file",)
    assert {item.pid for item in machine.matches.clients} == {60, 61}
    assert machine.orphans() == [62]
    assert machine.duplicates() == {}


def test_a_server_has_the_sessions_of_its_folder_that_no_one_else_has():
    machine = Machine().run(process(50, "opencode", "serve", start=-600))
    assert machine.pair(session("opencode", OC1, -60, 0)) == {OC1: (50, "medium")}
    machine.run(process(51, "opencode", "run", "-s", OC2, start=-30))
    found = machine.pair(session("opencode", OC1, -60, 0), session("opencode", OC2, -20, 0))
    assert found == {OC1: (50, "medium"), OC2: (51, "high")}


def test_two_processes_on_one_session_are_a_duplicate():
    machine = Machine().run(process(42, "claude", "-r", U1, start=-600))
    one = session("claude", U1, -590, 0)
    machine.pair(one)
    machine.run(process(43, "claude", "--resume", U1, start=-1))
    assert machine.pair(one, seconds=5) == {U1: (42, "high")}
    assert machine.duplicates() == {43: U1}
    assert machine.orphans() == []


def test_a_chain_of_wrappers_is_one_and_helpers_are_none():
    package = "/x/node_modules/@openai/codex/bin/codex.js"
    machine = Machine().run(
        process(10, "npm exec @openai/codex", comm="npm exec @opena", exe="/usr/bin/node"),
        process(11, "sh", "-c", "codex", parent=10),
        process(12, "node", package, parent=11),
        process(13, "codex", parent=12),
        process(14, "codex", "mcp-server", parent=13),
    )
    assert machine.pair(session("codex", U1, -3599, 0)) == {U1: (13, "medium")}
    assert machine.orphans() == []
    assert {item.pid: leaf.pid for item, leaf in machine.matches.leaves.items()} == {
        10: 13,
        12: 13,
        13: 13,
    }
    assert {item.pid: root.pid for item, root in machine.table.roots.items()} == {
        10: 10,
        11: 10,
        12: 12,
        13: 13,
        14: 13,
    }


def test_an_agent_that_an_agent_runs_as_a_tool_is_its_own():
    machine = Machine().run(
        process(10, "claude", "-r", U1, start=-600),
        process(11, "bash", "-c", "claude -p x", parent=10, start=-20),
        process(12, "claude", "-p", "x", parent=11, start=-19),
    )
    found = machine.pair(session("claude", U1, -590, -5), session("claude", U2, -18, 0))
    assert found == {U1: (10, "high"), U2: (12, "medium")}


NODE_SCRIPTS = [("gemini", ("node", "/opt/bin/gemini")), ("qwen", ("node", "/opt/bin/qwen"))]


@pytest.mark.parametrize(
    ("agent", "argv"), [*NODE_SCRIPTS, ("opencode", ("opencode",)), ("copilot", ("copilot",))]
)
def test_an_agent_in_the_place_of_its_shell_is_its_own(agent, argv):
    """`sh -c 'opencode run x'` becomes `opencode`, so that it is a direct child of the agent."""
    exe = f"/usr/bin/{argv[0]}"
    machine = Machine().run(process(10, *argv, start=-600, exe=exe))
    one = session(agent, "one", -590, -5)
    assert machine.pair(one) == {"one": (10, "medium")}
    machine.run(process(12, *argv, "-p", "x", parent=10, start=-20, exe=exe))
    assert machine.pair(one, seconds=5) == {"one": (10, "medium")}
    two = session(agent, "two", -18, 0)
    assert machine.pair(one, two) == {"one": (10, "medium"), "two": (12, "medium")}


@pytest.mark.parametrize(("agent", "argv"), NODE_SCRIPTS)
@pytest.mark.parametrize("delay", [1, 500])
def test_a_wrapper_that_starts_itself_again_is_a_wrapper(agent, argv, delay):
    """After a change of some settings, the process of the session is replaced by a new one."""
    again = (argv[0], "--max-old-space-size=4096", *argv[1:])
    machine = Machine().run(
        process(10, *argv, "-m", "x", start=-600, exe="/usr/bin/node"),
        process(11, *again, "-m", "x", parent=10, start=-600 + delay, exe="/usr/bin/node"),
    )
    assert machine.pair(session(agent, "one", -590, -5)) == {"one": (11, "medium")}
    assert machine.orphans() == []


def test_a_script_of_a_shell_that_starts_its_agent_late_is_a_wrapper():
    machine = Machine().run(
        process(10, "bash", "/home/u/bin/codex", comm="codex", exe="/bin/bash"),
        process(11, "codex", "--yolo", parent=10, start=-3000),
    )
    assert machine.pair(session("codex", U1, -2990, 0)) == {U1: (11, "medium")}
    assert machine.orphans() == []


def test_a_parent_and_a_child_that_name_different_sessions_are_two():
    parent, child = process(10, "claude"), process(11, "claude", parent=10)
    machine = Machine().run(parent, child)
    machine.registry = (registered(parent, U1), registered(child, U2))
    found = machine.pair(session("claude", U1, -60, 0), session("claude", U2, -60, 0))
    assert found == {U1: (10, "high"), U2: (11, "high")}


def test_a_registry_that_is_unreadable_for_once_changes_nothing():
    item = process(42, "claude")
    machine = Machine().run(item)
    machine.registry = (registered(item, U1),)
    sessions = [session("claude", U1, -600, -10), session("claude", U2, -3000, -5)]
    machine.pair(*sessions)
    machine.registry = ()
    assert machine.pair(*sessions, seconds=5) == {U1: (42, "high")}


def test_a_table_that_could_not_be_read_ends_nothing():
    machine = Machine().run(process(42, "claude", "-r", U1))
    one = session("claude", U1, -60, 0)
    machine.pair(one)

    def refuse():
        raise OSError("too many open files")

    machine.reader.pids = refuse
    assert machine.pair(one, seconds=5) == {U1: (42, "high")}
    assert machine.table.skipped == {"unreadable": 1}


def test_an_old_session_of_the_folder_is_not_taken_for_a_fresh_process():
    machine = Machine().run(process(42, "claude", start=-10))
    assert machine.pair(session("claude", U1, -600 * MINUTE, -MINUTE)) == {}
    assert machine.orphans() == [42]
