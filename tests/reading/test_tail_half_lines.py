"""An incomplete line is read when it is complete.

A JSON object is complete with its last brace, even without a newline.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailing import append, read


def test_half_a_line_waits(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntw")
    lines, cursor, _ = read(path)
    assert (lines, cursor.offset) == ([b"one"], 4)
    append(path, b"o")
    assert read(path, cursor)[0] == []
    append(path, b"\nthree\n")
    lines, cursor, reader = read(path, cursor)
    assert (lines, cursor.offset, reader.reset) == ([b"two", b"three"], 14, "")


@pytest.mark.parametrize("after", [b"\n", b"\r\n", b" \n", b"\n\n", b'{"b":2}\n', b"\0\0\n", b""])
def test_a_whole_object_does_not_wait_for_its_newline(tmp_path, after):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":0}\n{"a":1}')
    lines, cursor, reader = read(path)
    assert (lines, cursor.offset, reader.more) == ([b'{"a":0}', b'{"a":1}'], 15, False)
    append(path, after)
    lines, cursor, reader = read(path, cursor)
    assert b'{"a":1}' not in lines
    assert (cursor.offset, reader.reset) == (15 + len(after), "")
    append(path, b'{"c":3}\n')
    assert read(path, cursor)[0] == [b'{"c":3}']


@pytest.mark.parametrize(
    "text",
    [
        *(b"12", b"true", b'"text"', b"[1]", b"{", b'{"a":1', b'{"a":{"b":1}', b"\0\0\0"),
        *(b'{"a":"}', b'{"a":"\\"}', b'{"a":1e', b'{"a":tru', b'\xef\xbb\xbf{"a":1'),
        *(b'{"a":[{"a":1}', b'{"a":{"a":1}'),  # more may follow within the array or object
    ],
)
def test_an_object_that_may_still_grow_waits(tmp_path, text):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":0}\n' + text)
    lines, cursor, _ = read(path)
    assert (lines, cursor.offset) == ([b'{"a":0}'], 8)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (b'{"a":1{"b":2}', 13),
        (b'{"a":"text{"b":2}', 17),
        (b'\0\0\0{"b":2}', 10),
        (b'\xef\xbb\xbf{"b":2}', 10),
        (b'{"b":2}{"a":', 7),
        (b'{"b":2}\0\0\0', 7),
        (b'{"b":"\\ud800"}', 14),
    ],
)
def test_a_whole_object_in_a_damaged_line_does_not_wait(tmp_path, text, end):
    path = tmp_path / "a.jsonl"
    path.write_bytes(text)
    assert read(path)[1].offset == end


@pytest.mark.slow
def test_a_whole_object_of_a_very_long_line_does_not_wait(tmp_path):
    path = tmp_path / "a.jsonl"
    line = b'{"text":"' + b"x" * 9_000_000 + b'","id":1}'
    path.write_bytes(line)
    lines, cursor, _ = read(path)
    assert (lines, cursor.offset) == ([b'{"text":"\xe2\x80\xa6","id":1}'], len(line))
    append(path, b"\n")
    assert read(path, cursor)[0] == []


def test_nothing_new(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n")
    _, cursor, _ = read(path)
    lines, again, reader = read(path, cursor)
    assert (lines, again, reader.reset) == ([], cursor, "")


def test_an_empty_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.touch()
    lines, cursor, _ = read(path)
    assert (lines, cursor.offset) == ([], 0)
    append(path, b"one\n")
    assert read(path, cursor)[0] == [b"one"]


def test_blank_lines_are_passed_over(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n\none\n\n\ntwo\n")
    lines, cursor, _ = read(path)
    assert (lines, cursor.offset) == ([b"one", b"two"], path.stat().st_size)


@pytest.mark.slow
@given(
    lines=st.lists(st.binary(min_size=1, max_size=40).filter(lambda line: b"\n" not in line)),
    cuts=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_any_growth(tmp_path, lines, cuts):
    path = tmp_path / "a.jsonl"
    data = b"".join(line + b"\n" for line in lines)
    path.write_bytes(b"")
    found, cursor = [], None
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        append(path, data[path.stat().st_size : cut])
        new, cursor, reader = read(path, cursor)
        assert reader.reset == ""
        found += new
    assert found == [text for line in lines if (text := line.rstrip(b" \t\r"))]


@pytest.mark.slow
@given(sizes=st.lists(st.sampled_from([1, 100, 131_071, 131_072, 262_143, 262_144, 600_000])))
def test_lines_about_the_size_of_a_block(tmp_path, sizes):
    path = tmp_path / "a.jsonl"
    lines = [bytes([97 + number % 26]) * size for number, size in enumerate(sizes)]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    found, cursor, _ = read(path)
    assert (found, cursor.offset) == (lines, path.stat().st_size)


def test_a_batch_ends_and_the_next_goes_on(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [b"%06d" % number * 1_000 for number in range(500)]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    found, cursor, more = [], None, True
    batches = 0
    while more:
        new, cursor, reader = read(path, cursor, batch_bytes=700_000)
        assert sum(map(len, new)) < 700_000 + 262_144 + 6_001
        found += new
        more = reader.more
        batches += 1
    assert (found, batches) == (lines, 4)
