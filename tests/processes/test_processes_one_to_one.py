"""Each session gets at most one process.

C1-C17, L1, L4 and L5 are ids of the acceptance list of the matching. P-01 and similar ids are those
of the general list.
"""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes.builders import MINUTE, NOW, OC1, OC2, U1, U2, Machine, process, session

from agtop_exporter.model import ProcessUsage, SessionKey
from agtop_exporter.processes.assign import assign
from agtop_exporter.processes.evidence import session_ids_in_path
from agtop_exporter.processes.usage import process_match

ELSEWHERE = "/home/user/elsewhere"


def test_c1_an_open_file_is_high():
    machine = Machine().run(process(42, "claude", cwd=ELSEWHERE), files=[f"/home/user/{U1}.jsonl"])
    assert machine.pair(session("claude", U1)) == {U1: (42, "high")}


def test_c2_open_files_tell_two_processes_of_a_folder_apart():
    machine = Machine().run(process(42, "claude"), files=[f"/home/user/{U1}.jsonl"])
    machine.run(process(43, "claude"), files=[f"/home/user/{U2}.jsonl"])
    found = machine.pair(session("claude", U1), session("claude", U2))
    assert found == {U1: (42, "high"), U2: (43, "high")}


@pytest.mark.parametrize("start", [-60 * MINUTE, -5 * MINUTE])
def test_c3_c4_a_folder_is_medium(start):
    machine = Machine().run(process(42, "claude", start=start))
    assert machine.pair(session("claude", "s1", -10 * MINUTE, 0)) == {"s1": (42, "medium")}


def test_c5_of_two_processes_the_one_that_started_with_the_session_has_it():
    machine = Machine().run(
        process(100, "opencode", start=-30 * MINUTE, parent=1),
        process(101, "opencode", start=-8, parent=2),
    )
    assert machine.pair(session("opencode", OC1, -5, 0)) == {OC1: (101, "medium")}


def test_c6_the_inner_process_is_reported():
    machine = Machine().run(
        process(100, "claude", start=-5 * MINUTE),
        process(101, "claude", start=-5 * MINUTE, parent=100),
    )
    assert machine.pair(session("claude", "s1", -10 * MINUTE, 0)) == {"s1": (101, "medium")}
    assert machine.orphans() == []


def test_c7_two_processes_that_fit_equally_get_nothing():
    machine = Machine().run(
        process(42, "claude", start=-5 * MINUTE, parent=1),
        process(43, "claude", start=-5 * MINUTE - 10, parent=2),
    )
    assert machine.pair(session("claude", "s1", -10 * MINUTE, 0)) == {}
    assert machine.orphans() == [42, 43]


def test_c8_c9_another_folder_is_never_matched():
    machine = Machine().run(process(900, "opencode", cwd=ELSEWHERE, start=-60))
    machine.run(process(901, "claude", cwd=ELSEWHERE, start=-3600))
    assert machine.pair(session("opencode", OC1, -120, 0), session("claude", "s1", -60, 0)) == {}
    unknown = Machine().run(process(42, "claude", cwd=""))
    assert unknown.pair(session("claude", "s1", -60, 0, cwd="")) == {}


def test_c10_arguments_are_high_in_any_folder():
    machine = Machine().run(process(99, "claude", "--resume", U1, cwd=ELSEWHERE))
    assert machine.pair(session("claude", U1, -600, 0)) == {U1: (99, "high")}


def test_c11_two_kinds_of_evidence_are_one_binding():
    machine = Machine().run(process(7, "claude", "--resume", U1), files=[f"/x/{U1}.jsonl"])
    assert machine.pair(session("claude", U1, -600, 0)) == {U1: (7, "high")}
    assert machine.binding("claude", U1).evidence == ("open_file", "argv")


def test_c12_the_file_counts_in_any_folder():
    machine = Machine().run(process(31, "claude", cwd=ELSEWHERE), files=[f"/other/dir/{U1}.jsonl"])
    assert machine.pair(session("claude", U1, path=f"/home/u/{U1}.jsonl")) == {U1: (31, "high")}


def test_c13_the_session_that_was_active_in_the_process_life_has_it():
    machine = Machine().run(process(50, "opencode", start=-15 * MINUTE))
    older = session("opencode", OC1, -120 * MINUTE, -60 * MINUTE)
    newer = session("opencode", OC2, -30 * MINUTE, -MINUTE)
    assert machine.pair(older, newer) == {OC2: (50, "medium")}


def test_c14_of_two_sessions_on_one_process_the_newer_is_kept():
    machine = Machine().run(process(100, "claude"), files=[f"/x/{U1}.jsonl", f"/x/{U2}.jsonl"])
    found = machine.pair(session("claude", U1, -7200, -3600), session("claude", U2, -7200, 0))
    assert found == {U2: (100, "high")}


def test_c15_a_shared_database_is_no_evidence():
    path = "/home/u/.local/share/opencode/opencode.db"
    machine = Machine().run(process(77, "opencode", cwd=ELSEWHERE), files=[path])
    found = machine.pair(
        session("opencode", U1, -60, 0, path=path), session("opencode", U2, -60, 0, path=path)
    )
    assert found == {}


