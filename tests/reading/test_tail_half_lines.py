"""Half a line is never used, and never lost: it is read when its end has come."""

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
    assert found == lines


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
