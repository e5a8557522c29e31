"""How the processes of Codex look. Names were seen in versions 0.80 and 0.169."""

from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature

SIGNATURE = ProcessSignature(
    executables=frozenset({"codex"}),
    packages=("@openai/codex",),
    helpers=(
        *MCP_COMMANDS,
        *MAINTENANCE_COMMANDS,
        ("app-server", "daemon"),
        ("daemon",),
        ("logout",),
        ("sandbox",),
        ("debug",),
        ("features",),
        ("execpolicy",),
    ),
    hosts=(("app-server",), ("exec-server",)),
    value_options=frozenset(
        {
            "-c",
            "--config",
            "-m",
            "--model",
            "-p",
            "--profile",
            "-C",
            "--cd",
            "-i",
            "--image",
            "-s",
            "--sandbox",
            "-a",
            "--ask-for-approval",
            "--add-dir",
            "--enable",
            "--disable",
            "--remote",
            "--local-provider",
        }
    ),
    resume_commands=frozenset({"resume", "fork"}),
    fork_marks=frozenset({"fork"}),
    lock_suffixes=(".lock",),  # thread-writer-locks/<thread id>.lock
)
