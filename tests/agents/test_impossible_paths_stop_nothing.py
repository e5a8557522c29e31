"""An invalid path in a record of any agent is ignored, and the rest of the record is used."""

import base64
import json
import os
import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from driving import DATABASES, used
from hypothesis import given
from hypothesis import strategies as st
from looking import Look
from small_homes import claude_file, claude_turns

from agtop_exporter.agents import load_agents, named_path
from agtop_exporter.agents.antigravity import state as antigravity_state
from agtop_exporter.agents.claude import AGENT as CLAUDE
from agtop_exporter.folders import Folders
from agtop_exporter.ledger.records import merge_facts
from agtop_exporter.model import SessionUpdate
from agtop_exporter.paths import PATH_BYTES_MAX, clean_path, path_of_uri
from agtop_exporter.project import project_name

AGENTS = load_agents()
every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
HOME = "/home/ada"  # every path in the golden homes begins so
JSON_SUFFIXES = (".json", ".jsonl", ".replaced", ".log")
IMPOSSIBLE = {
    "nul": "/home\0ada",
    "nuls": "\0" * len(HOME),
    "half a pair": "/home\ud800ada",
    "too long": "/home/" + "a" * PATH_BYTES_MAX,
}
texts = st.text(st.characters(), max_size=40) | st.sampled_from(
    [*IMPOSSIBLE.values(), "x/" * 3000, "/" + "é" * 2048, "~\0", "/tmp/\ud800"]
)


# --- every file of every agent --------------------------------------------------------------


def poison(home, path):
    """Replace every path in the files of a home; return the number of replaced paths."""
    count = 0
    for file in [file for file in home.rglob("*") if file.is_file()]:
        if file.suffix in DATABASES:
            count += poison_cells(file, path)
        else:
            data = file.read_bytes()
            replace = in_json if file.suffix in JSON_SUFFIXES else in_text
            file.write_bytes(replace(data, path))
            count += data.count(HOME.encode())
    return count


def in_text(data, path):
    return data.replace(HOME.encode(), path.encode("utf-8", "surrogatepass"))


def in_json(data, path):
    in_uri = path.replace("\0", "%00").encode("utf-8", "replace")
    data = data.replace(f"file://{HOME}".encode(), b"file://" + in_uri)
    return data.replace(HOME.encode(), json.dumps(path)[1:-1].encode())


def in_base64(data, path):
    """Replace text of the same length within base64, which may contain base64 itself."""
    if len(path) != len(HOME):
        return data
    decoded = in_text(base64.b64decode(data), path)
    return base64.b64encode(re.sub(rb"[A-Za-z0-9+/=]{40,}", lambda m: nested(m[0], path), decoded))


def nested(data, path):
    return base64.b64encode(in_text(base64.b64decode(data), path))


