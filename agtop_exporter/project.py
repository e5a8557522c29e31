"""Names the project of a working directory.

The project has the name of the repository in the URL of the remote `origin`, or else the name of
the folder. `.git` files are read directly; git is never run. If a directory was deleted or is on
another system, the name is derived from the path.
"""

import configparser
import errno
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from agtop_exporter.path_names import PathNames
from agtop_exporter.paths import PATH_BYTES_MAX, clean_path, components, without_prefix
from agtop_exporter.reading.files import read_head

MAX_CONFIG_BYTES = 256 * 1024
BESIDE_MAX = 4  # shorter names that are tried for the repository beside a removed worktree
REMOTE_NAME = re.compile(r"([^/:\\]+?)(?:\.git)?[/\\]*$")

Enter = Callable[[str], object]


class Rules(NamedTuple):
    """Rules for the names of projects.

    If one of the `homes` is a repository, it does not name the folders below it. `worktrees` has
    folders in which programs keep worktrees; see PathNames.
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
    if not clean_path(cwd):
        return ""
    start = Path(os.path.normpath(without_prefix(cwd)))
    if not start.is_absolute():
        return names.folder_name(cwd)
    for folder in (start, *start.parents):
        git = folder / ".git"
        enter(str(git))
        try:
            if not git.exists():
                continue
            if folder != start and _is_home(folder, rules.homes, enter):
                break
        except OSError:
            break
        name = clean_path(_repository_name(git, names, enter))
        return name or names.folder_name(str(folder))
    return _name_beside(start, names, enter) or names.folder_name(cwd)


def folder_name(cwd: str, rules: Rules = NO_RULES) -> str:
    """Return the project's name from the text of the path, without reading the directory."""
    return PathNames(rules.worktrees).folder_name(cwd)


def _name_beside(start: Path, names: PathNames, enter: Enter) -> str:
    """Return the name of the repository beside a removed worktree; "" if there is none.

    The folder of a worktree is often named `<repository>-<name>`. The repository's `.git` directory
    lists a removed worktree until git prunes the entry.
    """
    try:
        removed = None
        for folder in (start, *start.parents):
            enter(str(folder))
            if folder.exists():
                break
            removed = folder
        name = removed.name if removed else ""
        for _ in range(BESIDE_MAX):
            name, dash, _rest = name.rpartition("-")
            if not (removed and name and dash):
                break
            git = removed.with_name(name) / ".git"
            enter(str(git))
            if (git / "worktrees" / removed.name).exists():
                return clean_path(_repository_name(git, names, enter))
    except (OSError, ValueError):
        pass
    return ""


def _is_home(folder: Path, homes: Sequence[str], enter: Enter) -> bool:
    """Return whether a folder is the root or one of the homes. Raises OSError."""
    if folder == folder.parent:
        return True
    for home in homes:
        enter(home)
        if str(folder) == home or (Path(home).exists() and folder.samefile(home)):
            return True
    return False


def _repository_name(git: Path, names: PathNames, enter: Enter) -> str:
    """Return the name in the URL of the remote `origin`, or else in the repository's path.

    `git` is a `.git` file or directory. The result is "" if the name is unknown.
    """
    try:
        common = _common_directory(git, enter)
    except (OSError, ValueError, RuntimeError):  # no path, or a loop of symbolic links
        return ""
    try:
        name = remote_name(_config(common))
        common = common.resolve()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return ""
        name = ""  # the repository was removed, or is on another system
    except (ValueError, RuntimeError):
        return ""
    return name or names.repository_name(components(str(common)))


def remote_name(config: str) -> str:
    """Return the repository's name in the URL of the remote `origin`; "" without this remote.

    `config` is the text of the repository's configuration.
    """
    parser = configparser.RawConfigParser(
        strict=False, allow_no_value=True, inline_comment_prefixes=("#", ";")
    )
    try:
        parser.read_string(config)
        url = parser.get('remote "origin"', "url", fallback="") or ""
    except configparser.Error:
        return ""
    url = url.strip().strip('"')
    found = REMOTE_NAME.search(url)
    name = found[1] if found else ""
    return "" if name in (".", "..") else unquote(name) if "://" in url else name


def _config(common: Path) -> str:
    """Read the configuration of a repository."""
    text = read_head(common / "config", MAX_CONFIG_BYTES).decode("utf-8", "replace")
    return "\n".join(line.strip() for line in text.splitlines())


def _common_directory(git: Path, enter: Enter) -> Path:
    """Return the `.git` directory that all worktrees of a repository share.

    `git` is the `.git` file or directory of one worktree.
    """
    if git.is_dir():
        return git
    target = git.parent / _first_line(git).removeprefix("gitdir:").strip()
    enter(str(target))
    shared = target / "commondir"
    if not shared.exists():
        return target
    common = target / _first_line(shared)
    enter(str(common))
    return common


def _first_line(path: Path) -> str:
    return read_head(path, PATH_BYTES_MAX).decode("utf-8", "replace").strip()
