"""The process signature of Cursor's command line tool, from its documentation."""

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