def poison_cells(file, path):
    count = 0
    with closing(sqlite3.connect(file)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            rows = database.execute(f"SELECT rowid, * FROM {table}")  # noqa: S608 - its own
            names = [column[0] for column in rows.description]
            for rowid, *cells in rows.fetchall():
                for name, cell in zip(names[1:], cells, strict=True):
                    if (
                        isinstance(cell, str)
                        and (new := poisoned_cell(cell, path)) != cell.encode()
                    ):
                        update = f"UPDATE {table} SET {name} = CAST(? AS TEXT) WHERE rowid = ?"  # noqa: S608 - its own
                        database.execute(update, (new, rowid))
                        count += 1
        database.commit()
    return count


def poisoned_cell(cell, path):
    data = cell.encode()
    if re.fullmatch(rb"[A-Za-z0-9+/=]{40,}", data):
        with suppress(ValueError):
            return in_base64(data, path)
    return (in_json if data[:1] == b"{" else in_text)(data, path)


def holds_none(agent, path):
    """Return whether the files of an agent contain no paths, as those of Cursor."""
    return agent.name == "cursor" or (agent.name == "antigravity" and len(path) != len(HOME))


def counted(look):
    """Return the tokens and all other totals that are not by project."""
    totals = used(look._pipeline.ledger)  # noqa: SLF001 - no public method covers all agents
    return {series: value for series, value in totals.items() if not series[0].startswith("proj")}


@pytest.mark.long
@every_agent
@pytest.mark.parametrize("path", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_in_any_file_it_costs_nothing_else(agent, home, tmp_path, path):
    """After two refreshes and a restart, all sessions are listed with all their tokens."""
    whole = Look(home, agents=[agent])
    expected, figures = whole.sessions(), counted(whole)
    assert expected
    assert poison(home, path) or holds_none(agent, path)
    look = Look(home, agents=[agent], state=tmp_path / "state")
    for _ in range(2):
        assert look.sessions().keys() == expected.keys()
        assert counted(look) == figures
    assert "cannot read file" not in [event for _, event, _ in look.told]
    look.close()
    again = Look(home, agents=[agent], state=tmp_path / "state")
    sessions = again.sessions()
    assert sessions.keys() == expected.keys()
    assert counted(again) == figures
    assert again.told == []
    again.close()
    if "\0" in path:
        assert not any("\0" in (session["cwd"] or "") for session in sessions.values())


@pytest.mark.slow
@every_agent
def test_a_stored_one_hides_no_session(agent, home, tmp_path):
    """Earlier versions stored a directory with a NUL, and showed no session after a restart."""
    before = Look(home, agents=[agent], state=tmp_path / "state")
    expected, figures = before.sessions(), counted(before)
    before.close()
    poison_stored(tmp_path / "state" / "ledger.db")
    look = Look(home, agents=[agent], state=tmp_path / "state")
    sessions = look.sessions()
    assert sessions.keys() == expected.keys()
    assert counted(look) == figures
    assert {session["cwd"] for session in sessions.values()} == {None}
    look.close()


def poison_stored(ledger):
    """Write the data of an earlier version: the directory as it was read, and no project."""
    with closing(sqlite3.connect(ledger)) as database, database:
        update = "UPDATE sessions SET cwd = '/home/ada' || char(0), project = ''"
        assert database.execute(update).rowcount > 0


def test_the_next_directory_is_taken(tmp_path):
    """One torn line does not remove the project of the session, and is counted once."""
    torn, *rest = claude_turns(1, range(3)).splitlines(keepends=True)
    path = claude_file(tmp_path)
    path.write_text(torn.replace('"/tmp/alpha"', '"/tmp/al\\u0000"') + "".join(rest))
    look = Look(tmp_path, agents=[CLAUDE])
    [session] = look.sessions().values()
    assert (session["cwd"], session["project"]) == ("/tmp/alpha", "alpha")
    assert look.samples()["agtop_parse_errors_total", "claude", "schema"] == 1


def test_a_refused_directory_gives_way_to_another():
    torn = SessionUpdate(session_id="s", started_at=1.0)
    torn.cwd = "/tmp/\0"  # as a reader might that does not check it
    good = SessionUpdate(session_id="s", cwd="/tmp/alpha", started_at=2.0)
    empty = SessionUpdate(session_id="s")
    assert merge_facts(empty, torn).cwd == ""
    assert merge_facts(merge_facts(empty, torn), good).cwd == "/tmp/alpha"


def test_a_malformed_uri_is_passed_over():
    """A conversation of Antigravity may have several folders, and any of them may be invalid."""
    uris = ["file://[half", "file:///src/%00", "file:///src/engine"]
    summary = {number: [uri.encode()] for number, uri in enumerate(uris, start=9)}
    assert antigravity_state.update("s", summary).cwd == "/src/engine"


# --- what looks at a path -------------------------------------------------------------------


@pytest.mark.slow
@given(text=texts)
def test_a_path_is_kept_or_refused(text):
    path = clean_path(text)
    assert path in ("", text)
    path.encode()
    with suppress(OSError):
        os.stat(path)  # noqa: PTH116 - a ValueError would be a path that is none


@given(text=texts)
def test_a_uri_never_raises(text):
    for uri in (text, f"file://{text}", f"file://host/{text}"):
        assert clean_path(path_of_uri(uri)) == path_of_uri(uri)


FOLDERS = Folders({})


@pytest.mark.slow
@given(text=texts)
def test_looking_at_a_directory_never_raises(text):
    for cwd in (text, f"/{text}"):
        project_name(cwd).encode()
        FOLDERS.find(cwd)


def test_a_project_of_nothing_is_none():
    """An empty directory is not the working directory of the exporter."""
    assert project_name("") == ""


def test_a_loop_of_links_gives_the_folders_name(tmp_path):
    folder, loop = tmp_path / "engine", tmp_path / "loop"
    folder.mkdir()
    loop.symlink_to(loop)
    (folder / ".git").write_text(f"gitdir: {loop}/.git\n")
    assert project_name(str(folder)) == "engine"


def test_a_pipe_in_a_repository_does_not_block(tmp_path):
    folder = tmp_path / "engine"
    (folder / ".git").mkdir(parents=True)
    os.mkfifo(folder / ".git" / "config")
    assert project_name(str(folder)) == "engine"


# --- what names a data directory ------------------------------------------------------------


@pytest.mark.long
@every_agent
@pytest.mark.parametrize("name", ["~nobody-has-this-name/x", "/" + "a" * 5000, "/tmp/\udcff"])
def test_a_variable_may_name_anything(agent, home, name):
    """An unreadable directory is reported, and other directories are still counted."""
    variables = ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME", "CURSOR_DATA_DIR")
    variables += ("GEMINI_CLI_HOME", "GEMINI_DATA_DIR", "GEMINI_TELEMETRY_OUTFILE", "QWEN_HOME")
    variables += ("QWEN_RUNTIME_DIR", "OPENCODE_DATA_DIR", "OPENCODE_DB", "PI_CODING_AGENT_DIR")
    variables += ("PI_CODING_AGENT_SESSION_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    look = Look(home, agents=[agent], environment=dict.fromkeys(variables, name))
    look.document()
    assert named_path("~nobody-has-this-name/x") == Path("~nobody-has-this-name/x")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["/tmp/\0", "~\0/x", "/" + "a" * 5000])
def test_settings_may_name_anything(name, tmp_path):
    for path, document in (
        (".gemini/settings.json", {"telemetry": {"outfile": name}}),
        (".pi/agent/settings.json", {"sessionDir": name}),
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(json.dumps(document))
    look = Look(tmp_path)
    look.document()
    assert look.told == []


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("agent", "place", "document"),
    [
        ("gemini", ".gemini/settings.json", {"telemetry": {"outfile": "/tmp/elsewhere/x.log"}}),
        ("pi", ".pi/agent/settings.json", {"sessionDir": "/tmp/elsewhere"}),
    ],
)
def test_settings_may_begin_with_a_byte_order_mark(tmp_path, agent, place, document, mark):
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text(mark + json.dumps(document), encoding="utf-8")
    (found,) = [one for one in load_agents() if one.name == agent]
    assert any(str(root).startswith("/tmp/elsewhere") for root in found.roots(tmp_path, {}))


@pytest.mark.slow
def test_a_name_that_is_not_utf_8_is_reported(tmp_path):
    """Neither the ledger nor a page can contain it. Other files are read."""
    claude_file(tmp_path).write_text(claude_turns(1, range(2)))
    folder = os.fsencode(tmp_path) + b"/.claude/projects/-tmp-\xff"
    os.mkdir(folder)  # noqa: PTH102 - a path of bytes
    Path(os.fsdecode(folder), "other.jsonl").write_text(claude_turns(2, range(2)))
    look = Look(tmp_path, agents=[CLAUDE], state=tmp_path / "state")
    for _ in range(2):
        assert len(look.sessions()) == 1
    [(level, event, fields)] = look.told
    assert (level, event, fields["reason"]) == (
        "warning",
        "cannot read file",
        "its path is not UTF-8",
    )
    assert fields["file"] == "other.jsonl"
    look.close()


# --- a failure --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_failed_refresh_loses_no_session(tmp_path, monkeypatch):
    """The refresh after a failed one shows all sessions of the ledger."""
    claude_file(tmp_path).write_text(claude_turns(1, range(2)))
    look = Look(tmp_path, agents=[CLAUDE])
    for number in (2, 3):
        claude_file(tmp_path, number).write_text(claude_turns(number, range(2)))
        with monkeypatch.context() as patched:
            patched.setattr(look.pipeline.pairing, "add", fail)
            assert look.at().errors
        assert len(look.sessions()) == number


def fail(_records):
    raise ValueError("out of order")
