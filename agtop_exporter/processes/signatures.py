"""How each agent's processes look, as plain data; nothing here looks at a process.

Names were seen on real installations: Claude Code 1.0.100 to 2.1.197, Codex 0.80 and 0.169,
Gemini CLI, OpenCode 1.18, Copilot CLI 1.0.102, Qwen Code 0.24, pi 1.5. Cursor and Antigravity
are from their documentation.
"""

from typing import Literal

import msgspec


class ProcessSignature(msgspec.Struct, frozen=True, gc=False):
    """What gives one agent's processes away.

    Names are compared whole, with the program, the process title or the script that an
    interpreter runs, never with other arguments.
    """

    executables: frozenset[str]
    titles: frozenset[str] = frozenset()  # names too common to trust unless a script took them
    packages: tuple[str, ...] = ()  # npm packages whose scripts are the agent
    version_folders: tuple[str, ...] = ()  # folders of programs that are named after a version
    helpers: tuple[tuple[str, ...], ...] = ()  # commands that never are a session
    helper_options: frozenset[str] = frozenset()  # first arguments of such processes
    hosts: tuple[tuple[str, ...], ...] = ()  # commands that serve many sessions
    value_options: frozenset[str] = frozenset()  # options before a command that take a value
    prompt_options: frozenset[str] = frozenset()  # after these there is no command, only prompt
    resume_options: frozenset[str] = frozenset()
    resume_commands: frozenset[str] = frozenset()
    fork_marks: frozenset[str] = frozenset()  # the session is a copy of the one that is named
    id_shape: Literal["uuid", "opencode"] = "uuid"


_MCP = (("mcp",), ("mcp-server",), ("mcp-stdio",))
_UPKEEP = (("update",), ("upgrade",), ("install",), ("doctor",), ("completion",), ("login",))

_GEMINI_OPTIONS = frozenset({"-m", "--model", "--approval-mode", "--include-directories", "-e"})
_GEMINI_PROMPTS = frozenset({"-p", "--prompt", "-i", "--prompt-interactive"})

SIGNATURES: dict[str, ProcessSignature] = {
    "claude": ProcessSignature(
        executables=frozenset({"claude"}),
        packages=("@anthropic-ai/claude-code",),
        version_folders=("claude/versions",),
        helpers=(
            *_MCP,
            *_UPKEEP,
            ("daemon",),
            ("config",),
            ("plugin",),
            ("auth",),
            ("setup-token",),
        ),
        helper_options=frozenset({"--bg-pty-host", "--bg-spare"}),  # beside `claude --bg`
        value_options=frozenset(
            {
                "--model",
                "--fallback-model",
                "--settings",
                "--mcp-config",
                "--permission-mode",
                "--append-system-prompt",
                "--system-prompt",
                "--output-format",
                "--input-format",
                "--session-id",
                "-r",
                "--resume",
                "--agent",
                "--agents",
                "--max-turns",
                "--max-budget-usd",
                "-n",
                "--name",
            }
        ),
        prompt_options=frozenset({"-p", "--print"}),
        resume_options=frozenset({"-r", "--resume", "--session-id"}),
        fork_marks=frozenset({"--fork-session"}),
    ),
    "codex": ProcessSignature(
        executables=frozenset({"codex"}),
        packages=("@openai/codex",),
        helpers=(
            *_MCP,
            *_UPKEEP,
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
    ),
    "gemini": ProcessSignature(
        executables=frozenset({"gemini"}),
        packages=("@google/gemini-cli",),
        helpers=(*_MCP, ("extensions",), ("extension",), ("skills",), ("hooks",)),
        value_options=_GEMINI_OPTIONS,
        prompt_options=_GEMINI_PROMPTS,
        resume_options=frozenset({"-r", "--resume", "--session-id"}),
    ),
    "opencode": ProcessSignature(
        executables=frozenset({"opencode"}),
        packages=("opencode-ai",),
        helpers=(
            *_MCP,
            *_UPKEEP,
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
        id_shape="opencode",
    ),
    "copilot": ProcessSignature(
        executables=frozenset({"copilot", "gh-copilot"}),
        packages=("@github/copilot",),
        helpers=(*_MCP, *_UPKEEP, ("help",), ("plugin",)),
        prompt_options=frozenset({"-p", "--prompt", "-i", "--interactive"}),
        value_options=frozenset({"--model", "--add-dir", "--allow-tool", "--deny-tool"}),
    ),
    "cursor": ProcessSignature(
        executables=frozenset({"cursor", "cursor-agent"}),
        version_folders=("cursor-agent/versions",),
        helpers=(*_MCP, *_UPKEEP, ("logout",), ("status",), ("ls",), ("worker",)),
        prompt_options=frozenset({"-p", "--print"}),
        value_options=frozenset({"--model", "--output-format", "-a", "--api-key", "--resume"}),
    ),
    "antigravity": ProcessSignature(executables=frozenset({"antigravity"})),
    "qwen": ProcessSignature(
        executables=frozenset({"qwen"}),
        packages=("@qwen-code/qwen-code",),
        helpers=(*_MCP, ("extensions",)),
        value_options=_GEMINI_OPTIONS,
        prompt_options=_GEMINI_PROMPTS,
        resume_options=frozenset({"-r", "--resume", "--session-id"}),
    ),
    "pi": ProcessSignature(
        executables=frozenset(),
        titles=frozenset({"pi"}),  # also the name of many a program that computes pi
        packages=("@earendil-works/pi-coding-agent", "@mariozechner/pi-coding-agent"),
    ),
}
"""By the agent's label; an agent that is added needs one entry here."""
