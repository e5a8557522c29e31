"""What is decoded is the same, whether or not the unwanted members are left out before it."""

import json
import os
import re
from random import Random

import mangling
import msgspec
import pytest
from conftest import AGENT_FOLDERS
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents.claude.records import Record as ClaudeRecord
from agtop_exporter.agents.codex.records import Record as CodexRecord
from agtop_exporter.decoding import UNDECODABLE, Count, Moment
from agtop_exporter.projection import COMPILED, projector, wanted


class Part(msgspec.Struct):
    """One of several."""

    text: str = ""
    count: Count | None = 0


class Record(msgspec.Struct, rename="camel"):
    """A record with fields of every kind."""

    id: str = ""
    seen_at: Moment | None = None
    part: Part | str | None = None
    parts: list[Part] | str | None = None
    raw: msgspec.Raw = msgspec.Raw()
    anything: object = None
    named: dict[str, Part] | None = None


@pytest.fixture(autouse=True)
def _compiled():
    if not COMPILED and os.environ.get("CI") == "true":
        pytest.fail("the projection is not compiled, and CI must have it")
    if not COMPILED:
        pytest.skip("the projection is not compiled: no compiler, or no AVX2")


LONG = b'"long":"%s"' % (b"long " * 400)


def outcome(text, kind):
    """Return the records of some lines, or why there are none."""
    try:
        return msgspec.json.Decoder(kind).decode_lines(text)
    except UNDECODABLE as error:
        return type(error)


def lengthened(text):
    """Make every line that looks like an object long enough to be looked through."""
    text = re.sub(rb"^{}", b"{" + LONG + b"}", text, flags=re.MULTILINE)
    return re.sub(rb"^{(?!}|\"long)", b"{" + LONG + b",", text, flags=re.MULTILINE)


def check(text, kind=Record):
    for lines in (memoryview(text), memoryview(lengthened(text))):
        assert outcome(projector(kind)(lines), kind) == outcome(lines, kind)


NAMES = st.sampled_from(
    ["id", "seenAt", "part", "parts", "raw", "anything", "named", "text", "count", "more", "", "é"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["2026-11-01T00:00:00Z", "\\" * 63 + '"' * 70, "plain " * 40, "\x1b\u2028😀"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)
FORMS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "\r: ")])


@given(
    st.lists(st.dictionaries(NAMES, VALUES, max_size=6), max_size=4),
    FORMS,
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\n\n", " \n\t"]),
)
def test_of_any_records(records, separators, ascii_only, end):
    lines = [json.dumps(r, separators=separators, ensure_ascii=ascii_only) for r in records]
    check("".join(line + end for line in lines).encode("utf-8", "surrogatepass"))


@given(
    st.text('\\"nu0d8/xé\x01\x7f ', max_size=200),
    st.integers(0, 130),
    st.sampled_from(["id", "more"]),
)
def test_of_any_strings(text, padding, name):
    padded = "a" * padding + text
    check(f'{{"{name}":"{padded}","count":1}}\n'.encode())
    check(f'{{"{name}":"{padded}"'.encode())


@pytest.mark.parametrize("end", ['"', '\\"', "\\\\", "\\\\\\", "\\u", "\\ud83d", "\\n\x00", "\n"])
def test_at_every_place(end):
    for length in range(200):
        for before in ("a" * length, "\\" * length, "a" + "\\n" * length):
            check(f'{{"more":"{before}{end}","id":"a"}}\n'.encode())


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":"a"}{"id":"b"}',
        b'{"id":"a"} {"id":"b"}',
        b'{"id":\n"a"}',
        b'{"part":\n{"id":"a","text":"b"}\n}',
        b'{"\\u0069d":"a"}',
        b'{"more":1,"\\u0069d":"a"}',
        b'{"more":01}',
        b'{"more":-}',
        b'{"more":1.}',
        b'{"more":1e}',
        b'{"more":truth}',
        b'{"more":[1,]}',
        b'{"more":{"a":1,}}',
        b'{"id":"a",}',
        b'{"id" "a"}',
        b"{}",
        b"{",
        b'{"',
        b'{"more":"\\',
        b'{"id":"a"} more',
        b"[{}]",
        b"null",
        b"\xef\xbb\xbf{}",
        b'{"id":"\xff"}',
        b'{"more":"\xff"}',
        b'{"\xff":1}',
        b'{"id":"a","id":"b"}',
        b'{"id":{"text":1}}',
        b'{"part":[{"text":"a"}]}',
        b'{"parts":[[{"text":"a"}]]}',
        b'{"more":' + b"[" * 127 + b"]" * 127 + b"}",
        b'{"more":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"more":' + b"[" * 100_000,
    ],
)
def test_of_odd_lines(line):
    check(line)
    check(b'{"id":"good"}\n' + line + b'\n{"id":"good"}\n')


@pytest.mark.parametrize(
    ("kind", "agent"), [(ClaudeRecord, "claude"), (CodexRecord, "codex")], ids=["claude", "codex"]
)
def test_of_damaged_transcripts(kind, agent):
    random = Random(1)
    for path in (AGENT_FOLDERS / agent / "home").rglob("*.jsonl"):
        whole = path.read_bytes()
        check(whole, kind)
        for damage in (mangling.cut, mangling.overwritten, mangling.bits_flipped):
            for _ in range(20):
                for line in damage(whole, random).splitlines(keepends=True):
                    check(line, kind)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ('{"id":"a","more":{"id":[1,"b"]}}', '{"id":"a"}'),
        ('{"more":1,"id":"a"}', '{"id":"a"}'),
        ('{ "more":1 , "more":2,"id":"a" , "more":3 }', '{  "id":"a"  }'),
        ('{"more":1,"id":"a","more":2,"part":null,"more":3}', '{"id":"a","part":null}'),
        ('{"more":1}', "{}"),
        ('{"parts":[{"more":1,"text":"b"},{"text":"c","more":2}]}', None),
        ('{"anything":{"more":1},"named":{"b":{"more":1}},"raw":[{"more":1}]}', None),
    ],
)
def test_what_is_left(line, left):
    expected = left or line.replace('"more":1,"text"', '"text"').replace(',"more":2', "")
    assert bytes(projector(Record)(memoryview(lengthened(line.encode())))) == expected.encode()


def test_most_of_a_transcript_is_left_out():
    output = {"type": "function_call_output", "call_id": "c", "output": "line\n" * 5_000}
    line = json.dumps({"type": "response_item", "payload": output}).encode()
    assert len(projector(CodexRecord)(memoryview(line))) < 100


def test_what_a_type_looks_at():
    part = {"text": {}, "count": {}}
    assert wanted(msgspec.inspect.type_info(Record)) == {
        "id": {},
        "seenAt": {},
        "part": part,
        "parts": part,
        "raw": None,
        "anything": None,
        "named": None,
    }
