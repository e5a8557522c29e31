"""The agent Oh My Pi, which is made from pi and shares its reader.

Its session files are `~/.omp/agent/sessions/<folder>/<time>_<id>.jsonl`. The files of the subagents
of a session are in the folder `<time>_<id>`. A profile has its own directory,
`~/.omp/profiles/<name>`. Data that was moved with `omp config init-xdg` are in
`$XDG_DATA_HOME/omp`. The reader was checked with version 18.2.3. Source of the paths and of the
entries: https://github.com/can1357/oh-my-pi, `packages/utils/src/dirs.ts` and
`packages/coding-agent/src/session/session-entries.ts`; see also tests/agents/omp/README.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from agtop_exporter.agents import Agent, Environment, named_path
from agtop_exporter.agents.pi import family
from agtop_exporter.existence import is_directory
from agtop_exporter.labels import account_label
from agtop_exporter.reading.profiles import named_profiles
from agtop_exporter.signature import MAINTENANCE_COMMANDS, ProcessSignature

NAME = "omp"
FOLDER = ".omp"  # name of the default directory
PROFILES = "profiles"  # folder with one directory for each profile
BRIDGE = "bridge"  # folder with conversions of sessions of other agents
KNOWN_TYPES = family.KNOWN_TYPES | frozenset(
    {"credential_pin", "mode_change", "model_usage", "reset_boundary", "service_tier_change"}
    | {"session_init", "title", "title_change", "ttsr_injection"}
    | {f"message.{role}" for role in ("developer", "fileMention", "pythonExecution")}
)
IMPORTED = ("claude-", "codex-")  # beginnings of ids of entries from sessions of other agents


class Parser(family.SessionParser):
    """The parser of a session file of Oh My Pi."""

    known_types = KNOWN_TYPES

    def is_imported(self, record: family.Record) -> bool:
        """Return whether an entry was imported with `--from-claude` or `--from-codex`.

        Imported responses have the usage that the other agent recorded.
        """
        return record.id.startswith(IMPORTED)


def bases(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directory with the settings, and the directories of the profiles.

    The variable PI_CONFIG_DIR has another name of the directory with the settings.
    """
    roots = [home / (environment.get("PI_CONFIG_DIR") or FOLDER)]
    shared = environment.get("XDG_DATA_HOME")
    roots += [
        named_path(shared) / NAME if shared else home / ".local" / "share" / NAME,
    ]
    return tuple(place for root in roots for place in (root, root / PROFILES))


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders that contain sessions."""
    own, own_profiles, shared, shared_profiles = bases(home, environment)
    return (
        own / "agent" / "sessions",
        shared / "sessions",
        *(profile / "agent" / "sessions" for profile in named_profiles(own_profiles)),
        *(profile / "sessions" for profile in named_profiles(shared_profiles)),
    )


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the session files below a root.

    The sessions of other agents that pi-session-manager converted are left out, also if links
    lead to them.
    """
    converted = root / BRIDGE
    if not is_directory(converted):
        return family.files(root)
    begins = (str(converted) + os.sep, os.path.realpath(converted) + os.sep)
    return (
        entry
        for entry in family.files(root)
        if not entry.path.startswith(begins) and not os.path.realpath(entry.path).startswith(begins)
    )


def account(folder: Path) -> str:
    """Return the name of the profile to which a directory belongs; "" for the default profile."""
    profile = folder.parent if folder.name == "agent" else folder
    return account_label(profile.name) if profile.parent.name == PROFILES else ""


AGENT = Agent(
    name=NAME,
    title="Oh My Pi",
    roots=roots,
    bases=bases,
    files=files,
    read=partial(family.read, agent=NAME, parser=Parser),
    account=account,
    aliases=("oh-my-pi",),
    signature=ProcessSignature(
        executables=frozenset({"omp"}),
        packages=("@oh-my-pi/pi-coding-agent",),
        helpers=(
            *MAINTENANCE_COMMANDS,
            ("auth-broker",),
            ("auth-gateway",),
            ("completions",),
            ("config",),
            ("gc",),
            ("models",),
            ("plugin",),
            ("ps",),
            ("setup",),
            ("stats",),
            ("usage",),
        ),
        hosts=(("acp",),),
        value_options=frozenset(
            {"--model", "--profile", "--thinking", "--mode", "--cwd", "-r", "--resume", "--fork"}
        ),
        prompt_options=frozenset({"-p", "--print"}),
        resume_options=frozenset({"-r", "--resume"}),
    ),
    known_types=KNOWN_TYPES,
    effort_source=family.EFFORT_SOURCE,
    exact="tokens and cost of each response, service tier",
    not_in_files="requests of titles and compactions, the version, the context window, rate limits",
    versions_seen=("18.2.3",),
)
