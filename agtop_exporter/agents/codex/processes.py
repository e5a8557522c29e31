"""The process signature of Codex. The names in the signature are from versions 0.80 to 0.171.

`~/.codex/tmp/arg0/` contains links to the Codex program. If the program is started through a link,
the name of the link selects what the program does, such as applying a patch.
"""

from agtop_exporter.signature import (
    MAINTENANCE_COMMANDS,
    MCP_COMMANDS,
    UUID,
    ProcessSignature,
)

SIGNATURE = ProcessSignature(
    executables=frozenset({"codex"}),
    packages=("@openai/codex",),
    tools=frozenset({"codex-linux-sandbox", "codex-execve-wrapper", "apply_patch", "applypatch"}),
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
    helper_options=frozenset(
        {"--codex-run-as-apply-patch", "--codex-run-as-fs-helper", "--codex-run-as-fs-ops"}
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
    transcript_names=rf"rollout-.*-{UUID}\.jsonl",
)
