"""If reader state cannot be decoded, the file is read again and nothing is counted twice."""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from driving import DATABASES, read_on, transcripts, used
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents import load_agents
from agtop_exporter.labels import RESET_REASONS
from agtop_exporter.ledger import Ledger
from agtop_exporter.metrics import CATALOGUE
from agtop_exporter.model import Cursor
from agtop_exporter.reading.state import NoState, ReaderState, restore

STATELESS = ("auggie", "cline", "openhands")  # agents whose files are all documents
AGENTS = [agent for agent in load_agents() if agent.name not in STATELESS]
every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
BEFORE_OTHERS = (
    # MiMo Code writes which messages are imported in the transaction that writes the messages.
    *('INSERT INTO "external_import"', 'INSERT INTO "claude_import"'),
    # Goose writes the provider of a session, here Claude Code, before the usage of the session.
    """INSERT INTO "sessions" VALUES('20260905_1'""",
)
PROJECT_TOTALS = ("project_tokens", "project_cost")


def positional(state):
    """Return state in the form of version 1: positional, or a chat without a wrapper."""
    fields = msgspec.msgpack.decode(state)
    old = fields["document"] if list(fields) == ["document"] else list(fields.values())
    return msgspec.msgpack.encode(old)


def with_unknown_field(state):
    return msgspec.msgpack.encode({**msgspec.msgpack.decode(state), "of_a_later_version": 1})


DAMAGES = {
    "garbage": lambda _: b"\xc1 no MessagePack",
    "half": lambda state: state[:-1] or b"\xc1",
    "positional": positional,
    "later version": with_unknown_field,
}


def split(home):
    """Remove the later half of all files; return functions that restore it."""
    restores = []
    for path in sorted(Path(home).rglob("*")):
        if path.suffix == ".jsonl":
            data = path.read_bytes()
            lines = data.splitlines(keepends=True)
            path.write_bytes(b"".join(lines[: len(lines) // 2]))
            restores.append(lambda path=path, data=data: path.write_bytes(data))
        elif path.name.endswith(DATABASES):
            restores.append(split_database(path))
        elif path.match("msg_*.json") and path.name > "msg_1":
            data = path.read_bytes()
            path.unlink()
            restores.append(lambda path=path, data=data: path.write_bytes(data))
    return restores


def split_database(path):
    with closing(sqlite3.connect(path)) as finished:
        statements = [
            each for each in finished.iterdump() if each not in ("BEGIN TRANSACTION;", "COMMIT;")
        ]
    path.unlink()
    tables = [each for each in statements if each.startswith("CREATE")]
    rows = [each for each in statements if not each.startswith("CREATE")]
    first = [each for each in rows if each.startswith(BEFORE_OTHERS)]
    rows = [each for each in rows if each not in first]
    execute(path, tables + first + rows[::2])
    return lambda: execute(path, rows[1::2])


def execute(path, statements):
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def read_home(ledger, home, agent):
    for _, path in transcripts(home, [agent]):
        read_on(ledger, agent, path)


def figures(ledger):
    """Return the totals over all projects, and the usage of each session."""
    sums = Counter()
    for (name, *labels), value in used(ledger).items():
        sums[name, *(() if name in PROJECT_TOTALS else labels)] += value
    return sums, {
        key: (each.models, each.tools, each.turns, each.compactions)
        for key, each in ledger.sessions.items()
    }


@pytest.mark.long
@every_agent
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_state_that_cannot_be_decoded(agent, home, tmp_path, damage):
    once = Ledger()
    read_home(once, home, agent)
    base = tmp_path / "damaged"
    shutil.copytree(home, base)
    restores = split(base)
    ledger = Ledger()
    read_home(ledger, base, agent)
    for path, cursor in tuple(ledger.cursors.get(agent.name, {}).items()):
        if cursor.state:
            broken = msgspec.structs.replace(cursor, state=damage(cursor.state))
            ledger.set_cursor(agent.name, path, broken)
    for bring_back in restores:
        bring_back()
    read_home(ledger, base, agent)
    assert figures(ledger) == figures(once)
    assert ledger.totals["source_resets", agent.name, "state"] > 0


class State(ReaderState):
    """An arbitrary state."""

    number: int = 0
    names: dict[str, str] = msgspec.field(default_factory=dict)


@given(data=st.binary(min_size=1, max_size=60))
def test_any_bytes_are_state_or_a_reason_to_read_again(data):
    state, cursor, reason = restore(Cursor(offset=7, state=data), State)
    assert (reason, cursor.offset) in [("", 7), ("state", 0)]
    if reason:
        assert state == State()


def test_state_grows_by_new_fields():
    """A field that an older version lacks has its default."""
    older = msgspec.msgpack.encode({"number": 3})
    assert restore(Cursor(state=older), State)[::2] == (State(3), "")
    assert restore(Cursor(state=msgspec.msgpack.encode({})), NoState)[2] == ""


def test_the_catalogue_has_all_reset_reasons():
    metric = next(each for each in CATALOGUE if each.name == "agtop_source_resets_total")
    assert len(RESET_REASONS) in [limit.number for limit in metric.limits]