def test_a_file_of_one_session_alone_names_it_without_an_id():
    path = "/home/u/.gemini/tmp/x/chats/session-2026-01-01T10-00-abcdef12.json"
    machine = Machine().run(process(77, "gemini", cwd=ELSEWHERE), files=[path])
    assert machine.pair(session("gemini", U1, path=path)) == {U1: (77, "high")}


def test_c16_usage_is_shown_with_every_kind_of_match():
    usage = ProcessUsage(processes=1, disk_written_bytes=40)
    for argv, files in (
        (("claude", "-r", U1), ()),
        (("claude",), (f"/{U1}.jsonl",)),
        (("claude",), ()),
    ):
        machine = Machine().run(process(42, *argv), files=files)
        machine.pair(session("claude", U1, -60, 0))
        key = SessionKey("claude", U1)
        assert process_match(machine.matches, {key: usage}, key).usage == usage


def test_c17_ids_in_paths():
    assert session_ids_in_path(f"/foo/{U1}.jsonl") == (U1,)
    assert session_ids_in_path(f"/é{U1}/ü-{U2}.lock") == (U1, U2)
    for path in ("", "/", "/foo/bar.jsonl", "/a-b-c-d-e", f"/x/{U1}f.jsonl"):
        assert session_ids_in_path(path) == ()


def test_p03_l1_stopped_is_said_once():
    machine = Machine().run(process(42, "claude", "-r", U1))
    one, key = session("claude", U1, -60, 0), SessionKey("claude", U1)
    machine.pair(one)
    assert machine.binding("claude", U1).liveness == "live"
    machine.reader.end(42)
    machine.pair(one, seconds=5)
    stopped = process_match(machine.matches, {key: ProcessUsage()}, key)
    assert (stopped.pid, stopped.liveness, stopped.usage) == (42, "stopped", None)
    machine.pair(one, seconds=5)
    assert machine.binding("claude", U1) is None


def test_p01_p02_l4_l5_a_session_has_the_usage_of_its_process():
    machine = Machine().run(process(4242, "claude", "-r", U1))
    machine.pair(session("claude", U1, -60, 0))
    key, usages = SessionKey("claude", U1), {SessionKey("claude", U1): ProcessUsage(processes=3)}
    assert process_match(machine.matches, usages, key).usage.processes == 3
    assert process_match(machine.matches, usages, SessionKey("claude", U2)) is None


def test_two_processes_and_two_sessions_of_a_folder_are_all_paired():
    machine = Machine().run(process(42, "claude", start=-600), process(43, "claude", start=-60))
    found = machine.pair(session("claude", U1, -590, -10), session("claude", U2, -50, -5))
    assert found == {U1: (42, "medium"), U2: (43, "medium")}


def test_a_pair_that_could_as_well_be_crossed_is_low():
    machine = Machine().run(process(42, "claude", start=-60), process(43, "claude", start=-59))
    found = machine.pair(session("claude", U1, -50, -10), session("claude", U2, -49, -5))
    assert sorted(found) == [U1, U2]
    assert {confidence for _, confidence in found.values()} == {"low"}
    assert {pid for pid, _ in found.values()} == {42, 43}


def test_a_session_of_another_agent_is_never_matched():
    machine = Machine().run(process(42, "codex", "resume", U1), files=[f"/{U1}.jsonl"])
    assert machine.pair(session("claude", U1, -60, 0)) == {}


def test_the_outcome_does_not_depend_on_the_order():
    sessions = [session("claude", U1, -50, -10), session("claude", U2, -49, -5)]
    processes = [process(pid, "claude", start=-60 + pid / 100) for pid in (1, 2, 3)]
    outcomes = set()
    for order in permutations(processes):
        for few in permutations(sessions):
            machine = Machine().run(*order)
            outcomes.add(tuple(sorted(machine.pair(*few).items())))
    assert len(outcomes) == 1


cost = st.one_of(st.none(), st.integers(0, 9))


@pytest.mark.slow
@given(
    st.integers(0, 4).flatmap(
        lambda width: st.lists(st.lists(cost, min_size=width, max_size=width), max_size=4)
    )
)
def test_the_assignment_is_the_best_of_all(costs):
    def worth(columns):
        chosen = [costs[row][column] for row, column in enumerate(columns) if column is not None]
        assert None not in chosen
        return -len(chosen), sum(chosen)

    width = len(costs[0]) if costs else 0
    best = min(
        worth([column if column is not None and column < width else None for column in columns])
        for columns in permutations([*range(width), *[None] * len(costs)], len(costs))
        if all(c is None or costs[row][c] is not None for row, c in enumerate(columns))
    )
    found = assign(costs)
    used = [column for column in found if column is not None]
    assert len(used) == len(set(used))
    assert worth(found) == best


def test_times_are_seconds_of_the_clock_that_was_passed_in():
    machine = Machine().run(process(42, "claude", "-r", U1, start=-60))
    machine.pair(session("claude", U1, -60, 0))
    assert machine.binding("claude", U1).started_at == NOW - 60
