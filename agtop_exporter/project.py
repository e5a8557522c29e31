"""Names the project of a working directory.

The project has the name of the repository in the URL of the remote `origin`, or else the name of
the folder. `.git` and `.jj` are read directly; git and jj are never run. A checkout of Mercurial,
Sapling or Subversion has the name of its folder. If a directory was deleted or is on another
system, the name is derived from the path.
"""

import errno
import os
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from agtop_exporter.existence import exists, is_directory, is_file
from agtop_exporter.path_names import PathNames
from agtop_exporter.paths import PATH_BYTES_MAX, clean_path, components, without_prefix
from agtop_exporter.reading.files import read_head

MAX_CONFIG_BYTES = 256 * 1024
BESIDE_MAX = 4  # shorter names that are tried for the repository beside a removed worktree
REMOTE_NAME = re.compile(r"([^/:\\]+?)(?:[/\\]*\.git)?[/\\]*$")
SECTION = re.compile(r"\[[^]]*\]")
ORIGIN = re.compile(r'\[\s*(?i:remote)\s+"origin"\s*\]')
URL = re.compile(r"url\s*=\s*([^#;]+)", re.IGNORECASE)
CHECKOUTS = (".hg", ".sl", ".svn")  # folders at the root of checkouts: their contents are not read

Enter = Callable[[str], object]
FindName = Callable[[Path, PathNames, Enter], str]
"""Returns the name of the repository with this root, or "" if its files contain no name."""


class Rules(NamedTuple):
    """Rules for the names of projects.

    `homes` are home directories. A home directory may be a repository, for example of configuration
    files; the folders below it are not part of that project. `worktrees` has the folders in which
    programs keep worktrees; see PathNames.
    """

    homes: Sequence[str] = ()
    worktrees: Mapping[str, int] = {}


NO_RULES = Rules()


def project_name(cwd: str, rules: Rules = NO_RULES, *, enter: Enter = lambda _path: None) -> str:
    """Return the name of the project of `cwd`; "" for a directory without a name, such as the root.

    If `cwd` is not an absolute path on this system, the name is derived from the text. The file
    system is not read, because it would resolve `cwd` in the working directory of this program.

    `enter` is called with every path before the path is read, because the path may be on another
    file system than `cwd`. An exception of `enter` is passed on. No other exception is raised.
    """
    names = PathNames(rules.worktrees)
    return unicodedata.normalize("NFC", _project_name(cwd, names, rules, enter))


def folder_name(cwd: str, rules: Rules = NO_RULES) -> str:
    """Return the project's name from the text of the path, without reading the directory."""
    return unicodedata.normalize("NFC", PathNames(rules.worktrees).folder_name(cwd))


def _project_name(cwd: str, names: PathNames, rules: Rules, enter: Enter) -> str:
    if not clean_path(cwd):
        return ""
    text = os.path.normpath(without_prefix(cwd))
    if not os.path.isabs(text):  # noqa: PTH117 - `text` may belong to another system
        return names.folder_name(cwd)
    enter(text)
    start = Path(os.path.realpath(text))  # a link may lead into a repository
    for folder in (start, *start.parents):
        try:
            find_name = _repository_at(folder, enter)
            if not find_name:
                continue
            if folder != start and _is_home(folder, rules.homes, enter):
                break
        except OSError:
            break
        name = clean_path(find_name(folder, names, enter))
        return name or names.folder_name(str(folder))
    return _name_beside(start, names, enter) or names.folder_name(cwd)


def _repository_at(folder: Path, enter: Enter) -> FindName | None:
    """Return the function that names the repository whose root is `folder`; None if it is no root.

    A `.git` directory without a HEAD and a configuration is no repository: sandboxes leave empty
    ones. Raises OSError.
    """
    git = folder / ".git"
    enter(str(git))
    if exists(git) and not all(_is_missing(git / name) for name in ("HEAD", "config")):
        return _git_name
    for name in (".jj", *CHECKOUTS):
        enter(str(folder / name))
    if exists(folder / ".jj" / "repo"):
        return _jj_name
    if any(is_directory(folder / name) for name in CHECKOUTS):
        return _no_name
    return None


