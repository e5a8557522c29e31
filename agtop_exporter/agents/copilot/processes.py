"""Defines how a process of Copilot CLI is recognised. The names are from version 1.0.102."""

from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature

SIGNATURE = ProcessSignature(
    executables=frozenset({"copilot", "gh-copilot"}),
    packages=("@github/copilot",),
    helpers=(*MCP_COMMANDS, *MAINTENANCE_COMMANDS, ("help",), ("plugin",)),
    host_options=frozenset({"--acp"}),  # started by an editor
    prompt_options=frozenset({"-p", "--prompt", "-i", "--interactive"}),
    value_options=frozenset({"--model", "--add-dir", "--allow-tool", "--deny-tool"}),
    lock_suffixes=(".lock", ".hold"),  # session-state/<session id>/inuse.<pid>.hold
)
