"""Damage by a crash costs only the damaged records, which are counted as parse errors.

Crashes, full disks and unsynchronized writers leave byte order marks, runs of NUL bytes, torn
records before good ones, and records without a newline.
"""

import pytest
from damaged_files import AGENTS, ambiguous, files_of, is_record, line_files, lines_of, read_all
from driving import read_on, sessions, totals, used
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.ledger import Ledger

pytestmark = pytest.mark.slow

every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)


@pytest.fixture
def undamaged(agent, home):
    return read_all(home, agent)


BOM = b"\xef\xbb\xbf"
VALUE_EXPECTED = b":[,"  # after these, JSON allows the next record as a part of the torn one


def errors(ledger):
    return sum(value for series, value in ledger.totals.items() if series[0] == "parse_errors")


def assert_once(damaged, once):
    """Check that a copy adds nothing, or is reported as a possible copy."""
    if ambiguous(damaged) == ambiguous(once):
        assert used(damaged) == used(once)


class Damaged:
    """Changes lines of one file at a time, and reads the home."""

    def __init__(self, agent, home, data, once):
        self.agent, self.home, self.data, self.once = agent, home, data, once
        files = [path for path in line_files(home, agent) if any(map(is_record, lines_of(path)))]
        self.path = data.draw(st.sampled_from(files))
        self.original = self.path.read_bytes()
        self.records = [line for line in lines_of(self.path) if is_record(line)]

    def read(self, change, *, count=3):
        """Return the ledgers of the undamaged home and of the home with changed lines."""
        lines = lines_of(self.path)
        places = [at for at, line in enumerate(lines) if is_record(line)]
        changed = self.data.draw(st.sets(st.sampled_from(places), min_size=1, max_size=count))
        for at in changed:
            lines[at] = change(lines[at], self.records)
        self.path.write_bytes(b"".join(lines))
        try:
            damaged = read_all(self.home, self.agent)
            assert totals(grown(self.agent, self.path, self.data)) == totals(
                whole(self.agent, self.path)
            )
        finally:
            self.path.write_bytes(self.original)
        return self.once, damaged, len(changed)


def whole(agent, path):
    ledger = Ledger()
    read_on(ledger, agent, str(path))
    return ledger


def grown(agent, path, data):
    """Read a file while it is written in pieces."""
    text = path.read_bytes()
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=8))
    ledger = Ledger()
    for cut in [*sorted(cuts), len(text)]:
        path.write_bytes(text[:cut])
        read_on(ledger, agent, str(path))
    return ledger


def assert_same(damaged, once):
    assert used(damaged) == used(once)
    assert sessions(damaged) == sessions(once)


@pytest.mark.long
@every_agent
@given(data=st.data())
def test_byte_order_marks_lose_nothing(agent, home, undamaged, data):
    change = data.draw(
        st.sampled_from(
            [
                lambda line, _: BOM + line,
                lambda line, _: BOM + b"\n" + line,
                lambda line, _: line.rstrip() + BOM + b"\n",
            ]
        )
    )
    once, damaged, _ = Damaged(agent, home, data, undamaged).read(change)
    assert_same(damaged, once)
    assert errors(damaged) == errors(once)


@pytest.mark.long
@every_agent
@given(data=st.data(), length=st.sampled_from([1, 200, 5_000]))
def test_nul_bytes_cost_no_record(agent, home, undamaged, data, length):
    nuls = bytes(length)
    change = data.draw(
        st.sampled_from(
            [
                lambda line, _: nuls + line,
                lambda line, _: line.rstrip() + nuls + b"\n",
                lambda line, _: nuls + b"\n" + line,
            ]
        )
    )
    once, damaged, changes = Damaged(agent, home, data, undamaged).read(change)
    assert_same(damaged, once)
    assert errors(damaged) == errors(once) + changes


@pytest.mark.long
@every_agent
@given(data=st.data(), glue=st.sampled_from([b"", b"\0\0\0", b"\n", BOM]))
def test_torn_records_cost_only_themselves(agent, home, undamaged, data, glue):
    """A record ends at any byte. The next one follows at once, or after NUL bytes."""
    sure = True

    def tear(line, records):
        nonlocal sure
        torn = data.draw(st.sampled_from(records))
        torn = torn[: data.draw(st.integers(1, len(torn.rstrip()) - 1))]
        sure = sure and (glue in (b"\n", b"\0\0\0") or torn[-1] not in VALUE_EXPECTED)
        return torn + glue + line

    once, damaged, changes = Damaged(agent, home, data, undamaged).read(tear)
    assert errors(damaged) == errors(once) + changes
    if sure:
        assert_same(damaged, once)


@pytest.mark.long
@every_agent
@given(data=st.data())
def test_records_that_lost_their_newline_count(agent, home, undamaged, data):
    once, damaged, _ = Damaged(agent, home, data, undamaged).read(
        lambda line, _: line.rstrip(b"\r\n")
    )
    assert_same(damaged, once)
    assert errors(damaged) == errors(once)


@pytest.mark.long
@every_agent
@given(data=st.data(), between=st.sampled_from([b"", b"\n", b"\0\n", BOM]))
def test_a_record_that_is_written_twice_counts_once(agent, home, undamaged, data, between):
    once, damaged, _ = Damaged(agent, home, data, undamaged).read(
        lambda line, _: line.rstrip() + between + line
    )
    assert_once(damaged, once)


@every_agent
@pytest.mark.parametrize("glue", [b"", b"\0" * 600, BOM])
def test_a_file_that_is_written_twice_counts_once(agent, home, glue):
    """A copy of the file follows the last record directly, without a newline."""
    once = read_all(home, agent)
    for path in line_files(home, agent):
        text = path.read_bytes()
        if text and is_record(lines_of(path)[-1]):
            path.write_bytes(text.rstrip() + glue + text)
    assert_once(read_all(home, agent), once)


@every_agent
def test_files_without_their_last_newline(agent, home):
    """Each file ends with its last record; the newlines are written later."""
    once, ledger = read_all(home, agent), Ledger()
    files = {path: path.read_bytes() for path in line_files(home, agent)}
    for path, text in files.items():
        path.write_bytes(text.rstrip(b"\r\n"))
    for path in files_of(home, agent):
        read_on(ledger, agent, str(path))
    ledger.commit()
    assert_same(ledger, once)
    for path, text in files.items():
        path.write_bytes(text)
        read_on(ledger, agent, str(path))
    ledger.commit()
    assert_same(ledger, once)
    assert errors(ledger) == errors(once)
