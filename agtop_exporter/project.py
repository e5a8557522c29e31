"""Names the project of a working directory: its repository's remote name, else its folder's.

Reads `.git` files directly and never runs git. A directory that is gone still has a name.
"""

import re
from functools import lru_cache
from pathlib import Path

from agtop_exporter.paths import PATH_BYTES_MAX, clean_path
from agtop_exporter.tail import beginning

MAX_CONFIG_BYTES = 256 * 1024
REMOTE_NAME = re.compile(r"([^/:\\]+?)(?:\.git)?[/\\]*$")


@lru_cache(maxsize=4096)
def project_name(cwd: str) -> str:
    """Return the project's name; "" for a directory without one, such as the root.

    Whatever the directory and the files in it are, nothing is raised.
    """
    if not clean_path(cwd):
        return ""
    start = Path(cwd)
    if not start.is_absolute():  # such as a name only: not to be looked for where this program runs
        return start.name
    for folder in (start, *start.parents):
        git = folder / ".git"
        try:
            if git.exists():
                return clean_path(_repository_name(git)) or folder.name
        except OSError:
            break
    return start.name


def _repository_name(git: Path) -> str:
    """Return the name in the remote's URL, else the main repository's; "" where none is known."""
    try:
        return remote_name(_config(git)) or _worktree_name(git)
    except (OSError, ValueError, RuntimeError):  # no path, or a loop of symbolic links
        return ""


def remote_name(config: str) -> str:
    """Return the repository's name in the URL of the remote `origin`; "" without one."""
    import configparser  # noqa: PLC0415 - for a project that is new only

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


def _config(git: Path) -> str:
    """Read the repository's configuration; a worktree's is its main repository's."""
    config = beginning(_common_directory(git) / "config", MAX_CONFIG_BYTES)
    text = config.decode("utf-8", "replace")
    return "\n".join(line.strip() for line in text.splitlines())


def _common_directory(git: Path) -> Path:
    if git.is_dir():
        return git
    target = git.parent / _first_line(git).removeprefix("gitdir:").strip()
    shared = target / "commondir"
    return target / _first_line(shared) if shared.exists() else target


def _worktree_name(git: Path) -> str:
    """Return the folder of the main repository, where `git` is only a worktree's pointer."""
    common = _common_directory(git).resolve()
    return common.parent.name if common.name == ".git" else ""


def _first_line(path: Path) -> str:
    return beginning(path, PATH_BYTES_MAX).decode("utf-8", "replace").strip()
