"""Write a large home from a small one: every transcript and row is copied with new ids.

usage: multiply.py SEED_HOME DESTINATION [--times 100] [--pad 2000]

SEED_HOME is a home that real agents have written to. Longer texts are padded to `--pad` bytes, the
length of texts in real work. The times of OpenCode's rows are shifted, because they identify a
response.
"""

import argparse
import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

HEX = re.compile(r'(?<=["\-_/#])[0-9a-f]{8}(?=["\-_./#])')  # an id, or what a UUID begins with
ROW_IDS = re.compile(r"\b(?:ses|msg|prt|evt)_\w+")
MILLISECONDS = re.compile(r"\b1[78]\d{11}\b")
TRANSCRIPTS = (
    ".gemini/tmp/*/chats/**/*.jsonl",
    ".qwen/projects/*/*/**/*.jsonl",
    ".copilot/session-state/*/events.jsonl",
    ".copilot/session-state/*/workspace.yaml",
    ".pi/agent/sessions/*/*.jsonl",
    ".cursor/projects/*/agent-transcripts/**/*.jsonl",
)
COPIED = (".gemini/projects.json", ".gemini/tmp/*/.project_root")
DATABASE = ".local/share/opencode/opencode.db"
TABLES = ("session", "message", "part")
LONG = 60  # characters
WORDS = (
    "the reader keeps an offset so that a tick costs only what was appended since the last one. "
)


def padded(value, size):
    """Return a JSON value with its long texts made longer."""
    if isinstance(value, dict):
        return {key: padded(inner, size) for key, inner in value.items()}
    if isinstance(value, list):
        return [padded(inner, size) for inner in value]
    if isinstance(value, str) and len(value) > LONG and " " in value:
        return (value + WORDS * (size // len(WORDS) + 1))[: max(size, len(value))]
    return value


def dumped(text, size):
    """Pad the texts in a JSON text. Return other text unchanged."""
    try:
        return json.dumps(padded(json.loads(text), size), separators=(",", ":"))
    except ValueError:
        return text


def renamed(text, number):
    """Replace the ids in a text. Equal ids get equal replacements."""
    return HEX.sub(lambda found: f"{(int(found[0], 16) + number * 0x9E3779B1) % 2**32:08x}", text)


def multiply_files(seed, home, times, size):
    for path in sorted({path for pattern in TRANSCRIPTS for path in seed.glob(pattern)}):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            text = "".join(dumped(line, size) + "\n" for line in text.splitlines())
        for number in range(times):
            target = home / renamed(f"/{path.relative_to(seed)}", number)[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(renamed(text, number), encoding="utf-8")


def moved(value, number):
    """Return the value of a column with the ids and times of a copy."""
    if isinstance(value, int) and value > 1_700_000_000_000:
        return value + number * 1_000_003
    if not isinstance(value, str):
        return value
    text = ROW_IDS.sub(lambda found: f"{found[0]}x{number}", value)
    return MILLISECONDS.sub(lambda found: str(int(found[0]) + number * 1_000_003), text)


def multiply_database(seed, home, times, size):
    target = home / DATABASE
    target.parent.mkdir(parents=True)
    with closing(sqlite3.connect(f"file:{seed / DATABASE}?mode=ro", uri=True)) as source:
        source.execute(f"VACUUM INTO '{target}'")  # with its journal
    with closing(sqlite3.connect(target)) as database:
        database.execute("PRAGMA journal_mode = wal")
        for table in TABLES:
            rows = [
                tuple(dumped(field, size) if str(field)[:1] == "{" else field for field in row)
                for row in database.execute(f"SELECT * FROM {table}")  # noqa: S608 - a constant
            ]
            marks = ",".join("?" * len(rows[0]))
            for number in range(1, times):
                copies = [tuple(moved(field, number) for field in row) for row in rows]
                database.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", copies)  # noqa: S608
            database.commit()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seed", type=Path)
    parser.add_argument("destination", type=Path)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--pad", type=int, default=2000, help="bytes of a long text")
    options = parser.parse_args()
    seed, home = options.seed, options.destination
    for path in (path for pattern in COPIED for path in seed.glob(pattern)):
        (home / path.relative_to(seed)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, home / path.relative_to(seed))
    multiply_files(seed, home, options.times, options.pad)
    if (seed / DATABASE).exists():
        multiply_database(seed, home, options.times, options.pad)


main()
