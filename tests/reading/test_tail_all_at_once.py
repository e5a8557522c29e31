"""Lines that are decoded together have the same values and offsets as single lines."""

from collections import Counter

import msgspec
import pytest
from tailing import append

from agtop_exporter.model import Cursor
from agtop_exporter.reading.decoding import Errors
from agtop_exporter.reading.files import read_head
from agtop_exporter.reading.jsonl import feed_each, record_blocks
from agtop_exporter.reading.lines import LineReader


class Record(msgspec.Struct):
    """The type of the lines below."""

    id: str = ""


LINE = b'{"id":"%d","text":"some words"}\n'
LONG = b'{"text":"' + b"x" * 5000 + b'","id":"%d"}\n'
OTHERS = {
    "blank": b"\n",
    "white": b" \t\r\n",
    "padded": b' {"id":"p"} \r\n',
    "two on a line": b'{"id":"a"}{"id":"b"}\n',
    "two on one line and none on another": b'{"id":"a"} {"id":"b"}\n \n',
    "over two lines": b'{"id":\n"a"}\n',
    "no object": b"[]\n",
    "wrong type": b'{"id":1}\n',
    "half": b'{"id":"a\n',
    "half, and a record": b'{"id":"a{"id":"b"}\n',
    "half of a character, and a record": b'{"id":"\xe6\x87{"id":"b"}\n',
    "half, where a value is expected": b'{"id":{"id":"b"}\n',
    "half, in an array": b'{"id":[{"id":"b"}\n',
    "the end of a record": b'd":{"id":"a"},"text":"b"}\n',
    "the end of a record, and a record": b'd","in":{"id":"a"}}{"id":"b"}\n',
    "spliced": b'{"text":"some {"id":"b","text":"x"}words","id":"a"}\n',
    "NULs before": b'\0\0\0{"id":"b"}\n',
    "NULs after": b'{"id":"b"}\0\0\0\n',
    "NULs within": b'{"id":"b","in":{"id":\0\0\0:{"id":"c"},"text":"d"}\n',
    "NULs within a text": b'{"id":"b","text":"\0\0\0","number":1}\n',
    "NULs alone": b"\0\0\0\n",
    "NULs after half": b'{"id":"b\0\0\0{"id":"c"}\n',
    "BOM": b'\xef\xbb\xbf{"id":"b"}\n',
    "BOM alone": b"\xef\xbb\xbf\n",
    "BOM between": b'{"id":"a"}\xef\xbb\xbf{"id":"b"}\n',
    "BOM in a text": b'{"id":"a","text":"\xef\xbb\xbf{"}\n',
    "line separators": '{"id":"a","text":"\u2028\u2029\x85"}\n'.encode(),
    "half of a pair": b'{"id":"a\\ud83d"}{"id":"b"}\n',
    "empty objects": b"{}{}\n",
    "a number after": b'{"id":"a"}12\n',
}


def read(path, each, cursor=None):
    errors = Errors("file")
    with LineReader(str(path), cursor or Cursor()) as lines:
        found = list(each(lines, errors))
        counts = {error.reason: error.count for error in errors.all()}
        return found, counts, msgspec.structs.replace(lines.cursor(), mtime_ns=0)


def one_by_one(lines, errors):
    found = []
    count = feed_each(lines, Record, errors, lambda record, at: found.append((record, at)))
    assert count == len(found)
    return found


def in_blocks(lines, errors):
    return [record for records in record_blocks(lines, Record, errors) for record in records]


def grown(path, each):
    """Read a file while it grows byte by byte."""
    data, cursor, found, counts = path.read_bytes(), Cursor(), [], Counter()
    path.write_bytes(b"")
    for at in range(len(data)):
        append(path, data[at : at + 1])
        new, errors, cursor = read(path, each, cursor)
        found += new
        counts += errors
    return found, dict(counts), cursor


@pytest.mark.slow
@pytest.mark.parametrize("each", [one_by_one, in_blocks])
@pytest.mark.parametrize("other", [b"", *OTHERS.values()], ids=["none", *OTHERS])
def test_the_same_as_byte_by_byte(tmp_path, other, each):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(LINE % at + other * (at == 2) for at in range(5)))
    assert read(path, each) == grown(path, each)


@pytest.mark.parametrize("line", [LINE, LONG])
@pytest.mark.parametrize("other", [b"", *OTHERS.values()], ids=["none", *OTHERS])
def test_the_same_in_blocks_as_one_by_one(tmp_path, line, other):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(line % at + other * (at == 2) for at in range(5)))
    (found, *rest), blocks = read(path, one_by_one), read(path, in_blocks)
    assert ([record for record, _ in found], *rest) == blocks
    places = [at for _, at in found]
    assert len({*places}) == len(places)  # an offset identifies a record


def test_the_beginning_of_a_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"12345")
    assert (read_head(path, 3), read_head(path, 9)) == (b"123", b"12345")
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert read_head(path, 9) == b"{}"
    with pytest.raises(OSError, match="not a regular file"):
        read_head(tmp_path, 9)
