"""An id in a record of any agent may be any text: no file is unreadable because of it."""

import json
import re
import sqlite3
from contextlib import closing, suppress

import pytest
from driving import DATABASES
from looking import Look

from agtop_exporter.agents import load_agents
from agtop_exporter.paths import PATH_BYTES_MAX

every_agent = pytest.mark.parametrize("agent", load_agents(), ids=lambda agent: agent.name)
IS_ID = re.compile(r"(?i)id|uuid|parent|original|.*(_id|session|parent)|.*[a-z]Id(?-i:)").fullmatch
IMPOSSIBLE = {
    "path": "../../ada/engine",
    "absolute": "/etc",
    "nul": "a\0b",
    "half a pair": "a\ud800",
    "too long": "a" * (PATH_BYTES_MAX + 1),
    "a long name": "a" * 300,
    "dots": "..",
    "empty": "",
    "pattern": "[*",
}


def renamed(value, name):
    """Return a JSON value in which every id is `name`."""
    if isinstance(value, list):
        return [renamed(each, name) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: name if isinstance(each, str) and IS_ID(key) else renamed(each, name)
        for key, each in value.items()
    }


def renamed_line(line, name):
    try:
        return json.dumps(renamed(json.loads(line), name)).encode()
    except ValueError:  # some lines of the homes are damaged
        return line


def rename_all(home, name):
    """Replace every id in the JSON files of a home."""
    for file in home.rglob("*.json*"):
        if file.suffix in {".json", ".jsonl"}:
            data = file.read_bytes()
            lines = data.splitlines() if file.suffix == ".jsonl" else [data]
            file.write_bytes(b"".join(renamed_line(line, name) + b"\n" for line in lines))


def rename_cells(home, name):
    """Replace every id in the databases of a home, in columns and in JSON."""
    for file in home.rglob("*"):
        if not (file.is_file() and file.suffix in DATABASES):
            continue
        with closing(sqlite3.connect(file)) as database:
            database.execute("PRAGMA ignore_check_constraints = ON")
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                columns = database.execute("SELECT name FROM pragma_table_info(?)", (table,))
                for (column,) in columns.fetchall():
                    rename_column(database, table, column, name)
            database.commit()


def rename_column(database, table, column, name):
    query = f"SELECT rowid, {column} FROM {table} WHERE typeof({column}) = 'text'"  # noqa: S608 - its own
    for rowid, cell in database.execute(query).fetchall():
        new = name if IS_ID(column) else renamed_line(cell.encode(), name).decode()
        with suppress(sqlite3.IntegrityError, UnicodeEncodeError):  # an id that is unique
            database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (new, rowid))  # noqa: S608


@pytest.mark.slow
@every_agent
@pytest.mark.parametrize("name", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_in_any_file_every_file_is_read(agent, home, tmp_path, name):
    rename_all(home, name)
    rename_cells(home, name)
    look = Look(home, agents=[agent], state=tmp_path / "state")
    for _ in range(2):
        look.document()
    assert "cannot read file" not in [event for _, event, _ in look.told]
    look.close()
