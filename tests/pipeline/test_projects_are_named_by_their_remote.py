"""A project has one name in all its clones and work trees, and git is never run."""

import pytest

from agtop_exporter.project import project_name


def clone(folder, url, *, remote="origin"):
    """Write the files of a `git clone`; return the folder."""
    (folder / ".git").mkdir(parents=True)
    lines = ["[core]", "\tbare = false", f'[remote "{remote}"]', f"\turl = {url}"]
    lines.append("\tfetch = +refs/heads/*:refs/remotes/origin/*")
    (folder / ".git/config").write_text("\n".join(lines) + "\n")
    return folder


def worktree(main, folder, *, name="side"):
    """Write the files of a `git worktree add`; return the folder."""
    place = main / ".git/worktrees" / name
    place.mkdir(parents=True)
    (place / "commondir").write_text("../..\n")
    folder.mkdir()
    (folder / ".git").write_text(f"gitdir: {place}\n")
    return folder


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://example.org/ada/engine.git", id="J-01"),
        pytest.param("https://example.org/ada/engine", id="J-02"),
        pytest.param("git@example.org:ada/engine.git", id="J-03"),
        pytest.param("ssh://git@example.org:2222/ada/engine.git", id="J-04"),
        pytest.param("https://example.org/ada/engine.git/", id="J-05"),
        pytest.param("https://example.org/ada/engine//", id="J-05 twice"),
        pytest.param("git@example.org:engine", id="J-03 without a folder"),
        pytest.param("/srv/git/engine.git", id="a path"),
        pytest.param("https://ada:secret@example.org/ada/engine", id="a credential"),
        pytest.param('"https://example.org/ada/engine" ; the old place', id="quoted"),
        pytest.param("/srv/git/engine/.git", id="a path of a checkout"),
        pytest.param("file:///srv/git/engine/.git/", id="a URL of a checkout"),
        pytest.param("https://example.org/engine\n\turl = https://example.org/x", id="a mirror"),
    ],
)
def test_the_remote_names_it(tmp_path, url):
    root = clone(tmp_path / "copy-7", url)
    (root / "src/deep").mkdir(parents=True)
    assert project_name(str(root)) == "engine"
    assert project_name(str(root / "src/deep")) == "engine"


@pytest.mark.parametrize(
    ("url", "remote"), [("https://example.org/ada/engine", "upstream"), ("", "origin")]
)
def test_without_that_remote_its_root_names_it(tmp_path, url, remote):
    root = clone(tmp_path / "copy-7", url, remote=remote)
    (root / "src").mkdir()
    assert project_name(str(root / "src")) == "copy-7"


@pytest.mark.parametrize(
    "config",
    [
        '[REMOTE "origin"]\n\tURL = x:engine.git\n',
        '[remote "origin"] url = x:engine.git\n',
        '[remote "Origin"]\n\turl = x:gears.git\n[remote "origin"]\n\turl = x:engine.git\n',
        '\ufeff[remote "origin"]\r\n\turl = x:engine.git\r\n',
        '= no setting\n[core]\n[remote "origin"]\n\tpushurl = x:y\n\turl=x:engine.git # old\n',
    ],
)
def test_a_configuration_is_read_as_git_reads_it(tmp_path, config):
    root = clone(tmp_path / "copy-7", "")
    (root / ".git/config").write_text(config, newline="")
    assert project_name(str(root)) == "engine"


def test_a_worktree_is_of_its_main_repository(tmp_path):
    main = clone(tmp_path / "engine", "")
    assert project_name(str(worktree(main, tmp_path / "side"))) == "engine"
    named = clone(tmp_path / "copy-7", "https://example.org/ada/loom.git")
    assert project_name(str(worktree(named, tmp_path / "other"))) == "loom"


@pytest.mark.parametrize(
    "config", [b"", b"\xff\xfe", b"[remote", b"url = x\n[[[", b'[remote "origin"]\nurl\n']
)
def test_a_damaged_configuration_names_nothing(tmp_path, config):
    root = clone(tmp_path / "engine", "")
    (root / ".git/config").write_bytes(config)
    assert project_name(str(root)) == "engine"


@pytest.mark.parametrize("content", ["", "gitdir: /nowhere/at/all\n", "gitdir: \n"])
def test_a_pointer_to_nowhere_names_nothing(tmp_path, content):
    root = tmp_path / "engine"
    (root / "src").mkdir(parents=True)
    (root / ".git").write_text(content)
    assert project_name(str(root)) == project_name(str(root / "src")) == "engine"


def test_a_folder_that_is_gone_still_has_its_name(tmp_path):
    assert project_name(str(tmp_path / "gone" / "engine")) == "engine"
    assert project_name("/") == ""
