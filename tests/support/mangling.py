"""Damages agents' files as a disk, a crash or another version may do it."""

import contextlib
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from driving import DATABASES, read_on, transcripts, used

from agtop_exporter.ledger import Ledger

PAGE_BYTES = 4096
STRANGE = (None, True, -1, 0, 2**63 - 1, 1e308, "", "-1", "\0", "0001-01-01T00:00:00Z", [], {})
STRANGE_CELLS = (None, -1, 2**63 - 1, 1e308, "", "\0", b"\xff\0\xfe", "{", "[]", '{"a":' * 2000)


def random_bytes(data, random):
    return random.randbytes(max(1, len(data)))


def random_lines(_data, random):
    return b"\n".join(random.randbytes(random.randrange(200)) for _ in range(30)) + b"\n"


def cut(data, random):
    return data[: random.randrange(len(data) + 1)]


def overwritten(data, random):
    """Overwrite some ranges of up to a page with random bytes or NULs."""
    damaged = bytearray(data)
    for _ in range(random.randrange(1, 5)):
        begin = random.randrange(len(data) + 1)
        length = min(random.randrange(1, PAGE_BYTES), len(data) - begin)
        damaged[begin : begin + length] = random.choice((random.randbytes(length), bytes(length)))
    return bytes(damaged)


def pages_overwritten(data, random):
    """Overwrite pages except the first, so that the database can still be opened."""
    pages = [data[at : at + PAGE_BYTES] for at in range(0, len(data), PAGE_BYTES)]
    for number in range(1, len(pages)):
        if random.random() < 0.3:
            pages[number] = random.randbytes(len(pages[number]))
    return b"".join(pages)


def bits_flipped(data, random):
    damaged = bytearray(data)
    for _ in range(min(len(data), 8)):
        damaged[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def nested(data, random):
    """Insert deeply nested brackets in the middle."""
    at = random.randrange(len(data) + 1)
    return data[:at] + b"[" * 30_000 + b"]" * random.choice((0, 30_000)) + data[at:]


def surrogates(data, random):
    """Add a lone surrogate to the start of some strings."""
    parts = data.split(b'":"')
    for number in range(1, len(parts)):
        if random.random() < 0.3:
            parts[number] = random.choice((b"\\ud800", b"\xed\xa0\x80")) + parts[number]
    return b'":"'.join(parts)


def strange_fields(data, random):
    """Set one field of each record, or of the document, to an unexpected value."""
    try:
        return json.dumps(strange_field(json.loads(data), random)).encode()
    except ValueError:
        lines = (strange_line(line, random) for line in data.splitlines())
        return b"\n".join(lines) + b"\n"


def strange_line(line, random, values=STRANGE):
    try:
        changed = strange_field(json.loads(line), random, values)
        return json.dumps(changed, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return line


def strange_field(value, random, values=STRANGE):
    """Change one field at a random depth to one of the values."""
    if not isinstance(value, dict | list) or not value:
        return random.choice(values)
    key = random.choice(list(value) if isinstance(value, dict) else range(len(value)))
    inner = value[key]
    deeper = isinstance(inner, dict | list) and random.random() < 0.8
    value[key] = strange_field(inner, random, values) if deeper else random.choice(values)
    return value


MANGLINGS = (random_bytes, random_lines, cut, overwritten, pages_overwritten, bits_flipped)
TEXT_MANGLINGS = (nested, surrogates, strange_fields)


def is_database(path):
    return str(path).endswith(DATABASES)


def mangled_rows(path, random, *, changes=8):
    """Change some cells of a database. JSON in a cell is changed inside."""
    with closing(sqlite3.connect(path)) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master")]
        for _ in range(changes):
            mangled_row(database, random.choice(names), random)
        database.commit()


def mangled_row(database, table, random):
    try:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        rows = database.execute(f"SELECT rowid, * FROM {table}").fetchall()  # noqa: S608 - its own
        row, number = random.choice(rows), random.randrange(len(columns))
        cell, new = row[number + 1], random.choice(STRANGE_CELLS)
        if isinstance(cell, str) and cell[:1] == "{" and random.random() < 0.8:
            new = strange_line(cell, random)
        update = f"UPDATE {table} SET {columns[number]} = ? WHERE rowid = ?"  # noqa: S608 - its own
        database.execute(update, (new, row[0]))
    except (sqlite3.Error, IndexError):
        return  # an index, a table without rows, or a cell that may not be changed so


def damaged_homes(agent, home, random):
    """Damage each transcript in each way, one at a time; yield the path and the way."""
    for _, name in transcripts(home, [agent]):
        path = Path(name)
        original = path.read_bytes()
        ways = MANGLINGS if is_database(path) else MANGLINGS + TEXT_MANGLINGS
        for way in ways:
            path.write_bytes(way(original, random))
            yield path, way.__name__
            path.write_bytes(original)
        if is_database(path):
            mangled_rows(path, random)
            yield path, mangled_rows.__name__
            path.write_bytes(original)


def read_all(agent, paths, state=None):
    """Read files as a scan does, and skip unreadable files."""
    ledger = Ledger(state)
    for path in paths:
        with contextlib.suppress(OSError):
            read_on(ledger, agent, str(path))
    ledger.commit()
    return ledger


def paths_of(agent, home):
    return [Path(path) for _, path in transcripts(home, [agent])]


def unrelated(path, paths):
    """Leave out the sessions that other files or telemetry derive from this file."""
    return [
        other
        for other in paths
        if other == path or (other.stem != path.stem and other.name != "telemetry.log")
    ]


def sums(ledger):
    """Return the usage by kind and token type, because damage may change names."""
    found = Counter()
    for (kind, *labels), value in used(ledger).items():
        if "cost" not in kind and not kind.startswith("project"):
            found[kind, labels[-1] if kind == "tokens" else ""] += value
    return found


def sums_without(agent, path, paths):
    """Return the usage of all files except one, which is removed."""
    away = path.with_name("away")
    path.rename(away)
    try:
        return sums(read_all(agent, paths))
    finally:
        away.rename(path)
