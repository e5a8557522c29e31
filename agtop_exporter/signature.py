"""Types that describe the processes of an agent, and the reports of an agent about its processes.

Each agent's package creates these values, and the package `processes` compares them with the
running processes. The packages `agents` and `processes` do not import each other. This module
performs no I/O.
"""

import msgspec

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
"""Regular expression of a lower-case UUID."""

MCP_COMMANDS = (("mcp",), ("mcp-server",), ("mcp-stdio",))
"""Commands of most agents that serve or manage tools and never run a session."""
MAINTENANCE_COMMANDS = (
    ("update",),
    ("upgrade",),
    ("install",),
    ("doctor",),
    ("completion",),
    ("login",),
)
"""Commands of most agents that maintain the installation and never run a session."""


class ProcessSignature(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The features that identify the processes of one agent and the session of a process.

    Names must equal the program's name, the process title or the name of the script that an
    interpreter runs. Names are never compared with other arguments, so a prompt that mentions an
    agent has no effect. A command is a tuple of words: `("app-server", "daemon")`.
    """

    executables: frozenset[str] = frozenset()  # names of programs, titles or scripts
    titles: frozenset[str] = frozenset()  # common words, compared only if an interpreter runs
    packages: tuple[str, ...] = ()  # npm packages whose scripts are the agent
    modules: frozenset[str] = frozenset()  # Python packages that `python -m` runs
    version_folders: tuple[str, ...] = ()  # folders whose programs are named after a version
    tools: frozenset[str] = frozenset()  # names (argv[0]) under which the program is only a tool
    helpers: tuple[tuple[str, ...], ...] = ()  # commands that never run a session
    helper_options: frozenset[str] = frozenset()  # first arguments of processes without a session
    hosts: tuple[tuple[str, ...], ...] = ()  # commands that serve many sessions
    host_options: frozenset[str] = frozenset()  # options that mean the same as `hosts`
    value_options: frozenset[str] = frozenset()  # options before a command that take a value
    prompt_options: frozenset[str] = frozenset()  # options that a prompt follows, not a command
    resume_options: frozenset[str] = frozenset()  # options whose value is a session id
    resume_commands: frozenset[str] = frozenset()  # commands whose first argument is a session id
    fork_marks: frozenset[str] = frozenset()  # arguments that copy the session that is named
    session_id_pattern: str = UUID  # regular expression of a whole session id
    lock_suffixes: tuple[str, ...] = ()  # suffixes of files that a process holds for one session
    transcript_names: str = ""  # regular expression of transcripts that a process keeps open


class RegistryEntry(msgspec.Struct, frozen=True, gc=False):
    """The report of an agent about one of its live processes.

    Times are unix seconds. `start_ticks` is the start of the process in clock ticks since boot.
    `status` is `busy`, `idle`, `waiting`, or "" if the agent does not report it.
    """

    agent: str
    pid: int
    session_id: str
    start_ticks: int | None = None
    started_at: float | None = None
    status: str = ""
    waiting_for: str = ""
    cwd: str = ""
    kind: str = ""
    updated_at: float | None = None


class RegistryReading(msgspec.Struct, frozen=True):
    """The entries of an agent's registry of live processes, and the number of unusable files."""

    entries: tuple[RegistryEntry, ...] = ()
    errors: int = 0
