"""The working directory and the order in which files are found change no figure."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from driving import build_databases
from looking import Look
from transcripts import Claude

HOMES = Path(__file__).parent
UUID = "0dd00000-0000-4000-8000-0000000000{:02}"
SCANDIR = os.scandir
ODD = [  # working directories that are gone, of another system, relative, or none; and the project
    ("/srv/gone/engine/.claude/worktrees/calm-otter/packages/web", "engine"),
    ("/srv/gone/engine/.worktrees/fix-41", "engine"),
    ("/srv/gone/.codex/worktrees/a1b2/engine", "engine"),
    ("/tmp/tmp.Xa3fQ2b1/engine", "engine"),
    (r"C:\Users\ada\code\engine", "engine"),
    (r"\\wsl.localhost\Ubuntu\srv\gone\engine", "engine"),
    ("engine", "engine"),
    ("src/engine", "engine"),
    ("~/engine", "engine"),
    (".", None),
    ("~", None),
    ("/srv/\0/engine", None),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a home with the files of all agents, and with unusual working directories."""
    home = tmp_path_factory.mktemp("all") / "home"
    for golden in sorted(HOMES.glob("*/home")):
        shutil.copytree(golden, home, dirs_exist_ok=True, copy_function=shutil.copy2)
    build_databases(home)
    for number, (cwd, _) in enumerate(ODD):
        chat = Claude(home / ".claude/projects" / f"-odd{number}", UUID.format(number))
        chat.assistant(f"odd-{number}", usage={"input_tokens": 1, "output_tokens": 1}, cwd=cwd)
        chat.write()
    return home


@contextmanager
def listed(order):
    """Make the listing of every directory use a given order."""

    class Entries:
        def __init__(self, path="."):
            with SCANDIR(path) as entries:
                self._entries = sorted(entries, key=lambda entry: entry.name, reverse=order < 0)

        def __iter__(self):
            return iter(self._entries)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    os.scandir = Entries
    try:
        yield
    finally:
        os.scandir = SCANDIR


def sessions(home, order):
    look = Look(home)
    with listed(order):
        found = look.sessions()
    look.close()
    return found


@pytest.mark.long
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("start", ["/", "checkout"])
def test_sessions_are_the_same(home, start, order, tmp_path, monkeypatch):
    expected = sessions(home, 1)
    if start == "checkout":
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git/config").write_text('[remote "origin"]\n\turl = x:ada/other.git\n')
        for folder in ("engine", "src/engine", "~/engine", r"C:\Users\ada\code\engine"):
            (tmp_path / folder).mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
    else:
        monkeypatch.chdir("/")
    found = sessions(home, order)
    assert found.keys() == expected.keys()
    differing = {key: (one, expected[key]) for key, one in found.items() if one != expected[key]}
    assert differing == {}
    for number, (_, project) in enumerate(ODD):
        assert found[UUID.format(number)]["project"] == project
