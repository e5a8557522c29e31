"""A compressed file gives the same records as its text. A damaged or huge one stops nothing.

Frames are cut at any position, because `cat a.zst b.zst` joins them.
"""

import json
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents import codex
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor
from agtop_exporter.reading import compressed, lines, sources
from agtop_exporter.reading.lines import LineReader

zstd = compressed.zstd


def read(path, **options):
    """Return the lines and the error of a file that is read in batches."""
    cursor, found, more, problem = Cursor(), [], True, ""
    while more:
        with LineReader(str(path), cursor, **options) as reader:
            found += [bytes(line) for line in reader]
            assert not reader.reset
            cursor, more, problem = reader.cursor(), reader.more, reader.problem
    return found, problem


@pytest.mark.slow
@given(
    text=st.lists(st.binary(max_size=40).map(lambda each: each.replace(b"\n", b"")), max_size=20),
    cuts=st.lists(st.integers(0, 400), max_size=4),
    batch_bytes=st.sampled_from([1, 50, 10_000]),
)
def test_frames_are_one_text(tmp_path, text, cuts, batch_bytes):
    data = b"".join(line + b"\n" for line in text)
    (tmp_path / "t.jsonl").write_bytes(data)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    frames = [data[begin:end] for begin, end in pairwise(edges)]
    (tmp_path / "t.jsonl.zst").write_bytes(b"".join(map(zstd.compress, frames)))
    plain = read(tmp_path / "t.jsonl", batch_bytes=batch_bytes)
    assert read(tmp_path / "t.jsonl.zst", batch_bytes=batch_bytes) == plain


@pytest.mark.slow
def test_long_lines_are_shortened(tmp_path):
    """The rest of a block after a long line is not decompressed again from the start."""
    path = tmp_path / "t.jsonl.zst"
    long = json.dumps({"text": "x" * (lines.LONG_LINE_BYTES + 1), "n": 1}).encode()
    path.write_bytes(zstd.compress(b"\n".join([b"{}", long, b'{"n":2}', long, b'{"n":3}', b""])))
    found, problem = read(path)
    assert [json.loads(line).get("n") for line in found] == [None, 1, 2, 1, 3]
    assert not problem


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_torn_frame_keeps_what_is_whole(tmp_path, kept):
    path = tmp_path / "t.jsonl.zst"
    whole = [b'{"n":%d}' % number for number in range(100_000)]
    data = zstd.compress(b"".join(line + b"\n" for line in whole))
    path.write_bytes(data[: max(1, int(len(data) * kept))])
    found, problem = read(path)
    assert problem == "corrupt"
    assert found == whole[: len(found)]
    assert len(found) < len(whole)
    assert bool(found) == bool(kept)


def test_garbage_is_no_text(tmp_path):
    path = tmp_path / "t.jsonl.zst"
    path.write_bytes(b'{"n":1}\n' * 9)
    assert read(path) == ([], "corrupt")


def test_an_enormous_text_ends_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(compressed, "TEXT_BYTES", 100_000)
    monkeypatch.setattr(compressed, "TEXT_RATIO", 1)
    path = tmp_path / "t.jsonl.zst"
    path.write_bytes(zstd.compress(b'{"n":1}\n' + b" " * 10_000_000 + b'\n{"n":2}\n'))
    assert read(path) == ([b'{"n":1}'], "too_large")


@pytest.mark.slow
def test_gigabytes_in_a_small_file_are_not_unpacked(tmp_path):
    """4 GiB of text in less than 1 MB. What precedes them counts."""
    path = tmp_path / "t.jsonl.zst"
    frame = zstd.compress(bytes(64 * 1024 * 1024))
    path.write_bytes(zstd.compress(b'{"n":1}\n') + 64 * frame)
    assert path.stat().st_size < 1_000_000
    assert read(path) == ([b'{"n":1}'], "too_large")


@pytest.mark.long
@pytest.mark.parametrize("line", [b"x\n", b"{\n", b"{}\n", b'{x}"\n', b" \n", b'{"a":[]}x\n'])
def test_millions_of_tiny_lines_are_not_read(tmp_path, line):
    """The time that one small file takes is that of one batch, and what is left out is counted."""
    path = tmp_path / "rollout-2026-03-02T10-00-00-t.jsonl.zst"
    path.write_bytes(zstd.compress(line * 3_000_000))
    batch = codex.AGENT.read(str(path), Cursor())
    assert not batch.more
    assert batch.bytes_read < 3 * lines.BATCH_LINES * len(line)
    assert "too_large" in [error.reason for error in batch.errors]


@pytest.mark.slow
def test_many_records_of_usual_length_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "BATCH_LINES", 100)
    line = b'{"text":"%s"}' % (b"x" * compressed.LINE_BYTES)
    path = tmp_path / "t.jsonl.zst"
    path.write_bytes(zstd.compress((line + b"\n") * 30_000))
    assert read(path) == ([line] * 30_000, "")


def test_blank_lines_are_no_records(tmp_path):
    path = tmp_path / "t.jsonl.zst"
    path.write_bytes(zstd.compress(b"\n" * 3_000_000 + b'{"n":1}\n\n\n{"n":2}\n\n'))
    assert read(path) == ([b'{"n":1}', b'{"n":2}'], "")


def test_a_text_of_exactly_the_limit_is_read(tmp_path, monkeypatch):
    path = tmp_path / "t.jsonl.zst"
    path.write_bytes(zstd.compress(b"x" * 999 + b"\n"))
    monkeypatch.setattr(compressed, "TEXT_BYTES", 1000)
    monkeypatch.setattr(compressed, "TEXT_RATIO", 0)
    assert read(path) == ([b"x" * 999], "")


def test_a_window_that_needs_much_memory_is_refused(tmp_path):
    path = tmp_path / "t.jsonl.zst"
    options = {zstd.CompressionParameter.window_log: compressed.WINDOW_LOG_MAX + 1}
    compressor = zstd.ZstdCompressor(options=options)
    path.write_bytes(compressor.compress(b"{}\n" * 10) + compressor.flush())
    assert read(path) == ([], "corrupt")


def test_another_file_in_its_place_is_read_from_the_start(tmp_path):
    path = tmp_path / "t.jsonl.zst"
    path.write_bytes(zstd.compress(b"one\ntwo\n"))
    with LineReader(str(path), Cursor()) as reader:
        list(reader)
        cursor = reader.cursor()
    path.write_bytes(zstd.compress(b"one\ntwo\nthree\n"))
    with LineReader(str(path), cursor) as reader:
        assert [bytes(line) for line in reader] == [b"one", b"two", b"three"]
        assert reader.reset == "rewritten"


def test_a_python_without_zstd_is_reported(tmp_path, monkeypatch):
    path = tmp_path / "t.jsonl.zst"
    path.write_bytes(zstd.compress(b"{}\n"))
    monkeypatch.setitem(sys.modules, compressed.__name__, None)
    with pytest.raises(OSError, match="no zstd module"):
        sources.open_source(str(path))


@pytest.mark.slow
def test_damage_is_counted_once(tmp_path):
    path = tmp_path / "rollout-x.jsonl.zst"
    path.write_bytes(zstd.compress(b"{}\n" * 50_000)[:-3])
    batch = codex.AGENT.read(str(path), Cursor())
    assert [(error.reason, error.count) for error in batch.errors] == [("corrupt", 1)]
    Ledger().record(batch, price=lambda _event: None, project=str)
