"""The home directories of Codex that OpenClaw makes.

OpenClaw runs Codex with `<directory of an agent>/codex-home`, and versions before May 2026 ran it
with `<directory of an agent>/cli-auth/codex/<profile>`. The sources are in
tests/agents/openclaw/README.
"""

from pathlib import Path

from agtop_exporter.agents import Environment
from agtop_exporter.agents.openclaw.family import agent_folders, bases
from agtop_exporter.labels import account_label
from agtop_exporter.reading.profiles import folder_names

__all__ = ["account", "bases", "homes"]

SERVER_HOME = "codex-home"
PROFILES = Path("cli-auth", "codex")


def homes(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the home directories of Codex that OpenClaw may have made."""
    folders = agent_folders(home, environment)
    servers = (folder / SERVER_HOME for folder in folders)
    places = [folder / PROFILES for folder in folders]
    return (*servers, *(place / name for place in places for name in folder_names(place)))


def account(folder: Path) -> str | None:
    """Return the name of the account of a directory; None if OpenClaw did not make the directory.

    Each agent of the user, and each older profile, can have an account of its own.
    """
    if folder.name == SERVER_HOME:
        return account_label(f"openclaw-{folder.parent.parent.name}")
    if folder.parent.parts[-2:] == PROFILES.parts:
        return account_label(f"openclaw-{folder.name}")
    return None
