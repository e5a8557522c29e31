"""A line of many megabytes is read in bounded memory, and its figures are found."""

import os
import time
import tracemalloc

import msgspec
import pytest
from tailing import append, read

from agtop_exporter.agents import claude
from agtop_exporter.model import Cursor, TokenCounts
from agtop_exporter.reading import lines as tail
from agtop_exporter.reading.decoding import Count, Errors, decoder
from agtop_exporter.reading.jsonl import feed_each

MEGABYTE = 1024 * 1024


class Record(msgspec.Struct):
    """The type of the long lines below."""

    id: str = ""
    tokens: Count = 0


def long_line(text, *, id="x"):  # noqa: A002 - the field's name
    return b'{"text":"' + text + b'","id":"' + id.encode() + b'","tokens":42}\n'


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [1, 7, 9, 20])
def test_figures_after_the_text(tmp_path, megabytes):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id":"before"}\n' + long_line(b"x" * megabytes * MEGABYTE))
    append(path, b'{"id":"after"}\n')
    lines, cursor, reader = read(path)
    decode = decoder(Record, Errors("a"))
    records = [decode(memoryview(line), 0) for line in lines]
    assert records == [Record("before"), Record("x", 42), Record("after")]
    assert (cursor.offset, reader.too_large) == (path.stat().st_size, 0)


