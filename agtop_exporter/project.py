"""Names the project of a working directory: its repository's remote name, else its folder's.

Reads `.git` files directly and never runs git. A directory that is gone still has a name.
"""

import configparser
import re
from collections.abc import Callable
from pathlib import Path

from agtop_exporter.paths import PATH_BYTES_MAX, clean_path
from agtop_exporter.reading.files import read_head

MAX_CONFIG_BYTES = 256 * 1024
REMOTE_NAME = re.compile(r"([^/:\\]+?)(?:\.git)?[/\\]*$")

Enter = Callable[[str], object]


def project_name(cwd: str, *, enter: Enter = lambda _path: None) -> str:
    """Return the project's name; "" for a directory without one, such as the root.

    `enter` is called with every path before the file system is asked about it, because it may be on
    another file system than `cwd`. An exception of `enter` is passed on; nothing else is raised,
    whatever the directory and its files are.
    """
    if not clean_path(cwd):
        return ""
    start = Path(cwd)
    if not start.is_absolute():  # such as a name only: not to be looked for where this program runs
        return start.name
    for folder in (start, *start.parents):
        git = folder / ".git"
        enter(str(git))
        try:
            if not git.exists():
                continue
        except OSError:
            break
        return clean_path(_repository_name(git, enter)) or folder.name
    return folder_name(cwd)


def folder_name(cwd: str) -> str:
    """Return the last component of a path: the project's name if nothing can be looked at."""
    return Path(cwd).name


def _repository_name(git: Path, enter: Enter) -> str:
    """Return the name in the remote's URL, else the main repository's; "" if none is known."""
    try:
        common = _common_directory(git, enter)
        return remote_name(_config(common)) or _worktree_name(common)
    except (OSError, ValueError, RuntimeError):  # no path, or a loop of symbolic links
        return ""


def remote_name(config: str) -> str:
    """Return the repository's name in the URL of the remote `origin`; "" without one."""
    parser = configparser.RawConfigParser(
        strict=False, allow_no_value=True, inline_comment_prefixes=("#", ";")
    )
    try:
        parser.read_string(config)
        url = parser.get('remote "origin"', "url", fallback="") or ""
    except configparser.Error:
        return ""
    found = REMOTE_NAME.search(url.strip().strip('"'))
    return found[1] if found else ""


def _config(common: Path) -> str:
    """Read the configuration of a repository."""
    text = read_head(common / "config", MAX_CONFIG_BYTES).decode("utf-8", "replace")
    return "\n".join(line.strip() for line in text.splitlines())


def _common_directory(git: Path, enter: Enter) -> Path:
    """Return the directory that all worktrees of a repository share."""
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


def _worktree_name(common: Path) -> str:
    """Return the folder of the main repository, which has the directory `common`."""
    common = common.resolve()
    return common.parent.name if common.name == ".git" else ""


def _first_line(path: Path) -> str:
    return read_head(path, PATH_BYTES_MAX).decode("utf-8", "replace").strip()
