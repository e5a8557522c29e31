"""A file whose known part has changed is read from its start."""

import pytest
from tailing import append, read

LINES = [b'{"line":%03d}' % number for number in range(200)]
DATA = b"".join(line + b"\n" for line in LINES)


@pytest.fixture
def known(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(DATA)
    return path, read(path)[1]


def test_another_beginning(known):
    path, cursor = known
    with path.open("r+b") as file:
        file.write(b'{"LINE"')
    lines, _, reader = read(path, cursor)
    assert (len(lines), reader.reset) == (200, "rewritten")


def test_another_end(known):
    path, cursor = known
    with path.open("r+b") as file:
        file.seek(-8, 2)
        file.write(b"9")
    lines, _, reader = read(path, cursor)
    assert (len(lines), reader.reset) == (200, "rewritten")


def test_a_line_left_out_of_the_middle(known):
    """A compaction drops lines, so the position refers to another record."""
    path, cursor = known
    path.write_bytes(b"".join(line + b"\n" for line in LINES[:100] + LINES[101:] + LINES[:5]))
    lines, _, reader = read(path, cursor)
    assert (len(lines), reader.reset) == (204, "rewritten")


def test_the_unread_part_may_change(known):
    path, cursor = known
    append(path, b'{"half')
    _, cursor, _ = read(path, cursor)
    path.write_bytes(DATA + b'{"other":1}\n')
    lines, _, reader = read(path, cursor)
    assert (lines, reader.reset) == ([b'{"other":1}'], "")


def test_the_same_bytes_written_again(known):
    path, cursor = known
    path.write_bytes(DATA)
    lines, _, reader = read(path, cursor)
    assert (lines, reader.reset) == ([], "")
