"""The process signature of Gemini CLI, which identifies its processes by their command lines.

The names of commands and options are from version 0.61.
"""

from agtop_exporter.signature import MCP_COMMANDS, ProcessSignature

SIGNATURE = ProcessSignature(
    executables=frozenset({"gemini"}),
    packages=("@google/gemini-cli",),
    helpers=(*MCP_COMMANDS, ("extensions",), ("extension",), ("skills",), ("hooks",)),
    host_options=frozenset({"--acp", "--experimental-acp"}),  # started by an editor
    value_options=frozenset({"-m", "--model", "--approval-mode", "--include-directories", "-e"}),
    prompt_options=frozenset({"-p", "--prompt", "-i", "--prompt-interactive"}),
    resume_options=frozenset({"-r", "--resume", "--session-id"}),
)
