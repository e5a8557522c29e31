"""The directories of OpenClaw, for OpenClaw itself and for the agents that it runs.

OpenClaw can answer with another agent, such as Codex. It gives that agent home directories of its
own, in which the agent writes its own transcripts.
"""

from pathlib import Path

from agtop_exporter.agents import Environment, named_path
from agtop_exporter.reading.profiles import folder_names, profile_folders

FOLDER = ".openclaw"
# of the program's earlier names, and of editions by other makers
OTHER_FOLDERS = (".clawdbot", ".moltbot", ".moldbot", ".kimi_openclaw", ".qclaw")
AGENTS, AGENT_FOLDER = "agents", "agent"


def bases(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the state directories: the default one, those of profiles, and others."""
    if given := environment.get("OPENCLAW_STATE_DIR"):
        return (named_path(given),)
    if other := environment.get("OPENCLAW_HOME"):
        home = named_path(other)
    others = (home / name for name in OTHER_FOLDERS)
    return (home / FOLDER, *profile_folders(home, FOLDER), *others)


def agent_folders(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories `<state directory>/agents/<agent>/agent` of all agents of the user.

    The state directories are listed. Other files are not accessed, so a returned directory may be
    missing.
    """
    places = [base / AGENTS for base in bases(home, environment)]
    return tuple(place / name / AGENT_FOLDER for place in places for name in folder_names(place))
