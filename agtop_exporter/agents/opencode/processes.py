"""Defines how a process of OpenCode is recognised. The names are from version 1.18."""

from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature

SIGNATURE = ProcessSignature(
    executables=frozenset({"opencode"}),
    packages=("opencode-ai",),
    helpers=(
        *MCP_COMMANDS,
        *MAINTENANCE_COMMANDS,
        ("auth",),
        ("models",),
        ("stats",),
        ("export",),
        ("import",),
        ("uninstall",),
        ("session",),
        ("db",),
        ("debug",),
    ),
    hosts=(("serve",), ("web",), ("acp",)),
    value_options=frozenset(
        {"-m", "--model", "-s", "--session", "--prompt", "--agent", "--port", "--log-level"}
    ),
    resume_options=frozenset({"-s", "--session"}),
    fork_marks=frozenset({"--fork"}),
    session_id_pattern=r"ses_[0-9A-Za-z]{26}",
)
