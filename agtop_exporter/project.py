"""Names the project of a working directory: its repository's remote name, else its folder's.

Reads `.git` files directly and never runs git. A directory that is gone still has a name.
"""

import re
from functools import lru_cache
from pathlib import Path

MAX_CONFIG_BYTES = 256 * 1024
REMOTE_NAME = re.compile(r"([^/:\\]+?)(?:\.git)?[/\\]*$")


@lru_cache(maxsize=4096)
def project_name(cwd: str) -> str:
    """Return the project's name; "" for a directory without one, such as the root."""
    start = Path(cwd)
    for folder in (start, *start.parents):
        git = folder / ".git"
        try:
            if not git.exists():
                continue
        except OSError:
            break
        try:
            return remote_name(_config(git)) or _worktree_name(git) or folder.name
        except (OSError, ValueError):  # the latter for what cannot be a path
            return folder.name
    return start.name


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
    with (_common_directory(git) / "config").open("rb") as file:
        text = file.read(MAX_CONFIG_BYTES).decode("utf-8", "replace")
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
    with path.open("rb") as file:
        return file.read(4096).decode("utf-8", "replace").strip()
