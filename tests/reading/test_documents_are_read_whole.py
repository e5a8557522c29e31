"""A JSON document is used only when it is complete, and its size is limited."""

import itertools
import json
import os
import time
import tracemalloc

import msgspec
import pytest

from agtop_exporter.model import Cursor
from agtop_exporter.reading.decoding import Errors
from agtop_exporter.reading.documents import load_document
from agtop_exporter.reading.files import NotAFileError
from agtop_exporter.reading.framing import Objects
from agtop_exporter.reading.jsonl import feed_each
from agtop_exporter.reading.lines import LineReader
from agtop_exporter.reading.shortening import LONG_LINE_BYTES


class Document(msgspec.Struct):
    """A document with fields of three types."""

    count: int = 0
    text: str = ""
    items: list[int] | None = None


class Marked(msgspec.Struct):
    """An object of a log."""

    mark: int = -1


def read(path, cursor=None):
    errors = Errors(str(path))
    value, cursor = load_document(str(path), cursor or Cursor(), Document, errors=errors)
    return value, cursor, {error.reason: error.count for error in errors.all()}


def test_an_incomplete_document_waits_until_it_is_complete(tmp_path):
    path, text = tmp_path / "a.json", json.dumps({"count": 3, "text": "…", "items": [1, 2]})
    data = text.encode()
    cursor = Cursor()
    for end in range(len(data)):
        path.write_bytes(data[:end])
        value, cursor, errors = read(path, cursor)
        assert (value, errors, cursor.offset) == (None, {}, 0)
    path.write_bytes(data)
    value, cursor, errors = read(path, cursor)
    assert (value, errors, cursor.offset) == (Document(3, "…", [1, 2]), {}, len(data))
    path.write_bytes(data[:-1])
    value, cursor, errors = read(path, cursor)
    assert (value, errors) == (None, {})
    path.write_bytes(data.replace(b"3", b"4"))
    assert read(path, cursor)[0].count == 4


def test_a_touched_document_adds_nothing(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"count": 3}')
    _, cursor, _ = read(path)
    os.utime(path, ns=(1, 1))
    value, touched, _ = read(path, cursor)
    assert value is None
    assert touched.mtime_ns == 1


@pytest.mark.parametrize(
    ("text", "reason", "count"),
    [
        (b"garbage", "json", None),
        (b'{"count": 3}}', "json", 3),
        (b'{"count": 3}\0\0', "json", 3),
        (b'\0\0{"count": 3}', "json", 3),
        (b'{"count": 3}{"count": 4}', "json", 3),
        (b'{"count": 3}": 1}', "json", 3),
        (b'{"count": 1, "text": "ha{"count": 3}', "json", 3),
        (b"\0" * 4096, "json", None),
        (b'{"count": 3, "te\0\0\0', "json", None),
        (b'{"count": 3, "text": "\x1b[1m"}', "encoding", 3),
        (b'{"count": 3, "text": "\\ud800"}', "encoding", 3),
        (b'{"count": 3, "text": "\xff"}', "encoding", 3),
        (b'{"count": 3, "text": 4, "items": [1, "two", 3]}', "schema", 3),
        (b"[" * 100_000 + b"]" * 100_000, "json", None),
    ],
)
def test_a_bad_document_is_counted_and_its_good_fields_kept(tmp_path, text, reason, count):
    path = tmp_path / "a.json"
    path.write_bytes(text)
    value, _, errors = read(path)
    assert errors == {reason: 1}
    assert (value.count if value else None) == count
    if reason == "schema":
        assert value.items == [1, 3]


@pytest.mark.parametrize("text", ['\ufeff{"count": 3}', '\ufeff \r\n{"count": 3}\r\n\ufeff'])
def test_a_byte_order_mark_is_no_part_of_a_document(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    assert read(path)[::2] == (Document(3), {})


def test_an_incomplete_document_after_a_byte_order_mark_waits(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('\ufeff{"count": 3', encoding="utf-8")
    assert read(path)[::2] == (None, {})


@pytest.mark.long
def test_a_document_with_many_texts_loses_them_and_no_figures(tmp_path):
    """A session of Cline or Auggie with thousands of messages has texts of medium length."""
    path = tmp_path / "a.json"
    texts = {"text": 'line "quoted"\n' * 150, "more": "x" * 2000}
    path.write_text(json.dumps({"messages": [texts] * 5000, "count": 3, "text": "short"}))
    assert path.stat().st_size > 2 * LONG_LINE_BYTES
    assert read(path)[::2] == (Document(3, "short"), {})


@pytest.mark.long
def test_a_large_document_loses_its_long_strings_and_no_figures(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"text": "x" * 20_000_000, "count": 3}))
    assert read(path)[::2] == (Document(3, "…"), {})
    path.write_text(json.dumps({"count": 3, "items": [7] * 4_000_000}))
    assert read(path)[::2] == (None, {"too_large": 1})


@pytest.mark.long
def test_the_memory_for_a_large_document_is_bounded(tmp_path):
    """A session of 100 MB, which the agent writes as one document, needs a fraction of its size."""
    path = tmp_path / "a.json"
    with path.open("w") as file:
        file.write('{"messages":[')
        for _ in range(100):
            file.write(json.dumps({"text": "x" * 1_000_000}) + ",")
        file.write('{}],"count":3}')
    tracemalloc.start()
    found = read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found[::2] == (Document(3), {})
    assert peak < 40_000_000


