"""Determines the state directories of users."""

from pathlib import Path

import platformdirs

PROGRAM = "agtop-exporter"
STATE_BELOW_HOME = Path(".local", "state", PROGRAM)


def user_state_directory(home: Path | None = None) -> Path:
    """Return the default state directory of this user, or of the user whose home is `home`."""
    own = Path(platformdirs.user_state_dir(PROGRAM))
    if home is None:
        return own
    inside = own.is_relative_to(Path.home())
    return home / (own.relative_to(Path.home()) if inside else STATE_BELOW_HOME)
