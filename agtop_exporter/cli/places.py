"""Determines the state directories of users."""

from collections.abc import Mapping
from pathlib import Path

import platformdirs

from agtop_exporter.model import AgtopError

PROGRAM = "agtop-exporter"
STATE_BELOW_HOME = Path(".local", "state", PROGRAM)


def check_home(variables: Mapping[str, str], *, reads_other_home: bool) -> None:
    """Raise AgtopError if the home directory of the user is unknown.

    This is the case in a container whose user has no entry in `/etc/passwd`, without HOME.
    `variables` are the environment variables. If `reads_other_home` is true, the home directory of
    the user is only needed for files of this program, and HOME may be a relative path.
    """
    try:
        is_absolute = Path.home().is_absolute()
        is_known = bool(platformdirs.user_config_dir(PROGRAM)) and variables.get("HOME") != ""
    except RuntimeError:
        is_absolute = is_known = False
    if not is_known or not (is_absolute or reads_other_home):
        raise AgtopError("the home directory is unknown: set HOME to an absolute path")


def user_state_directory(home: Path | None = None) -> Path:
    """Return the default state directory of this user, or of the user whose home is `home`."""
    own = Path(platformdirs.user_state_dir(PROGRAM))
    if home is None:
        return own
    inside = own.is_relative_to(Path.home())
    return home / (own.relative_to(Path.home()) if inside else STATE_BELOW_HOME)
