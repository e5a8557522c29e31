"""Lines that are not JSON or not UTF-8 are counted by reason, and used as far as possible."""

import msgspec
import pytest

from agtop_exporter.reading.decoding import Count, Errors, decoder


class Inner(msgspec.Struct):
    """A part of a record."""

    tokens: Count | None = 0
    name: str = ""


class Record(msgspec.Struct):
    """The type of the lines below."""

    id: str = ""
    tokens: Count = 0
    inner: Inner | None = None
    several: list[Inner] | None = None
    by_name: dict[str, Inner] | None = None


def decode(line):
    errors = Errors("file")
    record = decoder(Record, errors)(memoryview(line), 7)
    return record, {error.reason: error.count for error in errors.all()}


GOOD = Record("a", 5)


@pytest.mark.parametrize(
    ("line", "record", "reasons"),
    [
        (b'{"id":"a","tokens":5}', GOOD, {}),
        (b' {"tokens" : 5, "id": "a", "new": [1, {"x": null}]}\r', GOOD, {}),
        (b'{"id":"a","tokens":5,"other":"half \\ud83d face"}', GOOD, {"encoding": 1}),
        (b'{"id":"\\ud83d","tokens":5}', Record("?", 5), {"encoding": 1}),
        (b'{"id":"a","\\udc00":1,"tokens":5}', GOOD, {"encoding": 1}),
        (b'{"id":"\xff","tokens":5}', Record("�", 5), {"encoding": 1}),
        (b'{"id":"a\x00b","tokens":5}', None, {"json": 1}),
        (b"\0\0\0\0", None, {"json": 1}),
        (b"\xff\xfe{", None, {"json": 1}),
        (b'{"id":"a","tokens":5', None, {"json": 1}),
        (b'{"id":"a","tokens":5}{"id":"b"}', GOOD, {"json": 1}),
        (b'\xef\xbb\xbf{"id":"a","tokens":5}', GOOD, {}),
        (b'{"id":"a","tokens":5,"text":"a\ttab"}', GOOD, {"encoding": 1}),
        (b"[]", None, {"schema": 1}),
        (b"null", None, {"schema": 1}),
        (b"   \t ", None, {}),
        (b'{"x":' + b"[" * 100_000, None, {"json": 1}),
        (b"[" * 100_000 + b"]" * 100_000, None, {"json": 1}),
        (b'{"id":"a","tokens":' + b"9" * 5_000 + b"}", None, {"json": 1}),
    ],
    ids=range(19),
)
def test_reasons(line, record, reasons):
    found, counted = decode(line)
    assert found == record
    assert counted == reasons


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b'{"id":7,"tokens":5}', Record("", 5)),
        (b'{"id":"a","tokens":-5}', Record("a", 0)),
        (b'{"id":"a","tokens":1000000001}', Record("a", 0)),
        (b'{"id":"a","tokens":1e300}', Record("a", 0)),
        (b'{"id":"a","tokens":[5]}', Record("a", 0)),
        (b'{"id":"a","tokens":NaN}', Record("a", 0)),
        (b'{"id":"a","tokens":5,"inner":3}', Record("a", 5)),
        (b'{"id":"a","inner":{"tokens":"x","name":"n"}}', Record("a", 0, Inner(0, "n"))),
        (b'{"id":"a","inner":{"tokens":3,"name":[]}}', Record("a", 0, Inner(3))),
        (
            b'{"several":[{"tokens":3,"name":7},{"tokens":5},6]}',
            Record(several=[Inner(3), Inner(5)]),
        ),
        (
            b'{"by_name":{"x":{"tokens":3,"name":7},"y":{"tokens":5},"z":6}}',
            Record(by_name={"x": Inner(3), "y": Inner(5)}),
        ),
    ],
    ids=range(11),
)
def test_one_wrong_field_does_not_cost_the_others(line, record):
    assert decode(line) == (record, {"schema": 1})


def test_where_the_first_was():
    errors = Errors("/home/ada/a.jsonl")
    read = decoder(Record, errors)
    for at in (10, 20, 30):
        read(memoryview(b"secret {"), at)
    (error,) = errors.all()
    assert (error.reason, error.count, error.example) == ("json", 3, "/home/ada/a.jsonl:10")


def test_no_error_tells_what_was_there():
    _, cursor = decode(b'{"id":"my secret prompt')
    assert "secret" not in repr(cursor)
