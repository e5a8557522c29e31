"""How the processes of Qwen Code look: it is a fork of Gemini CLI. Names were seen in 0.24."""

from agtop_exporter.signature import MCP_COMMANDS, ProcessSignature

SIGNATURE = ProcessSignature(
    executables=frozenset({"qwen"}),
    packages=("@qwen-code/qwen-code",),
    helpers=(*MCP_COMMANDS, ("extensions",)),
    host_options=frozenset({"--acp", "--experimental-acp"}),  # of an editor
    value_options=frozenset({"-m", "--model", "--approval-mode", "--include-directories", "-e"}),
    prompt_options=frozenset({"-p", "--prompt", "-i", "--prompt-interactive"}),
    resume_options=frozenset({"-r", "--resume", "--session-id"}),
)
