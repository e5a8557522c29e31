"""Determines the state directories of users."""

from collections.abc import Mapping
from pathlib import Path

import platformdirs

from agtop_exporter.model import AgtopError

PROGRAM = "agtop-exporter"
STATE_BELOW_HOME = Path(".local", "state", PROGRAM)


def check_home(variables: Mapping[str, str]) -> None:
    """Raise AgtopError if the home directory of the user is unknown.

    This is the case in a container whose user has no entry in `/etc/passwd`, without HOME.
    `variables` are the environment variables.
    """
    try:
        is_known = Path.home().is_absolute() and bool(platformdirs.user_config_dir(PROGRAM))
    except RuntimeError:
        is_known = False
    if not is_known or variables.get("HOME") == "":
        raise AgtopError("the home directory is unknown: set HOME to an absolute path")


def user_state_directory(home: Path | None = None) -> Path:
    """Return the default state directory of this user, or of the user whose home is `home`."""
    own = Path(platformdirs.user_state_dir(PROGRAM))
    if home is None:
        return own
    inside = own.is_relative_to(Path.home())
    return home / (own.relative_to(Path.home()) if inside else STATE_BELOW_HOME)
