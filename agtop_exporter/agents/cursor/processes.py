"""Defines how a process of Cursor's command line tool is recognised.

The names are from the documentation of the tool.
"""

from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature

SIGNATURE = ProcessSignature(
    executables=frozenset({"cursor", "cursor-agent"}),
    version_folders=("cursor-agent/versions",),
    helpers=(
        *MCP_COMMANDS,
        *MAINTENANCE_COMMANDS,
        ("logout",),
        ("status",),
        ("ls",),
        ("worker",),
    ),
    prompt_options=frozenset({"-p", "--print"}),
    value_options=frozenset({"--model", "--output-format", "-a", "--api-key", "--resume"}),
)
