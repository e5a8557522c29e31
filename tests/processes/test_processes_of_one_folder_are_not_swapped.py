"""Of two processes of an agent in one directory, their writes show which session each one runs.

In earlier versions, `/new` in one of two processes of pi or OpenCode swapped their sessions.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes.builders import NOW, OC1, OC2, Machine, process, session

OC3 = "ses_77c93ae9fffeyoWWO2jksO2OxK"
WAKE_UPS = 24  # bytes that a waiting process writes


class Two:
    """Two agent processes in one folder, each with a session, sampled every five seconds."""

    def __init__(self, *, first=42, second=43, shown=True):
        self.first, self.second = first, second
        self.machine = Machine().run(
            process(first, "opencode", start=-600), process(second, "opencode", start=-60)
        )
        self.active = {OC1: (-590, -10), OC2: (-50, -5)}
        self.characters = dict.fromkeys((first, second), 10_000)
        self.disk = dict.fromkeys((first, second), 0)
        self.shown = shown
        for _ in range(3):
            self.pair()

    def wrote(self, pid, characters, disk=0):
        """Add bytes to the writes of a process."""
        self.characters[pid] += characters
        self.disk[pid] += disk

    def pair(self, seconds=5.0):
        """Return {session id: (pid, confidence)}."""
        if self.shown:
            for pid in self.characters:
                self.wrote(pid, WAKE_UPS)
                if pid in self.machine.reader.pids():
                    self.machine.write(pid, self.characters[pid], self.disk[pid])
        sessions = [session("opencode", name, *times) for name, times in self.active.items()]
        return self.machine.pair(*sessions, seconds=seconds)

    @property
    def now(self):
        """The time in seconds since NOW."""
        return self.machine.now - NOW


@pytest.fixture(params=[(42, 43), (43, 42)], ids=["first", "second"])
def two(request):
    return Two(first=request.param[0], second=request.param[1])


@pytest.mark.parametrize("new", ["ses_00c93ae9fffeyoWWO2jksO2OxA", OC3])
@pytest.mark.parametrize("older", [True, False])
def test_a_new_session_goes_to_the_process_that_wrote_it(two, new, older):
    mover, stayer, kept = (two.first, two.second, OC2) if older else (two.second, two.first, OC1)
    left = OC1 if older else OC2
    two.wrote(mover, 5_000)
    two.active[new] = (two.now + 3, two.now + 4)
    found = two.pair()
    assert found == {new: (mover, "medium"), kept: (stayer, "medium")}
    assert two.machine.binding("opencode", new).evidence == ("cwd", "writes")
    assert two.pair() == found  # no process writes
    two.machine.reader.end(mover)
    assert two.pair() == {kept: (stayer, "medium")}
    assert two.machine.binding("opencode", new).liveness == "stopped"
    assert left not in two.machine.live()


def test_the_first_record_of_a_new_session_is_on_the_disk(two):
    """Both processes write to their terminal, and only one of them changes a file."""
    two.wrote(two.first, 90_000, disk=4_096)
    two.wrote(two.second, 90_000)
    two.active[OC3] = (two.now + 3, two.now + 4)
    assert two.pair()[OC3] == (two.first, "medium")


def test_a_record_can_have_the_time_at_which_its_response_began(two):
    """Version 0.74 of pi wrote the file three seconds after the time of the record."""
    two.pair(seconds=60)
    two.wrote(two.second, 5_000)
    two.active[OC3] = (two.now - 40, two.now - 30)
    assert two.pair()[OC3] == (two.second, "medium")


def test_a_copied_old_file_is_no_evidence(two):
    two.pair(seconds=900)
    two.pair()
    two.wrote(two.second, 5_000)
    two.active[OC3] = (two.now - 900, two.now - 890)
    assert OC3 not in two.pair()


def both_write(two):
    two.wrote(two.first, 90_000, disk=4_096)
    two.wrote(two.second, 90_000, disk=4_096)
    two.active[OC3] = (two.now + 3, two.now + 4)


def test_a_session_that_both_can_have_written_swaps_nothing(two):
    both_write(two)
    expected = {OC1: (two.first, "low"), OC2: (two.second, "low")}
    assert two.pair() == expected
    assert two.pair(seconds=600) == expected


def test_without_known_writes_nothing_is_swapped():
    """Only Linux reports the writes of a process."""
    two = Two(shown=False)
    two.active[OC3] = (two.now + 3, two.now + 4)
    assert two.pair() == {OC1: (42, "low"), OC2: (43, "low")}


def test_a_later_record_of_its_own_session_decides(two):
    both_write(two)
    two.pair()
    two.wrote(two.second, 500)
    two.active[OC2] = (-50, two.now + 4)
    assert two.pair() == {OC3: (two.first, "medium"), OC2: (two.second, "medium")}


def test_without_known_writes_a_later_record_of_its_own_session_decides():
    two = Two(shown=False)
    two.active[OC3] = (two.now + 3, two.now + 4)
    two.pair()
    two.active[OC2] = (-50, two.now + 4)
    found = two.pair()
    assert found[OC3][0] == 42
    assert found[OC2][0] == 43


def test_after_the_end_of_one_the_other_does_not_inherit_what_both_can_have_written(two):
    both_write(two)
    two.pair()
    two.machine.reader.end(two.first)
    assert two.pair() == {OC2: (two.second, "low")}
    two.wrote(two.second, 5_000)
    two.active[OC3] = (two.active[OC3][0], two.now + 4)
    assert two.pair() == {OC3: (two.second, "medium")}


def test_sessions_that_were_matched_the_wrong_way_round_are_put_right():
    machine = Machine().run(process(42, "opencode", start=-60), process(43, "opencode", start=-59))
    machine.write(42, 1_000)
    machine.write(43, 1_000)
    found = machine.pair(session("opencode", OC1, -50, -10), session("opencode", OC2, -49, -5))
    assert {confidence for _, confidence in found.values()} == {"low"}
    wrong = 42 if found[OC1][0] == 43 else 43  # the other one runs OC1
    machine.write(wrong, 3_000)
    found = machine.pair(
        session("opencode", OC1, -50, 4), session("opencode", OC2, -49, -5), seconds=5
    )
    assert found[OC1] == (wrong, "medium")


def test_a_record_from_before_the_last_look_proves_nothing(two):
    """Transcripts are read before processes, so its bytes were counted in that round."""
    two.wrote(two.first, 5_000)
    two.pair()
    two.wrote(two.second, 5_000)
    two.active[OC1] = (-590, two.now - 0.1)
    assert two.pair() == {OC1: (two.first, "medium"), OC2: (two.second, "medium")}


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1]), st.booleans(), st.booleans()), min_size=1, max_size=8
    )
)
def test_a_process_never_gets_the_session_of_the_other(steps):
    """In each step, one process writes to its session or starts another one."""
    two = Two()
    pids = (two.first, two.second)
    own = [OC1, OC2]
    for number, (which, new, other_draws) in enumerate(steps):
        if new:
            own[which] = f"ses_{number:026d}"
            two.active[own[which]] = (two.now + 2, two.now + 3)
        else:
            two.active[own[which]] = (two.active[own[which]][0], two.now + 3)
        two.wrote(pids[which], 5_000, disk=4_096)
        if other_draws:
            two.wrote(pids[1 - which], 5_000)
        found = two.pair()
        for pid, name in zip(pids, own, strict=True):
            wrong = [key for key, (holder, _) in found.items() if holder == pid and key != name]
            assert not [key for key in wrong if key in own]
