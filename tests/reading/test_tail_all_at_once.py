"""Lines that are decoded together give what each gives on its own, under the same offsets."""

import msgspec
import pytest

from agtop_exporter.model import Cursor
from agtop_exporter.reading.decoding import Errors, decoder
from agtop_exporter.reading.files import read_head
from agtop_exporter.reading.jsonl import feed_each
from agtop_exporter.reading.lines import LineReader


class Record(msgspec.Struct):
    """What the lines below should be."""

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
}


def read(path, each):
    errors = Errors("file")
    with LineReader(str(path), Cursor()) as lines:
        found = list(each(lines, errors))
        return found, errors.all(), lines.cursor()


def together(lines, errors):
    found = []
    count = feed_each(lines, Record, errors, lambda record, at: found.append((record, at)))
    assert count == len(found)
    return found


def alone(lines, errors):
    decode = decoder(Record, errors)
    for line in lines:
        record = decode(line, lines.offset)
        if record is not None:
            yield record, lines.offset


@pytest.mark.parametrize("line", [LINE, LONG])
@pytest.mark.parametrize("other", [b"", *OTHERS.values()], ids=["none", *OTHERS])
def test_the_same_as_each_alone(tmp_path, line, other):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(line % at + other * (at == 2) for at in range(5)))
    assert read(path, together) == read(path, alone)


def test_the_beginning_of_a_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"12345")
    assert (read_head(path, 3), read_head(path, 9)) == (b"123", b"12345")
    with pytest.raises(OSError, match="not a regular file"):
        read_head(tmp_path, 9)
