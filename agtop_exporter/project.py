"""Returns the project name of a working directory.

It is the repository's name in the URL of its remote, else the name of a directory. The module reads
`.git` files directly and never runs git. Deleted directories also have a name.
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
    """Return the project's name, or "" for a directory without one, such as `/`.

    It never raises, whatever the directory and its files contain.
    """
    if not clean_path(cwd):
        return ""
    start = Path(cwd)
    for folder in (start, *start.parents):
        git = folder / ".git"
        try:
            if git.exists():
                return clean_path(_repository_name(git)) or folder.name
        except OSError:
            break
    return start.name


def _repository_name(git: Path) -> str:
    """Return the name in the remote's URL, else the main repository's directory name, else ""."""
    try:
        return remote_name(_config(git)) or _worktree_name(git)
    except (OSError, ValueError, RuntimeError):  # invalid path, or a loop of symbolic links
        return ""


def remote_name(config: str) -> str:
    """Return the repository's name in the URL of the remote `origin`; "" without one.

    `config` is the text of a `.git/config` file.
    """
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
    """Return the text of the repository's configuration.

    A worktree has the configuration of its main repository.
    """
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
    """Return the directory name of the main repository, if `git` belongs to a worktree; else ""."""
    common = _common_directory(git).resolve()
    return common.parent.name if common.name == ".git" else ""


def _first_line(path: Path) -> str:
    return beginning(path, PATH_BYTES_MAX).decode("utf-8", "replace").strip()
