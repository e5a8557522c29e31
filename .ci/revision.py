"""Build hook of hatchling: stores the commit in the package, as `agtop_exporter/revision`.

The commit is the variable SOURCE_REVISION, or else that of the git checkout, with `-dirty` if
tracked files differ from the commit. A wheel that is built from an sdist has the file of the sdist.
Without a commit, the package has no such file.
"""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "agtop_exporter/revision"


class RevisionHook(BuildHookInterface):
    """Adds the file to the sdist and to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the file to a temporary directory, from which hatchling packs it."""
        if version == "editable" or Path(self.root, NAME).exists():
            return
        revision = os.environ.get("SOURCE_REVISION") or commit_of(self.root)
        if revision:
            self._folder = tempfile.TemporaryDirectory()
            path = Path(self._folder.name, "revision")
            path.write_text(f"{revision}\n", encoding="ascii")
            build_data["force_include"][str(path)] = NAME

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact: str) -> None:
        """Remove the temporary directory."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def commit_of(root: str) -> str:
    """Return the commit of the checkout whose top is `root`; "" if it is none."""
    if _git(root, "rev-parse", "--show-cdup", default="elsewhere"):
        return ""
    return _git(root, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(root: str, *arguments: str, default: str = "") -> str:
    try:
        done = subprocess.run(
            ["git", "-C", root, *arguments], capture_output=True, check=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return default
    return done.stdout.strip()
