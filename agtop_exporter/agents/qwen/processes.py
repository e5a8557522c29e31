"""The process signature of Qwen Code, which is a fork of Gemini CLI.

The names in the signature are from version 0.24.
"""

from agtop_exporter.signature import MCP_COMMANDS, ProcessSignature

SIGNATURE = ProcessSignature(
    executables=frozenset({"qwen"}),
    packages=("@qwen-code/qwen-code",),
    helpers=(*MCP_COMMANDS, ("extensions",)),
    host_options=frozenset({"--acp", "--experimental-acp"}),  # started by an editor
    value_options=frozenset({"-m", "--model", "--approval-mode", "--include-directories", "-e"}),
    prompt_options=frozenset({"-p", "--prompt", "-i", "--prompt-interactive"}),
    resume_options=frozenset({"-r", "--resume", "--session-id"}),
)
