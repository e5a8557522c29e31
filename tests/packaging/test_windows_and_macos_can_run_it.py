"""The program needs no function that only POSIX or only Linux has.

`without_posix/sitecustomize.py` removes what Windows does not have. Paths, file sharing and
processes of Windows itself are not tested.
"""

import ast
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from conftest import AGENT_FOLDERS
from driving import build_databases
from processes.builders import U1
from processes.proc_tree import IO, add_process, make_proc
from running import daemon, run, total
from small_homes import TOKENS_OF_A_TURN, claude_file, claude_turns
from without_posix import unix_only

from agtop_exporter import platforms
from agtop_exporter.model import AgtopError
from agtop_exporter.service.installation import install

pytestmark = pytest.mark.integration

PACKAGE = Path(platforms.__file__).parent
WITHOUT_POSIX = {
    "PYTHONPATH": str(Path(__file__).parents[1] / "support" / "without_posix"),
    "USERNAME": "ada",
}
ONCE = ("--once", "--json", "--no-pricing-refresh")
TOKENS = "agtop_tokens_total"

SYSTEM_MODULES = unix_only.MODULES | {"msvcrt", "winreg"}
MODULES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.stem not in {"platforms", "procfs", "process", "child"}  # the last two are of Linux
]
CHANGING = {"generated_at", "scan_duration_seconds", "last_success"}

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="takes away what Linux has")


@pytest.fixture
def home(tmp_path):
    """Return a home with all agents, one of which is running."""
    copy = tmp_path / "home"
    for agent in sorted(AGENT_FOLDERS.iterdir()):
        if (agent / "home").is_dir():
            shutil.copytree(agent / "home", copy, dirs_exist_ok=True)
    build_databases(copy)
    return copy


@pytest.fixture
def proc(tmp_path):
    root = make_proc(tmp_path / "host", int(time.time()) - 10_000)
    add_process(root, 42, "claude", argv=("claude", "-r", U1), start=9_000, io=IO)
    return root


def stable(value):
    """Return a document without the values that differ between two runs."""
    if isinstance(value, dict):
        return {name: stable(item) for name, item in value.items() if name not in CHANGING}
    return [stable(item) for item in value] if isinstance(value, list) else value


@pytest.mark.long
@on_linux
@pytest.mark.parametrize("state", [True, False], ids=["ledger", "no ledger"])
def test_the_figures_are_the_same(home, proc, tmp_path, state):
    def printed(name, **variables):
        flags = ("--state-dir", tmp_path / name) if state else ("--no-state",)
        flags = (*flags, "--procfs", proc)
        document = run("agtop-exporter", *ONCE, *flags, home=home, **variables).stdout
        table = run("agtop", "list", "--no-pricing-refresh", *flags, home=home, **variables).stdout
        return json.loads(document), table

    ours, our_table = printed("posix")
    theirs, their_table = printed("windows", **WITHOUT_POSIX)
    assert stable(theirs) == stable(ours)
    assert their_table == our_table
    assert len(theirs["sessions"]) > 20
    (claude,) = (agent for agent in theirs["agents"] if agent["agent"] == "claude")
    assert claude["processes"] == 1


@pytest.mark.long
@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({}, id="this system"),
        pytest.param(WITHOUT_POSIX, id="without posix", marks=on_linux),
    ],
)
def test_the_daemon_goes_on_from_its_ledger_and_refuses_a_second_one(tmp_path, variables):
    file = claude_file(tmp_path, 1)
    state = ("--state-dir", tmp_path / "state")
    file.write_text(claude_turns(1, range(4)))
    with daemon(tmp_path, *state, **variables) as running:
        running.until(lambda samples: total(samples, TOKENS) == 4 * TOKENS_OF_A_TURN)
        second = run("agtop-exporter", *state, home=tmp_path, check=False, **variables)
        assert (second.returncode, second.stderr.count("\n")) == (1, 1)
        assert "another agtop-exporter already writes to" in second.stderr
        code, _seconds = running.end(signal.SIGTERM)
        assert code == 0 or sys.platform == "win32"  # where it ends a process at once
    file.write_text(claude_turns(1, range(3)))  # shorter: what is counted stays counted
    claude_file(tmp_path, 2).write_text(claude_turns(2, range(2)))
    with daemon(tmp_path, *state, **variables) as running:
        running.until(lambda samples: total(samples, TOKENS) == 6 * TOKENS_OF_A_TURN)
        if sys.platform != "win32":
            assert running.end(signal.SIGINT)[0] == 0


@pytest.mark.long
@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_platforms_and_procfs_depend_on_a_system(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                assert SYSTEM_MODULES.isdisjoint(name.name for name in names)
            case ast.ImportFrom(module=module):
                assert module not in SYSTEM_MODULES
            case ast.Attribute(value=ast.Name(id="sys"), attr=name):
                assert name != "platform"
            case ast.Attribute(value=ast.Name(id="os"), attr=name):
                assert name not in {"name", "uname"}
                assert name not in unix_only.OS
            case ast.Attribute(value=ast.Name(id="signal"), attr=name):
                assert name not in unix_only.SIGNALS
            case ast.Call(func=ast.Name(id="hasattr"), args=[ast.Name(id=name), *_]):
                assert name not in {"os", "signal", "socket", "sys"}
            case _:
                pass


def test_a_service_is_installed_with_systemd_only(tmp_path, monkeypatch):
    monkeypatch.setattr(platforms, "SYSTEMD", False)
    with pytest.raises(AgtopError, match="systemd"):
        install("[Service]\n", {}, home=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_bytes_are_read_alike_without_pread_and_readv(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(100)) + b"\r\n\x1a\n")

    def answers():
        descriptor = platforms.open_for_reading(path)
        buffer = bytearray(20)
        os.lseek(descriptor, 7, os.SEEK_SET)
        try:
            return (
                platforms.read_at(descriptor, 10, 50),
                platforms.read_at(descriptor, 10, 1000),
                platforms.read_into(descriptor, memoryview(buffer)[3:9]),
                bytes(buffer),
                os.read(descriptor, 1000),
                platforms.read_into(descriptor, memoryview(buffer)),
            )
        finally:
            os.close(descriptor)

    with_posix = answers()
    monkeypatch.delattr(os, "pread", raising=False)
    monkeypatch.delattr(os, "readv", raising=False)
    assert answers() == with_posix
    assert with_posix[2] == 6
