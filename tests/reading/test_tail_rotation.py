"""A renamed, replaced or deleted file is distinguished from one that has grown."""

import pytest
from tailing import append, read


@pytest.fixture
def known(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo\n")
    return path, read(path)[1]


def test_renamed_and_continued(known):
    path, cursor = known
    moved = path.rename(path.with_name("b.jsonl"))
    append(moved, b"three\n")
    lines, _, reader = read(moved, cursor)
    assert (lines, reader.reset) == ([b"three"], "")


def test_replaced_by_another_file(known):
    path, cursor = known
    path.rename(path.with_name("a.jsonl.1"))
    path.write_bytes(b"six\nseven\neight\n")
    lines, _, reader = read(path, cursor)
    assert (lines, reader.reset) == ([b"six", b"seven", b"eight"], "replaced")


def test_replaced_by_a_shorter_file(known):
    path, cursor = known
    path.rename(path.with_name("a.jsonl.1"))
    path.write_bytes(b"six\n")
    lines, _, reader = read(path, cursor)
    assert (lines, bool(reader.reset)) == ([b"six"], True)


def test_replaced_by_a_longer_copy(known):
    """An editor, a sync program or a backup writes a new file. Only its end is new."""
    path, cursor = known
    other = path.with_name("copy")
    other.write_bytes(path.read_bytes() + b"three\n")
    other.replace(path)
    lines, after, reader = read(path, cursor)
    assert (lines, reader.reset) == ([b"three"], "")
    assert after.inode != cursor.inode


def test_deleted(known):
    path, cursor = known
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read(path, cursor)


def test_deleted_and_begun_again(known):
    path, cursor = known
    path.unlink()
    path.write_bytes(b"uno\n")
    lines, _, reader = read(path, cursor)
    assert (lines, bool(reader.reset)) == ([b"uno"], True)
