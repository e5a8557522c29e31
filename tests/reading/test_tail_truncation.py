"""A file that has become shorter is read from its start."""

import os

from tailing import append, read


def test_shorter_than_what_was_read(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo\nthree\n")
    _, cursor, _ = read(path)
    os.truncate(path, 4)
    lines, after, reader = read(path, cursor)
    assert (lines, reader.reset, reader.start, after.offset) == ([b"one"], "truncated", 0, 4)


def test_emptied(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n")
    _, cursor, _ = read(path)
    os.truncate(path, 0)
    lines, cursor, reader = read(path, cursor)
    assert (lines, reader.reset, cursor.offset) == ([], "truncated", 0)
    append(path, b"two\n")
    lines, _, reader = read(path, cursor)
    assert (lines, reader.reset) == ([b"two"], "")


def test_only_the_unfinished_line_was_cut(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\nhalf a li")
    _, cursor, _ = read(path)
    os.truncate(path, 4)
    lines, _, reader = read(path, cursor)
    assert (lines, reader.reset) == ([], "")


def test_cut_and_grown_past_its_old_size(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo\n")
    _, cursor, _ = read(path)
    path.write_bytes(b"three\nfour\nfive\n")
    lines, _, reader = read(path, cursor)
    assert (lines, reader.reset) == ([b"three", b"four", b"five"], "rewritten")