def test_only_regular_files_are_opened(tmp_path):
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "fifo.json")
    for name in ("folder.json", "fifo.json", "link.json"):
        with pytest.raises(NotAFileError):
            read(tmp_path / name)


@pytest.mark.slow
@pytest.mark.parametrize("indent", [None, 2, 4])
def test_concatenated_objects_are_separated_at_any_length(tmp_path, indent):
    objects = [{"mark": i, "in": {"ner": "}\n{" * i}, "pad": "x" * (i * 97)} for i in range(300)]
    path = tmp_path / "a.log"
    whole = "".join(json.dumps(each, indent=indent) + "\n" for each in objects)
    path.write_text(whole + '{\n  "mark": 5,')
    with LineReader(str(path), Cursor(), framing=Objects(markers=(b"mark",))) as lines:
        assert [json.loads(bytes(line)) for line in lines] == objects
        assert lines.offset == len(whole)


def test_objects_without_a_mark_are_passed_over(tmp_path):
    path = tmp_path / "a.log"
    names = ["other"] * 50 + ["wanted"] + ["other"] * 50
    path.write_text("".join(json.dumps({"name": name}, indent=2) + "\n" for name in names))
    with LineReader(str(path), Cursor(), framing=Objects(markers=(b"wanted",))) as lines:
        given = [json.loads(bytes(line))["name"] for line in lines]
        assert given == ["wanted", "other"]  # the last one moves the cursor to the end
        assert lines.offset == path.stat().st_size


@pytest.mark.long
@pytest.mark.parametrize("text", ["{\n" * 300_000, "{\n}\n" * 100_000, "x{\n" * 200_000])
def test_lines_of_braces_take_linear_time(tmp_path, text):
    path = tmp_path / "a.log"
    path.write_text(text + '{\n  "mark": 1\n}\n')
    began, found, cursor, more = time.process_time(), [], Cursor(), True
    while more:
        with LineReader(str(path), cursor, framing=Objects(markers=(b"mark",))) as lines:
            found += [b'"mark": 1' in bytes(line) for line in lines]
            cursor, more = lines.cursor(), lines.more
    assert any(found)
    assert time.process_time() - began < 5  # it took minutes


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("before", "is_lossy"),
    [
        *(("", False), ("\ufeff", False), ("\0" * 5_000, True)),
        *(('{\n  "mark": 1,\n  "pad": "x', True), ('{"mark": 1', True)),
    ],
)
@pytest.mark.parametrize("newline", ["\n", ""])
def test_the_good_objects_of_a_damaged_log_count(tmp_path, indent, before, is_lossy, newline):
    path = tmp_path / "a.log"
    objects = [json.dumps({"mark": i, "in": {"n": i}}, indent=indent) for i in range(4)]
    text = "\n".join([*objects[:2], before + objects[2], objects[3]]) + newline
    path.write_text(text, encoding="utf-8")
    errors = Errors("file")
    found = []
    with LineReader(str(path), Cursor(), framing=Objects(markers=(b"mark",))) as lines:
        feed_each(lines, Marked, errors, lambda record, _: found.append(record.mark))
        assert lines.offset >= path.stat().st_size - 1  # a newline may be left
    assert found == [0, 1, 2, 3]
    assert bool(errors.all()) == is_lossy


@pytest.mark.slow
@pytest.mark.parametrize("indent", [None, 2])
def test_a_log_that_grows_byte_by_byte(tmp_path, indent):
    path = tmp_path / "a.log"
    objects = [json.dumps({"mark": i, "in": {"n": [i]}}, indent=indent) + "\n" for i in range(4)]
    text = "".join(objects).encode()
    found, cursor = [], Cursor()
    for at in range(len(text) + 1):
        path.write_bytes(text[:at])
        with LineReader(str(path), cursor, framing=Objects(markers=(b"mark",))) as lines:
            feed_each(lines, Marked, Errors("file"), lambda *each: found.append(each))
            cursor = lines.cursor()
        whole = [number for number in range(4) if at >= len("".join(objects[: number + 1])) - 1]
        assert [record.mark for record, _ in found] == whole
    ends = [len("".join(objects[: number + 1])) for number in range(4)]
    assert [end for _, end in found] == ends


@pytest.mark.parametrize("begun", ["{\n", '{\n  "mark": 1,\n', "{\n{\n", "}\n", "{\n\n"])
def test_an_object_that_has_lost_its_end_costs_only_itself(tmp_path, begun):
    path = tmp_path / "a.log"
    whole = '{\n  "mark": 2\n}\n'
    for text in (begun + whole, whole + begun + whole, whole + begun):
        path.write_text(text)
        with LineReader(str(path), Cursor(), framing=Objects(markers=(b"mark",))) as lines:
            given = [bytes(line) for line in itertools.islice(lines, 9)]
        assert given.count(whole.encode().rstrip()) == text.count(whole)
        assert len(given) <= len(text.splitlines())
