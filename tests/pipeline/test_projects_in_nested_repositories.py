"""Of nested repositories, the nearest one counts. A malicious `.git` file stops no refresh."""

import os

import pytest

from agtop_exporter.project import project_name


def repository(folder, name):
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").write_text(f'[remote "origin"]\n\turl = x:ada/{name}.git\n')
    return folder


def test_the_nearest_repository_counts(tmp_path):
    outer = repository(tmp_path / "outer", "engine")
    deep = repository(outer / "vendor" / "gears", "gears") / "src" / "teeth"
    deep.mkdir(parents=True)
    assert project_name(str(deep)) == "gears"
    assert project_name(str(outer / "vendor")) == "engine"


def test_a_submodule_has_its_own_remote(tmp_path):
    outer = repository(tmp_path / "outer", "engine")
    module = outer / ".git" / "modules" / "gears"
    module.mkdir(parents=True)
    (module / "config").write_text('[remote "origin"]\n\turl = ../gears.git\n')
    (outer / "gears").mkdir()
    (outer / "gears" / ".git").write_text("gitdir: ../.git/modules/gears\n")
    assert project_name(str(outer / "gears")) == "gears"


@pytest.mark.parametrize("place", [".git", ".git/config", "pointer"])
def test_a_pipe_is_not_waited_for(tmp_path, place):
    """Opening a FIFO blocks until another process writes to it."""
    root = tmp_path / "engine"
    root.mkdir()
    if place == ".git/config":
        (root / ".git").mkdir()
    if place == "pointer":
        place = "worktree/commondir"
        (root / ".git").write_text("gitdir: worktree\n")
        (root / "worktree").mkdir()
    os.mkfifo(root / place)
    assert project_name(str(root)) == "engine"


@pytest.mark.parametrize("text", ["gitdir: \0", "\0", "x" * 10_000, "gitdir: " + "y/" * 2000])
def test_a_pointer_that_is_no_path_gives_the_folders_name(text, tmp_path):
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / ".git").write_text(text)
    assert project_name(str(tmp_path / "engine")) == "engine"


def test_a_name_is_not_looked_for_where_the_program_runs(tmp_path, monkeypatch):
    """Cursor's transcripts may contain only the name of a folder."""
    monkeypatch.chdir(repository(tmp_path / "outer", "gears"))
    assert project_name("home-ada-src-engine") == "home-ada-src-engine"


def test_an_empty_git_directory_is_no_repository(tmp_path):
    """A sandbox creates `.git` in its working directory to protect it (openai/codex 37318)."""
    outer = repository(tmp_path / "outer", "engine")
    (outer / "packages" / "web" / ".git").mkdir(parents=True)
    assert project_name(str(outer / "packages" / "web")) == "engine"


def test_a_link_into_a_repository_belongs_to_it(tmp_path):
    """Some agents record the path in PWD, which contains the link."""
    web = repository(tmp_path / "outer", "engine") / "packages" / "web"
    web.mkdir(parents=True)
    (tmp_path / "shortcut").symlink_to(web)
    assert project_name(str(tmp_path / "shortcut")) == "engine"
    (tmp_path / "plain").mkdir()
    (tmp_path / "name").symlink_to(tmp_path / "plain")
    assert project_name(str(tmp_path / "name")) == "name"
