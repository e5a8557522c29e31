"""Files with damage from public reports: the good records count.

Each case names its report as owner, repository and number. All contents are invented.
"""

import msgspec
import pytest

from agtop_exporter.model import Cursor
from agtop_exporter.reading.decoding import Errors
from agtop_exporter.reading.jsonl import feed_each, record_blocks
from agtop_exporter.reading.lines import LineReader


class Record(msgspec.Struct):
    """The fields that are read of the records below."""

    uuid: str = ""
    type: str = ""


def line(uuid, kind="user", text="some words"):
    return f'{{"type":"{kind}","message":{{"content":"{text}"}},"uuid":"{uuid}"}}'.encode()


A, B, C = line("a"), line("b"), line("c")
WHOLE = b"".join(each + b"\n" for each in (A, B, C))
LINK = b'{"type":"pr-link","sessionId":"s","prNu'
HOLE = bytes(200_000)

CASES = {  # report -> bytes, uuids of the records that count, number of losses
    "anthropics/claude-code#76059": (
        A + bytes(9_000) + b"\n" + B + b"\n" + bytes(143_000),
        "ab",
        1,
    ),
    "anthropics/claude-code#49876": (A + b"\n" + bytes(700) + b"\n" + B + b"\n", "ab", 1),
    "anthropics/claude-code#49876, without a newline": (
        A + b"\n" + bytes(700) + B + b"\n",
        "ab",
        1,
    ),
    "anthropics/claude-code#52387": (A + b"\n" + LINK + B + b"\n" + C + b"\n", "abc", 1),
    "anthropics/claude-code#81843, torn": (A[:50] + B + b"\n" + C[:49] + A + b"\n", "ba", 2),
    "anthropics/claude-code#81843, no newline": (A + B + C + b"\n", "abc", 0),
    "anthropics/claude-code#53821": (A + b"\n" + B + b"\n" + C[:60], "ab", 0),
    "QwenLM/qwen-code#3606": (A + B + b"\n" + C + b"\n", "abc", 0),
    "QwenLM/qwen-code#6316": (A + b"\n" + B[:30], "a", 0),
    "openai/codex#36802": (A + b"\n" + B[:40] + b"\xe6\x87\n" + C + b"\n", "ac", 1),
    "openai/codex#36802, the next record after it": (B[:40] + b"\xe6\x87" + C + b"\n", "c", 1),
    "github/copilot-cli#4098": (B[:45] + B + b"\n" + C[:33] + C + b"\n", "bc", 2),
    "github/copilot-cli#2649": (A + b"\n" + B[:45] + b"\n" + B[45:] + b"\n" + C + b"\n", "ac", 2),
    "justrach/codegraff#242": (A + HOLE + b'","uuid":"x"}\n' + HOLE * 5 + B + b"\n", "ab", 2),
    "viggy28/recall#38": (b"\xef\xbb\xbf" + WHOLE, "abc", 0),
    "chenyme/grok2api#759": (A + b"\n\xef\xbb\xbf" + B + b"\r\n\xef\xbb\xbf\r\n" + C, "abc", 0),
    "huggingface/tau#354": (line("a", text="\u2028 \u2029 \x85") + b"\n" + B + b"\n", "ab", 0),
    "codemie-ai/codemie-code#68": (line("a", text="\x1b[1m\ttext") + b"\n" + B + b"\n", "ab", 1),
    "ozontech/file.d#912": (WHOLE.rstrip(), "abc", 0),
    "sirmalloc/ccstatusline#551": (WHOLE.replace(b"\n", b"\r\n"), "abc", 0),
    "severity1/claude-agent-sdk-go#139": (line("a", text="x" * 1_400_000) + b"\n" + B, "ab", 0),
    "specstoryai/getspecstory#108": (line("a", text="x" * 15_000_000) + b"\n" + B, "ab", 0),
}


def one_by_one(lines, errors):
    found = []
    feed_each(lines, Record, errors, lambda record, _: found.append(record))
    return found


def in_blocks(lines, errors):
    return [record for records in record_blocks(lines, Record, errors) for record in records]


@pytest.mark.slow
@pytest.mark.parametrize("read", [one_by_one, in_blocks])
@pytest.mark.parametrize(("text", "uuids", "losses"), CASES.values(), ids=CASES)
def test_the_good_records_count_and_losses_are_counted(tmp_path, text, uuids, losses, read):
    path = tmp_path / "a.jsonl"
    path.write_bytes(text)
    errors = Errors("file")
    with LineReader(str(path), Cursor()) as lines:
        found = read(lines, errors)
    assert "".join(record.uuid for record in found) == uuids
    assert {record.type for record in found} == {"user"}
    assert sum(error.count for error in errors.all()) == losses


@pytest.mark.parametrize("glue", [b"", b"\0", b"\xef\xbb\xbf", b"\n"])
@pytest.mark.parametrize("end", range(1, len(A)))
def test_torn_anywhere(tmp_path, end, glue):
    """The next record counts, and the torn record is counted as an error."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(A[:end] + glue + B + b"\n" + C)
    errors = Errors("file")
    with LineReader(str(path), Cursor()) as lines:
        found = one_by_one(lines, errors)
    assert [record.uuid for record in found] == ["b", "c"]
    assert [error.count for error in errors.all()] == [1]


@pytest.mark.parametrize("begin", range(1, len(A)))
def test_without_its_beginning(tmp_path, begin):
    """The end of a record does not count, even if it contains complete objects."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(A[begin:] + b"\n" + A[begin:] + B + b"\n")
    errors = Errors("file")
    with LineReader(str(path), Cursor()) as lines:
        found = one_by_one(lines, errors)
    assert [record.uuid for record in found if record.type] == ["b"]
    assert [error.count for error in errors.all()] == [2]