def _is_missing(path: Path) -> bool:
    """Return whether nothing has this path, although it is in a directory that can be read."""
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _name_beside(start: Path, names: PathNames, enter: Enter) -> str:
    """Return the name of the repository beside a removed worktree; "" if there is none.

    The folder of a worktree is often named `<repository>-<name>`. The repository's `.git` directory
    lists a removed worktree until git prunes the entry.
    """
    try:
        removed = None
        for folder in (start, *start.parents):
            enter(str(folder))
            if exists(folder):
                break
            removed = folder
        name = removed.name if removed else ""
        for _ in range(BESIDE_MAX):
            name, dash, _rest = name.rpartition("-")
            if not (removed and name and dash):
                break
            git = removed.with_name(name) / ".git"
            enter(str(git))
            if exists(git / "worktrees" / removed.name):
                return clean_path(_git_name(git.parent, names, enter))
    except (OSError, ValueError):
        pass
    return ""


def _is_home(folder: Path, homes: Sequence[str], enter: Enter) -> bool:
    """Return whether a folder is the root or one of the homes. Raises OSError."""
    if folder == folder.parent:
        return True
    for home in homes:
        enter(home)
        if str(folder) == home or (exists(home) and folder.samefile(home)):
            return True
    return False


def _git_name(folder: Path, names: PathNames, enter: Enter) -> str:
    """Return the name in the URL of the remote `origin`, or else in the repository's path.

    `folder` contains a `.git` file or directory. The result is "" if the name is unknown.
    """
    try:
        common, is_worktree = _common_directory(folder / ".git", enter)
    except (OSError, ValueError, RuntimeError):  # no path, or a loop of symbolic links
        return ""
    return _name_of_git(common, names, is_worktree=is_worktree)


def _jj_name(folder: Path, names: PathNames, enter: Enter) -> str:
    """Return the name of the git repository in which jj stores the commits of a workspace.

    `folder` contains the directory `.jj`. `.jj/repo` is the repository or, in an added workspace, a
    file with the path of the repository. The result is "" if the name is unknown.
    """
    repository = folder / ".jj" / "repo"
    try:
        if is_file(repository):
            repository = repository.parent / _first_line(repository)
            enter(str(repository))
        store = repository / "store"
        try:
            git = store / _first_line(store / "git_target")
        except FileNotFoundError:
            git = store  # the repository was removed, or is no git repository
        enter(str(git))
    except (OSError, ValueError):
        return ""
    return _name_of_git(git, names, is_worktree=False)


def _no_name(_folder: Path, _names: PathNames, _enter: Enter) -> str:
    return ""


def _name_of_git(common: Path, names: PathNames, *, is_worktree: bool) -> str:
    """Return the name of a repository; "" if it is unknown.

    `common` is its `.git` directory, or its own directory if it is bare.
    """
    try:
        name = remote_name(_config(common))
        common = common.resolve()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return ""
        name = ""  # the repository was removed, or is on another system
    except (ValueError, RuntimeError):
        return ""
    parts = components(str(common))
    return name or names.repository_name(parts) or (names.bare_name(parts) if is_worktree else "")


def remote_name(config: str) -> str:
    """Return the repository's name in the URL of the remote `origin`; "" without this remote.

    `config` is the text of the repository's configuration. If the remote has several URLs, git
    fetches from the first one.
    """
    is_origin, url = False, ""
    for line in map(str.strip, config.splitlines()):
        if section := SECTION.match(line):
            is_origin = bool(ORIGIN.fullmatch(section[0]))
            line = line[section.end() :].strip()  # noqa: PLW2901 - a setting may follow
        if is_origin and (setting := URL.match(line)):
            url = setting[1].strip().strip('"')
            break
    found = REMOTE_NAME.search(url)
    name = found[1] if found else ""
    return "" if name in (".", "..") else unquote(name) if "://" in url else name


def _config(common: Path) -> str:
    """Read the configuration of a repository."""
    return read_head(common / "config", MAX_CONFIG_BYTES).decode("utf-8-sig", "replace")


def _common_directory(git: Path, enter: Enter) -> tuple[Path, bool]:
    """Return the `.git` directory that all worktrees of a repository share.

    `git` is the `.git` file or directory of one worktree. The second value is whether that worktree
    was added to the repository.
    """
    if is_directory(git):
        return git, False
    target = git.parent / _first_line(git).removeprefix("gitdir:").strip()
    enter(str(target))
    shared = target / "commondir"
    if not exists(shared):
        return target, False
    common = target / _first_line(shared)
    enter(str(common))
    return common, True


def _first_line(path: Path) -> str:
    return read_head(path, PATH_BYTES_MAX).decode("utf-8", "replace").strip()
