"""Checkouts without a `.git` have the name of their repository, not that of a folder in them."""

import pytest

from agtop_exporter.project import Rules, project_name


@pytest.fixture
def main(tmp_path):
    """Write a jj repository beside a `.git` directory; return its folder."""
    store = tmp_path / "copy-7" / ".jj" / "repo" / "store"
    store.mkdir(parents=True)
    (store / "git_target").write_text("../../../.git")
    (tmp_path / "copy-7" / ".git").mkdir()
    (tmp_path / "copy-7" / ".git" / "config").write_text('[remote "origin"]\n\turl = x:engine\n')
    return tmp_path / "copy-7"


@pytest.mark.parametrize("pointer", ["../../copy-7/.jj/repo", "{main}/.jj/repo"])
def test_an_added_workspace_of_jj_is_of_its_repository(main, pointer):
    """`jj workspace add ../side` creates no `.git` (jj-vcs/jj 8052)."""
    side = main.parent / "side"
    (side / ".jj").mkdir(parents=True)
    (side / ".jj" / "repo").write_text(pointer.format(main=main))
    (side / "src").mkdir()
    assert project_name(str(side / "src")) == "engine"


def test_a_jj_repository_without_git_beside_it(main):
    (main / ".git").rename(main / ".jj" / "repo" / "store" / "git")
    (main / ".jj" / "repo" / "store" / "git_target").write_text("git")
    (main / "src").mkdir()
    assert project_name(str(main / "src")) == "engine"
    (main / ".jj" / "repo" / "store" / "git" / "config").unlink()
    assert project_name(str(main / "src")) == "copy-7"


@pytest.mark.parametrize(
    "pointer", ["/srv/gone/engine/.jj/repo", "../../gone/engine/.jj/repo", "", "\0", "x\n" * 9]
)
def test_a_workspace_without_its_repository(tmp_path, pointer):
    side = tmp_path / "side"
    (side / ".jj").mkdir(parents=True)
    (side / ".jj" / "repo").write_text(pointer)
    assert project_name(str(side)) == ("engine" if "engine" in pointer else "side")


@pytest.mark.parametrize("mark", [".hg", ".sl", ".svn"])
def test_a_folder_in_a_checkout_belongs_to_it(tmp_path, mark):
    (tmp_path / "engine" / mark).mkdir(parents=True)
    (tmp_path / "engine" / "trunk" / "src").mkdir(parents=True)
    assert project_name(str(tmp_path / "engine" / "trunk" / "src")) == "engine"


def test_a_checkout_at_the_home_does_not_name_every_project(tmp_path):
    (tmp_path / ".svn").mkdir()
    (tmp_path / "src" / "engine").mkdir(parents=True)
    assert project_name(str(tmp_path / "src" / "engine"), Rules([str(tmp_path)])) == "engine"