@pytest.mark.long
@pytest.mark.parametrize(
    "text", [rb"\"", rb"\\", rb"\\\"", rb"\u005c", b'\\"}\\n{', "é🙂".encode()]
)
def test_escapes_wherever_a_block_ends(tmp_path, text):
    """The text begins at every offset, so a block ends at every position of an escape."""
    path = tmp_path / "a.jsonl"
    decode = decoder(Record, Errors("a"))
    for shift in range(2):
        repeated = b"." * shift + text * (17 * MEGABYTE // len(text))
        path.write_bytes(long_line(repeated))
        lines, _, _ = read(path)
        assert [decode(memoryview(line), 0) for line in lines] == [Record("x", 42)]
        assert len(lines[0]) < MEGABYTE


@pytest.mark.slow
def test_short_strings_of_a_long_line_stay(tmp_path):
    path = tmp_path / "a.jsonl"
    name = "n" * 4_000
    path.write_bytes(long_line(b"x" * 9 * MEGABYTE, id=name))
    lines, _, _ = read(path)
    assert msgspec.json.decode(lines[0], type=Record) == Record(name, 42)


@pytest.mark.slow
def test_longer_than_memory(tmp_path):
    """Only texts can be dropped. A line that is still too long is counted and skipped."""
    path = tmp_path / "a.jsonl"
    numbers = b'{"numbers":[' + b"1234567890," * (20 * MEGABYTE // 11) + b"0]}\n"
    path.write_bytes(b'{"id":"before"}\n' + numbers + b'{"id":"after"}\n')
    lines, cursor, reader = read(path)
    assert lines == [b'{"id":"before"}', b'{"id":"after"}']
    assert (cursor.offset, reader.too_large) == (path.stat().st_size, 1)


@pytest.mark.long
@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("filling", [b"\0", b"x"])
def test_memory_is_bounded(tmp_path, ended, filling):
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text":"' if filling == b"x" else b"")
        for _ in range(100):
            file.write(filling * MEGABYTE)
        file.write(b'","tokens":42}\n' if ended else b"")
    tracemalloc.start()
    with tail.LineReader(str(path), Cursor()) as reader:
        lines = sum(1 for _ in reader)
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 72 * MEGABYTE
    assert lines + reader.too_large == ended


MANY = {
    "short strings": b'"ab",',
    "escapes": b'"' + rb"\n" * 100 + b'",',
    "quotes": rb'"\"",',
    "medium strings": b'"' + b"y" * 500 + b'",',
    "long strings": b'"' + b"y" * 5_000 + b'",',
    "empty arrays": b"[],",
}


@pytest.mark.long
@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("part", MANY.values(), ids=MANY)
def test_many_strings_take_little_time_and_memory(tmp_path, part, ended):
    path = tmp_path / "a.jsonl"
    parts = part * (30 * MEGABYTE // len(part))
    path.write_bytes(b'{"texts":[' + parts + b'""],"id":"x"}' + b"\n" * ended)
    tracemalloc.start()
    began = time.process_time()
    with tail.LineReader(str(path), Cursor()) as reader:
        lines = sum(1 for _ in reader)
        taken = time.process_time() - began
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 5  # it took up to 0.7 seconds a megabyte, and 170 MB
    assert peak < 72 * MEGABYTE
    assert lines + reader.too_large <= 1
    assert lines == (part == MANY["long strings"])


HARD = {
    "torn records": b'{"id":1',
    "torn strings": b'{"',
    "nested": b'{"id":',
    "records in a torn one": b'{"id":[' + b'{"id":1},' * 100,
    "half pairs": rb'{"id":"\ud800"x',
    "records and commas": b'{"id":"a"}x,',
}


@pytest.mark.long
@pytest.mark.parametrize("part", HARD.values(), ids=HARD)
def test_damage_without_end_takes_little_time(tmp_path, part):
    path = tmp_path / "a.jsonl"
    path.write_bytes(part * (6 * MEGABYTE // len(part)) + b"}\n")
    began = time.process_time()
    errors = Errors("file")
    with tail.LineReader(str(path), Cursor()) as reader:
        feed_each(reader, Record, errors, lambda _record, _offset: None)
    assert time.process_time() - began < 12
    assert errors.all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "before",
    [
        bytes(20 * MEGABYTE),
        b'{"id":"torn","text":"' + b"x" * 9 * MEGABYTE,
        b'{"id":"torn","text":"' + b"x" * 9 * MEGABYTE + bytes(MEGABYTE),
        b'{"id":"torn","text":"' + bytes(9 * MEGABYTE),
        rb'{"id":"torn","text":"' + rb"\n" * 5 * MEGABYTE + b"\\",
    ],
    ids=["NULs", "torn", "torn, then NULs", "NULs in a text", "torn in an escape"],
)
def test_the_good_record_of_a_very_long_line_counts(tmp_path, before):
    path = tmp_path / "a.jsonl"
    path.write_bytes(before + b'{"id":"x","tokens":42,"text":"a \\"word\\""}\n{"id":"after"}\n')
    errors, found = Errors("file"), []
    with tail.LineReader(str(path), Cursor()) as reader:
        feed_each(reader, Record, errors, lambda record, _: found.append(record))
    assert found == [Record("x", 42), Record("after")]
    assert [error.count for error in errors.all()] == [1]


@pytest.mark.long
def test_very_many_lines_are_read_in_several_batches(tmp_path):
    """The watchdog is pinged between batches."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{}\n" * 450_000)
    cursor, counts, more = None, [], True
    while more:
        lines, cursor, reader = read(path, cursor)
        counts.append(len(lines))
        more = reader.more
    assert sum(counts) == 450_000
    assert max(counts) < tail.BATCH_LINES + tail.BLOCK_BYTES // 3


@pytest.mark.slow
def test_unfinished_and_then_finished(tmp_path):
    path = tmp_path / "a.jsonl"
    line = long_line(b"x" * 12 * MEGABYTE)
    path.write_bytes(b'{"id":"before"}\n')
    _, cursor, _ = read(path)
    for begin in range(0, len(line), 5 * MEGABYTE):
        lines, cursor, _ = read(path, cursor)
        assert lines == []
        append(path, line[begin : begin + 5 * MEGABYTE])
    append(path, b'{"id":"after"}\n')
    lines, _, _ = read(path, cursor)
    assert [msgspec.json.decode(line, type=Record).id for line in lines] == ["x", "after"]


@pytest.mark.slow
def test_written_on_while_it_is_read(tmp_path, monkeypatch):
    """The file grows when its end is reached in the middle of a long line."""
    path = tmp_path / "a.jsonl"
    line = long_line(b"x" * 9 * MEGABYTE)
    path.write_bytes(line[:-100])
    rest = [line[-100:] + b'{"id":"after"}\n']
    real = os.read

    def read_then_grow(descriptor, size):
        data = real(descriptor, size)
        if not data and rest:
            append(path, rest.pop())
        return data

    monkeypatch.setattr(os, "read", read_then_grow)
    found, cursor, _ = read(path)
    more, cursor, _ = read(path, cursor)
    ids = [msgspec.json.decode(each, type=Record).id for each in found + more]
    assert (ids, rest, cursor.offset) == (["x", "after"], [], path.stat().st_size)


@pytest.mark.slow
def test_usage_of_a_real_record(tmp_path):
    """In an answer of more than 8 MB, the usage follows the text."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(
        b'{"parentUuid":null,"isSidechain":false,"message":{"id":"msg_1","role":"assistant",'
        b'"model":"claude-opus-4-5","content":[{"type":"text","text":"'
        + b"a\\n"
        * (4 * MEGABYTE)
        + b'"}],"stop_reason":"end_turn","usage":{"input_tokens":7,"output_tokens":4000000}},'
        b'"requestId":"r","type":"assistant","timestamp":"2026-03-02T10:00:00.000Z",'
        b'"sessionId":"s"}\n'
    )
    batch = claude.AGENT.read(str(path), Cursor())
    assert [event.tokens for event in batch.events] == [TokenCounts(input=7, output=4_000_000)]
    assert batch.errors == ()
