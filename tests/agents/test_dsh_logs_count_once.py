"""DeepSeek Harness appends Zstandard frames to its logs, and rewrites them in newer formats."""

import json
import shutil

import pytest
from driving import refresh, used
from places import AGENT_FOLDERS

from agtop_exporter.agents import dsh
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor
from agtop_exporter.reading import compressed

AGENTS = (dsh.AGENT,)
LOGS = AGENT_FOLDERS / "dsh" / "home" / ".dsh" / "sessions" / "--home-ada-shop--"
LATEST = LOGS / "session-aaaa0000-0000-4000-8000-00000000000a" / "session.v4.jsonl"
FIRST = LOGS / "session-cccc0000-0000-4000-8000-00000000000c" / "session.jsonl"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / ".dsh" / "sessions" / "--home-ada-shop--" / "session-a"
    folder.mkdir(parents=True)
    return folder


def usage_of(log, tmp_path):
    """Return the usage in a log that is not compressed, read at once."""
    home = tmp_path / "other"
    folder = home / ".dsh" / "sessions" / "p" / "session-a"
    folder.mkdir(parents=True)
    shutil.copy(log, folder)
    ledger = Ledger()
    refresh(ledger, home, AGENTS)
    return used(ledger)


@pytest.mark.slow
def test_a_log_that_grows_by_frames_is_read_on(folder, tmp_path):
    ledger, log = Ledger(), folder / "session.v4.jsonl.zstd"
    resets = set()
    for line in LATEST.read_bytes().splitlines(keepends=True):
        with log.open("ab") as file:
            file.write(compressed.zstd.compress(line))
        cursor = ledger.cursor("dsh", str(log))
        resets.add(dsh.AGENT.read(str(log), cursor).reset)
        refresh(ledger, tmp_path, AGENTS)
    assert resets == {""}
    assert used(ledger) == usage_of(LATEST, tmp_path)


def test_a_frame_that_is_not_complete_is_read_later(folder, tmp_path):
    log = folder / "session.v4.jsonl.zstd"
    *lines, last = LATEST.read_bytes().splitlines(keepends=True)
    frames = b"".join(compressed.zstd.compress(line) for line in lines)
    torn = compressed.zstd.compress(last)
    ledger = Ledger()
    for content in (frames + torn[:-3], frames + torn):
        log.write_bytes(content)
        refresh(ledger, tmp_path, AGENTS)
    assert used(ledger) == usage_of(LATEST, tmp_path)


def test_a_replaced_log_is_read_from_its_start(folder):
    log = folder / "session.v4.jsonl.zstd"
    log.write_bytes(compressed.zstd.compress(FIRST.read_bytes()))
    cursor = dsh.AGENT.read(str(log), Cursor()).cursor
    log.write_bytes(compressed.zstd.compress(LATEST.read_bytes()))
    batch = dsh.AGENT.read(str(log), cursor)
    assert batch.reset
    assert batch.events == dsh.AGENT.read(str(log), Cursor()).events


def migrated(log):
    """Return a log of version 0 as version 4 of the format, as the program writes it."""
    header, *events = map(json.loads, log.read_bytes().splitlines())
    lines = [{**header, "version": 4, "isSeeded": False}]
    stream, end = [], 0
    for event in events:
        kind, data = event["type"], event.get("data", {})
        if kind == "text-chunks":
            continue
        if kind == "assistant/chunk":
            stream.append({"type": "chunk", "time": event["time"], "chunk": data["chunk"]})
            place, end = (data["turn"], data["step"]), event["time"]
            continue
        if stream and kind != "assistant/message":
            attempt = {"turn": place[0], "step": place[1], "stream": stream}
            lines.append({"type": "assistant/attempt", "time": end, "data": attempt})
        stream = []
        lines.append(event)
    numbered = [{**line, "seq": seq - 1} if seq else line for seq, line in enumerate(lines)]
    return "".join(json.dumps(line) + "\n" for line in numbered)


def test_a_log_in_a_newer_format_adds_nothing(folder, tmp_path):
    ledger = Ledger()
    shutil.copy(FIRST, folder)
    refresh(ledger, tmp_path, AGENTS)
    before = used(ledger)
    newer = folder / "session.v4.jsonl"
    newer.write_text(migrated(FIRST))
    assert [entry.path for entry in dsh.AGENT.files(folder.parent.parent)] == [str(newer)]
    refresh(ledger, tmp_path, AGENTS)
    assert used(ledger) == before
    alone = Ledger()
    (folder / "session.jsonl").unlink()
    refresh(alone, tmp_path, AGENTS)
    assert used(alone) == before
