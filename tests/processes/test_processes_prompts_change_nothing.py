"""Agents are recognized by names and fixed positions in argv. P1-A8 are acceptance ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes.builders import OC1, SIGNATURES, U1, U2, process

from agtop_exporter.processes.facts import Recognized
from agtop_exporter.processes.identify import identify, is_session_id


def role(*argv, **facts):
    found = identify(process(1, *argv, **facts), SIGNATURES)
    return (found.agent, found.role) if found else None


def named(*argv, **facts):
    found = identify(process(1, *argv, **facts), SIGNATURES)
    return found.session_id if found else None


NODE = "/usr/bin/node"


@pytest.mark.parametrize("name", ["claude", "codex", "opencode", "cursor", "gemini"])
def test_p1_a_name_alone_is_enough(name):
    assert role(comm=name, exe=" ") == (name, "session")


@pytest.mark.parametrize("comm", ["node", "node-MainThread", "MainThread"])
def test_p2_a_script_is_known_by_its_name_not_by_its_folder(comm):
    assert role("node", "/opt/gemini/bin/gemini", comm=comm, exe=NODE) == ("gemini", "session")
    assert role("node", "/home/app/server.js", comm=comm, exe=NODE) is None
    assert role("node", "/home/gemini/claude/server.js", comm=comm, exe=NODE) is None
    assert role("bash") is None


def test_p3_tool_servers_are_helpers_and_sdk_sessions_are_sessions():
    assert role("claude", "mcp-server") == ("claude", "helper")
    assert role("claude", "mcp", "serve") == ("claude", "helper")
    assert role("codex", "-c", "model=x", "mcp-server") == ("codex", "helper")
    sdk = ("claude", "--output-format", "stream-json", "--input-format", "stream-json")
    assert role(*sdk) == ("claude", "session")
    assert named(*sdk, "--resume", U1) == U1


def test_the_processes_behind_a_background_session_are_helpers():
    """`claude --bg` of 2.1.330 gives two of its processes these titles as argv[0]."""
    claude = "/opt/claude-code/bin/claude.exe"
    pty = ("claude bg-pty-host", "--bg-pty-host", "/tmp/x.sock", "200", "50", "--", claude)
    assert role(*pty, exe=claude) == ("claude", "helper")
    assert role("claude bg-spare", "--bg-spare", "/tmp/x.sock", exe=claude) == ("claude", "helper")
    assert role(claude, "daemon", "run", "--origin", "transient") == ("claude", "helper")
    session = (claude, "--session-id", U1, "Explain --bg-spare", "--dangerously-skip-permissions")
    assert role(*session, exe=claude) == ("claude", "session")
    assert named(*session, exe=claude) == U1


@pytest.mark.parametrize(
    "name", ["codex-linux-sandbox", "codex-execve-wrapper", "apply_patch", "applypatch"]
)
def test_the_program_of_an_agent_that_runs_as_a_tool_is_a_tool(name):
    """Codex links to itself in ~/.codex/tmp/arg0. The name of the link selects the tool."""
    program = {"comm": "codex", "exe": "/opt/codex/bin/codex"}
    assert role(f"/home/u/.codex/tmp/arg0/codex-arg0Ab/{name}", "--", "make", **program) is None
    assert role(name, "resume", U1, **program) is None
    assert role("codex", "--codex-run-as-apply-patch", "*** Begin", **program)[1] == "helper"


@pytest.mark.parametrize(
    "argument",
    [
        "--claude-in-chrome-mcp",
        "--chrome-native-host",
        "--computer-use-mcp",
        "--ripgrep",
        "--daemon-worker=bridge",
        "remote-control",
    ],
)
def test_helper_processes_of_claude_code_are_no_sessions(argument):
    """nbramia/LifeOS pull request 171: a browser helper counted as a session."""
    assert role("claude", argument, "--name", "x") == ("claude", "helper")
    assert role("claude", "-p", argument) == ("claude", "session")


@pytest.mark.parametrize("command", ["attach", "logs", "respawn", "gateway", "ultrareview"])
def test_a_command_about_sessions_of_claude_code_is_no_session(command):
    """`claude attach` of 2.1.332 shows a session that another process runs."""
    assert role("claude", command, "4f2a") == ("claude", "helper")
    assert role("claude", "--effort", "low", command) == ("claude", "helper")
    assert role("claude", f"{command} the logs") == ("claude", "session")


@pytest.mark.parametrize("option", ["--add-dir", "--tools", "--effort", "--team-name", "--betas"])
def test_the_value_of_an_option_of_claude_code_is_no_command(option):
    assert role("claude", option, "config", "Explain") == ("claude", "session")


@pytest.mark.parametrize(
    ("agent", "option"),
    [
        ("gemini", "--acp"),
        ("gemini", "--experimental-acp"),
        ("qwen", "--acp"),
        ("copilot", "--acp"),
    ],
)
def test_an_agent_behind_an_editor_serves_several_sessions(agent, option):
    """hAcKlyc/MyAgents issue 532: an editor starts `gemini --acp` without a terminal."""
    assert role(agent, option) == (agent, "host")
    assert role(agent, "--model", "m", option) == (agent, "host")
    for argv in (("-p", option), ("--", option), ("--model", option), ("explain", option)):
        assert role(agent, *argv) == (agent, "session")


def test_p4_servers_that_users_face_are_hosts():
    assert role("opencode", "serve", "--port", "39241") == ("opencode", "host")
    assert role("codex", "app-server", "--analytics") == ("codex", "host")
    managed = ("codex", "app-server", "--listen", "unix://", "--managed-daemon")
    assert role(*managed) == ("codex", "host")
    assert role("codex", "app-server", "daemon", "pid-update-loop") == ("codex", "helper")


def test_the_commands_of_an_agent_that_python_runs_are_known():
    python = {"comm": "hermes", "exe": "/usr/bin/python3"}
    assert role("python3", "/usr/bin/hermes", "gateway", **python) == ("hermes", "host")
    assert role("python3", "/usr/bin/hermes", "doctor", **python) == ("hermes", "helper")
    service = (
        "python",
        "-m",
        "hermes_cli.main",
        "--profile",
        "work",
        "gateway",
        "run",
        "--replace",
    )
    assert role(*service, exe="/usr/bin/python3.13") == ("hermes", "host")


def test_p5_a_desktop_application_is_not_the_command_line_tool():
    assert role("/Applications/Claude.app/Contents/MacOS/claude", exe=" ") is None
    helper = "/Applications/Foo.app/Contents/Frameworks/Foo Helper.app/Contents/MacOS/codex"
    assert role(helper, exe=helper) is None
    assert role("claude", "-p", "open /Applications/Foo.app/x") == ("claude", "session")


@pytest.mark.parametrize(
    ("program", "argument", "expected"),
    [
        (
            "Claude/claude-code/2.1.281/claude.app/Contents/MacOS/claude",
            "-p",
            ("claude", "session"),
        ),
        ("/Applications/Codex.app/Contents/Resources/codex", "app-server", ("codex", "host")),
        ("/Applications/ChatGPT.app/Contents/Resources/codex", "exec", ("codex", "session")),
    ],
)
def test_a_command_line_tool_that_an_application_brings_is_the_agent(program, argument, expected):
    assert role(program, argument, exe=program) == expected


def test_p6_resumed_sessions_are_sessions():
    assert role("claude", "--resume", U1) == ("claude", "session")
    assert role("codex", "resume", U1) == ("codex", "session")
    assert role("opencode", "run", "-s", OC1) == ("opencode", "session")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("claude", "/usr/share/serverpkg/mcp-server"), "session"),
        (("claude", "observer mcp-server daemon"), "session"),
        (("claude", "-p", "daemon"), "session"),
        (("claude", "--append-system-prompt", "daemon"), "session"),
        (("claude", "-p", "restart", "the", "daemon"), "session"),
        (("claude", "--", "mcp-server"), "session"),
        (("gemini", "--prompt=x", "mcp"), "session"),
        (("codex", "exec", "mcp-server"), "session"),
        (("opencode", "run", "serve the page"), "session"),
    ],
)
def test_p7_words_count_as_whole_and_in_the_command_only(argv, expected):
    assert role(*argv) == (argv[0], expected)


@given(
    prompt=st.lists(st.sampled_from(["daemon", "codex", "mcp-server", f"resume {U2}", "gemini"]))
)
def test_prompts_never_matter(prompt):
    text = " ".join(prompt)
    assert identify(process(1, "claude", "-p", text), SIGNATURES) == Recognized("claude")
    assert identify(process(1, "codex", "exec", text), SIGNATURES) == Recognized("codex")
    assert identify(process(1, "grep", *prompt), SIGNATURES) is None


@pytest.mark.parametrize(
    ("expected", "argv", "facts"),
    [
        ("codex", ("node", "/usr/local/bin/codex", "exec"), {"exe": NODE}),
        ("codex", ("node", "/x/node_modules/@openai/codex/bin/codex.js"), {"exe": NODE}),
        ("claude", ("node", "/x/node_modules/@anthropic-ai/claude-code/cli.js"), {"exe": NODE}),
        (
            "gemini",
            ("node", "--max-old-space-size=12051", "/x/node_modules/@google/gemini-cli/a.js"),
            {"exe": NODE},
        ),
        ("qwen", ("node", "-r", "/x/y.js", "/usr/bin/qwen"), {"exe": NODE}),
        ("opencode", ("bun", "run", "/x/node_modules/opencode-ai/bin/index.ts"), {"comm": "bun"}),
        ("claude", ("deno", "run", "-A", "npm:@anthropic-ai/claude-code@2.1"), {"comm": "deno"}),
        (
            "copilot",
            ("copilot",),
            {"comm": "MainThread", "exe": "/x/copilot-linux-x64/copilot"},
        ),
        ("pi", ("pi",), {"comm": "pi", "exe": NODE}),
        (
            "cursor",
            ("/home/u/.local/bin/cursor-agent", "--use-system-ca", "/x/index.js"),
            {"comm": "MainThread", "exe": NODE},
        ),
        (
            "cursor",
            ("node", "/home/u/.local/share/cursor-agent/versions/2026.01/index.js"),
            {"exe": NODE},
        ),
        (
            "claude",
            ("/home/u/.local/share/claude/versions/2.1.197",),
            {"comm": "2.1.197", "exe": "/home/u/.local/share/claude/versions/2.1.197"},
        ),
        ("claude", ("claude",), {"exe": "/x/node_modules/@anthropic-ai/claude-code/claude.exe"}),
        ("claude", ("/bin/bash", "/home/u/bin/claude"), {"comm": "claude", "exe": "/bin/bash"}),
        ("claude", ("node", "/nix/store/1f-claude/bin/.claude-wrapped"), {"exe": NODE}),
        ("opencode", ("/nix/store/1f-opencode/bin/.opencode-wrapped",), {"exe": "/x/y"}),
        ("codex", ("./codex-x86_64-unknown-linux-musl",), {"exe": "/x/y"}),
        ("codex", ("/opt/homebrew/Caskroom/codex/0.101.0/codex-aarch64-apple-darwin",), {}),
        (
            "hermes",
            ("/x/venv/bin/python3", "/home/u/.local/bin/hermes", "chat"),
            {"comm": "hermes", "exe": "/usr/bin/python3.12"},
        ),
        (
            "hermes",
            ("/x/python", "-u", "-m", "hermes_cli.main", "-p", "work", "chat", "-q", "gateway"),
            {"exe": "/usr/bin/python3.12"},
        ),
        ("kimi", ("python3", "-m", "kimi_cli"), {"exe": "/usr/bin/python3.12"}),
        ("openhands", ("python", "-m", "openhands_cli.simple_main"), {"exe": "/usr/bin/python3"}),
    ],
)
def test_every_way_to_install_is_known(expected, argv, facts):
    assert role(*argv, **facts) == (expected, "session")


@pytest.mark.parametrize(
    ("argv", "facts"),
    [
        (("rg", "claude"), {"exe": "/x/node_modules/@anthropic-ai/claude-code/vendor/rg"}),
        (("vim", "/usr/bin/codex"), {}),
        (("node", "/home/u/gemini.js"), {"exe": NODE}),
        (("python3", "-m", "claude"), {}),
        (("python3", "-m", "hermes_client"), {"exe": "/usr/bin/python3"}),
        (("python3", "x.py", "-m", "kimi_cli"), {"exe": "/usr/bin/python3"}),
        (("python3", "-c", "x", "-m", "kimi_cli"), {"exe": "/usr/bin/python3"}),
        (("python3", "-m"), {"exe": "/usr/bin/python3"}),
        (("pi", "1000"), {"exe": "/usr/bin/pi"}),  # a program that computes pi
        (("7z", "x", "codex"), {}),
        (("hermes", "engine.js"), {"exe": "/usr/bin/hermes"}),  # a JavaScript engine
        (("npm", "install", "codex"), {"comm": "npm"}),
        (("/usr/lib/copilot-language-server",), {}),
        ((), {"comm": "kworker/0:1", "exe": " "}),
    ],
)
def test_look_alikes_are_not_agents(argv, facts):
    assert role(*argv, **facts) is None


@pytest.mark.parametrize(
    "argv",
    [
        ("npm exec @openai/codex --yolo",),
        ("npx", "-y", "@openai/codex@latest"),
        ("node", "/usr/bin/npx", "@openai/codex"),
        ("node", "/usr/lib/node_modules/npm/bin/npx-cli.js", "--yes", "@openai/codex@0.169.0"),
        ("bunx", "@openai/codex"),
        ("bun", "x", "codex"),
        ("pnpm", "dlx", "@openai/codex"),
    ],
)
def test_launchers_are_wrappers(argv):
    assert role(*argv, exe=NODE) == ("codex", "wrapper")


def test_electron_children_are_helpers():
    assert role("/usr/share/cursor/cursor", "--type=renderer") == ("cursor", "helper")
    assert role("/usr/share/cursor/cursor") == ("cursor", "session")


@pytest.mark.parametrize(
    "options",
    [
        ("--resume", U1),
        ("-r", U1),
        (f"--resume={U1}",),
        ("--session-id", U1),
        (f"--session-id={U1}",),
    ],
)
def test_a1_claude_names_its_session(options):
    assert named("claude", *options) == U1


@pytest.mark.parametrize(
    "options",
    [("--resume", "latest"), ("--resume", "fix-the-bug"), ("-s", U1), ("--resume", OC1)],
)
def test_a2_claude_names_none(options):
    assert not named("claude", *options)


def test_a3_codex_names_its_session():
    assert named("codex", "resume", U1) == U1
    assert named("codex", "-c", "model=opus", "resume", U1) == U1
    assert named("codex", "exec", "resume", U1) == U1
    forked = identify(process(1, "codex", "fork", U1), SIGNATURES)
    assert forked == Recognized("codex", "session", U1, forks=True)
    assert not named("codex", "exec", "do something")


def test_a4_gemini_names_its_session():
    assert named("node", "/opt/bin/gemini", "--resume", U1, exe=NODE) == U1
    for other in ("latest", "5"):
        assert not named("node", "/opt/bin/gemini", "--resume", other, exe=NODE)


def test_a5_opencode_names_its_session():
    for options in (("-s", OC1), ("--session", OC1), (f"--session={OC1}",)):
        assert named("opencode", "run", *options) == OC1
    for options in (("-s", U1), ("-s", "garbage"), ("--resume", U1)):
        assert not named("opencode", "run", *options)


def test_antigravitys_tool_names_its_session():
    assert named("agy", "--conversation", U1, "-p", "oil the engine") == U1
    assert not named("agy", "-p", f"--conversation {U1}")


@pytest.mark.parametrize("agent", ["copilot", "cursor", "antigravity"])
def test_a6_some_agents_never_name_theirs(agent):
    assert not named(agent, "--resume", U1)
    assert not named(agent)
    assert not named(comm=agent)


@pytest.mark.parametrize(
    "text",
    [U1.upper().replace("1", "A"), U1[:-1], U1 + "1", U1.replace("1", "g"), "1" * 36, ""],
)
def test_a7_only_lower_case_uuids_are_ids(text):
    assert not is_session_id(text)
    assert is_session_id(U1)


@pytest.mark.parametrize("text", ["xes" + OC1[3:], OC1[:-1], OC1[:-1] + "-", "", U1])
def test_a8_only_whole_opencode_ids_are_ids(text):
    assert not is_session_id(text, SIGNATURES["opencode"].session_id_pattern)
    assert is_session_id(OC1, SIGNATURES["opencode"].session_id_pattern)


def test_the_first_valid_value_wins_and_a_separator_ends_the_options():
    assert named("claude", "--resume", "latest", "--resume", U1, "-r", U2) == U1
    assert not named("claude", "--", "--resume", U1)
    assert identify(
        process(1, "claude", "--resume", U1, "--fork-session"), SIGNATURES
    ) == Recognized("claude", "session", U1, forks=True)
