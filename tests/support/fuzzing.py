"""Reads one changed file of an agent's golden home, as a fuzzer wants it, and checks the result.

An *input* is a line with the path of a file in the golden home, and the new content of this file:

* `X.jsonl`, `X.json` and other text: the bytes of the file.
* `X.db` and `X.vscdb`: the bytes of a database, or the cells of the golden database in the order of
  `cells_of`, with CELL between them.
* `X.zst`: compressed bytes, or a text that is compressed before it is written.
"""

import shutil
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from zlib import crc32

import msgspec
from driving import DATABASES, build_databases, read_on, transcripts
from mangling import sums
from places import AGENT_FOLDERS, TESTS

from agtop_exporter.ledger import Ledger

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CORPUS = TESTS / "fuzz" / "corpus"  # a file per agent: inputs in a compressed msgpack array
CELL = b"\n\x1e\n"
SQLITE, ZSTD = b"SQLite format 3\0", b"\x28\xb5\x2f\xfd"
CPU_SECONDS_MAX = 2.0  # for an input of at most INPUT_BYTES; most take a few milliseconds
INPUT_BYTES = 32 * 1024
EACH = 3  # a third of the inputs is also read in two parts


class Broken(Exception):  # noqa: N818 - it is a finding
    """A reader broke a rule; the message says which."""


def stored_inputs(agent):
    """Return the inputs of an agent that the tests replay."""
    data = (CORPUS / f"{agent}.msgpack.zst").read_bytes()
    return msgspec.msgpack.decode(zstd.decompress(data), type=list[bytes])


def store_inputs(agent, inputs):
    """Write the inputs of an agent that the tests replay."""
    CORPUS.mkdir(exist_ok=True)
    data = msgspec.msgpack.encode(sorted(inputs))
    (CORPUS / f"{agent}.msgpack.zst").write_bytes(zstd.compress(data, 19))


class Target:
    """A writable copy of the golden home of one agent, whose files inputs replace."""

    def __init__(self, agent, folder):
        self.agent, self.home = agent, Path(folder, "home")
        shutil.copytree(AGENT_FOLDERS / agent.name / "home", self.home)
        build_databases(self.home)
        self._transcripts = {path for _, path in transcripts(self.home, [agent])}
        self._files = {
            str(path.relative_to(self.home)).encode(): path.read_bytes()
            for path in sorted(self.home.rglob("*"))
            if path.is_file()
        }

    def seeds(self):
        """Return an input for each file, which changes nothing."""
        return [self.seed(name) for name in self._files]

    def seed(self, name):
        """Return the input for one file."""
        content = self._files[name]
        if name.decode().endswith(DATABASES):
            with closing(sqlite3.connect(self.home / name.decode())) as database:
                content = CELL.join(_bytes_of(cell) for *_, cell in cells_of(database))
        elif name.endswith(b".zst"):
            content = zstd.decompress(content)
        return name + b"\n" + content

    def knows(self, data):
        """Return whether the file of an input is in the golden home."""
        return data.partition(b"\n")[0] in self._files

    def check(self, data):
        """Read the home with one changed file. Raises Broken, or what a reader raises."""
        name, _, content = data.partition(b"\n")
        if name not in self._files:
            return
        path = self.home / name.decode()
        try:
            self._write(path, name, content)
            self._read(path)
        finally:
            path.write_bytes(self._files[name])
            for ending in ("-journal", "-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)

    def _write(self, path, name, content):
        if path.name.endswith(DATABASES) and not content.startswith(SQLITE):
            path.write_bytes(self._files[name])
            _set_cells(path, content.split(CELL))
        elif path.suffix == ".zst" and not content.startswith(ZSTD):
            path.write_bytes(zstd.compress(content))
        else:
            path.write_bytes(content)

    def _read(self, path):
        """Read a transcript; after a change of another file, all transcripts and accounts."""
        paths = [str(path)]
        if paths[0] not in self._transcripts:
            paths = [found for _, found in transcripts(self.home, [self.agent])]
            self._ask_for_accounts()
        began, ledger = time.process_time(), Ledger()
        for each in paths:
            with suppress(OSError):
                read_on(ledger, self.agent, each)
        ledger.commit()
        took = time.process_time() - began
        check_totals(ledger)
        if took > CPU_SECONDS_MAX:
            raise Broken(f"{took:.1f} s of CPU time")
        if path.suffix == ".jsonl" and str(path) in self._transcripts:
            self._read_in_two_parts(path, _lasting(sums(ledger)))
        ledger.close()

    def _read_in_two_parts(self, path, whole):
        """Check that a read while the file is written changes no sum. The content says where."""
        content = path.read_bytes()
        number = crc32(content)
        if number % EACH:
            return
        ledger = Ledger()
        for end in (number // EACH % (len(content) + 1), len(content)):
            path.write_bytes(content[:end])
            with suppress(OSError):
                read_on(ledger, self.agent, str(path))
        grown = _lasting(sums(ledger))
        ledger.close()
        if grown != whole:
            kinds = sorted({kind for kind, _ in ((grown - whole) + (whole - grown))})
            raise Broken(f"growth changes {'+'.join(kinds)}")

    def _ask_for_accounts(self):
        self.agent.plan(self.home, {})
        for root in self.agent.roots(self.home, {}):
            self.agent.account(root.parent)
            self.agent.account_plan(root.parent)
        if self.agent.live_registry:
            self.agent.live_registry(self.home, {})


def _lasting(sums):
    """Return the sums that cannot depend on the number of reads, whatever a file contains.

    A later record may remove a tool call, or divide a prompt differently into token types.
    """
    lasting = Counter()
    for (kind, label), value in sums.items():
        if not kind.startswith("tool_call"):
            is_prompt = kind == "tokens" and label != "output"
            lasting[kind, "prompt" if is_prompt else label] += value
    return lasting


def check_totals(ledger):
    """Raise Broken if a figure is negative, or if the ledger has lost its disk."""
    for series, value in ledger.totals.items():
        if value < 0:
            raise Broken(f"negative: {series}")
        if series[0] == "parse_errors" and series[-1] == "negative":
            raise Broken(f"a reader made a negative event: {series}")
    if ledger.warning:
        raise Broken(ledger.warning)


def cells_of(database):
    """Return (table, row id, column, value) of each cell of a database."""
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name"
    found = []
    for (table,) in database.execute(names).fetchall():
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        with suppress(sqlite3.OperationalError):  # a table WITHOUT ROWID
            rows = database.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid").fetchall()  # noqa: S608 - its own
            found += [
                (table, row[0], column, value)
                for row in rows
                for column, value in zip(columns, row[1:], strict=True)
            ]
    return found


def _bytes_of(cell):
    return b"" if cell is None else cell if isinstance(cell, bytes) else str(cell).encode()


def _set_cells(path, values):
    """Set the cells of a database. An empty value is NULL; what is not UTF-8 is a BLOB."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN")
        for (table, rowid, column, old), value in zip(cells_of(database), values, strict=False):
            if value != _bytes_of(old):
                update = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"  # noqa: S608 - its own
                with suppress(sqlite3.Error):  # a constraint
                    database.execute(update, (_cell(value, old), rowid))
        database.execute("COMMIT")


def _cell(value, old):
    if isinstance(old, bytes) or not value:
        return value or None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
