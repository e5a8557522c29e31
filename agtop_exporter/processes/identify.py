"""Identifies the agent of a process by the name, program and script of the process. No I/O.

The role and the session of the process are found in fixed positions of its arguments: in options,
in the command (`mcp-server`, `serve`) and in a session id. The text of a prompt never changes the
result.
"""

import re
from collections.abc import Iterator, Mapping

from agtop_exporter.processes.facts import Process, Recognized, Role
from agtop_exporter.signature import UUID, ProcessSignature

# Node 24 names its main thread MainThread, Node 25 node-MainThread.
_INTERPRETERS = frozenset({"node", "nodejs", "bun", "deno", "MainThread", "node-MainThread"})
_PYTHON = re.compile(r"python[\d.]*")
_INTERPRETER_VALUE_OPTIONS = frozenset(
    {"-r", "--require", "--import", "--loader", "--experimental-loader", "--env-file", "-C"}
)
_INTERPRETER_COMMANDS = frozenset({"run", "x"})  # bun run, bun x, deno run
_LAUNCHERS = frozenset({"npm", "npx", "npm-cli.js", "npx-cli.js", "bunx", "pnpm", "pnpx", "yarn"})
_LAUNCHER_COMMANDS = frozenset({"exec", "x", "dlx"})
_NIX_WRAPPED = re.compile(r"\.(.+)-wrapped_*")  # Nix installs X as a script that runs .X-wrapped
_TARGET = re.compile(r"(.+)-(?:x86_64|aarch64|arm64)-[a-z]+-[a-z0-9-]+")  # of a downloaded program
_APPLICATION = re.compile(r"\.app/Contents/(?:MacOS|Frameworks)/")
_TOOL_BUNDLE = re.compile(r"/\d+\.[\d.]+/[^/]+\.app/Contents/MacOS/")
_LAUNCHER_TITLE = re.compile(r"np(?:m exec|x) ")  # npm sets its title, which replaces argv


def is_session_id(text: str, pattern: str = UUID) -> bool:
    """Return whether the whole of `text` matches the pattern of an agent's session ids."""
    return re.fullmatch(pattern, text) is not None


def identify(process: Process, signatures: Mapping[str, ProcessSignature]) -> Recognized | None:
    """Return the agent, the role and the session id of a process; None if it is no agent process.

    `signatures` maps the names of agents to their signatures.
    """
    if _in_application_bundle(process):
        return None
    package = _launched_package(process)
    if package:
        return next(
            (
                Recognized(agent, "wrapper")
                for agent, signature in signatures.items()
                if package in signature.packages or package in signature.executables
            ),
            None,
        )
    script, arguments = script_of(process)
    module, after_module = _module_of(process)
    for agent, signature in signatures.items():
        if _first_name(process) in signature.tools:
            return None
        if _is_native(process, signature):
            # The process may have the agent's name and run a script, which is then argument 1.
            hosted = _name("".join(process.argv[1:2])) in signature.executables | signature.titles
            if not _is_script_of(script, signature):
                arguments = process.argv[2 if hosted else 1 :]
            return _describe(agent, signature, arguments)
        if _is_script_of(script, signature) or module in signature.modules:
            return _describe(agent, signature, arguments or after_module)
    return None


def session_id_in_arguments(
    arguments: tuple[str, ...], signature: ProcessSignature
) -> tuple[str, bool]:
    """Return the session id in the arguments, and whether the arguments fork (copy) the session.

    Without a session id, the result is `("", False)`.
    """
    arguments = _before_separator(arguments)
    forks = not signature.fork_marks.isdisjoint(arguments)
    for name, value in _pairs(arguments):
        wanted = name in signature.resume_options or name in signature.resume_commands
        if wanted and is_session_id(value, signature.session_id_pattern):
            return value, forks
    return "", False


def _pairs(arguments: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if equals and argument.startswith("-"):
            yield name, value
        elif index + 1 < len(arguments):
            yield argument, arguments[index + 1]


def _before_separator(arguments: tuple[str, ...]) -> tuple[str, ...]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _describe(agent: str, signature: ProcessSignature, arguments: tuple[str, ...]) -> Recognized:
    session_id, forks = session_id_in_arguments(arguments, signature)
    return Recognized(agent, _role(signature, arguments), session_id, forks)


def _role(signature: ProcessSignature, arguments: tuple[str, ...]) -> Role:
    first = arguments[0].partition("=")[0] if arguments else ""
    if first in signature.helper_options:
        return "helper"
    if any(argument.startswith("--type=") for argument in arguments):
        return "helper"  # Electron's renderers, zygotes and GPU processes
    if not signature.host_options.isdisjoint(_options(signature, arguments)):
        return "host"
    words = _command(signature, arguments)
    if any(words[: len(helper)] == helper for helper in signature.helpers):
        return "helper"
    if any(words[: len(host)] == host for host in signature.hosts):
        return "host"
    return "session"


def _options(signature: ProcessSignature, arguments: tuple[str, ...]) -> Iterator[str]:
    """Yield the options before a command or a prompt, without their values."""
    skip = False
    for argument in arguments:
        name = argument.partition("=")[0]
        if skip:
            skip = False
        elif not argument.startswith("-") or argument == "--" or name in signature.prompt_options:
            return
        else:
            yield name
            skip = argument in signature.value_options


def _command(signature: ProcessSignature, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command in the arguments, and the argument after the command.

    The command is the first argument that is not an option, an option's value or a prompt. A
    command may have two words, so the next argument is returned too. The result is empty without a
    command.
    """
    skip = False
    for index, argument in enumerate(arguments):
        if skip:
            skip = False
        elif argument == "--" or argument.partition("=")[0] in signature.prompt_options:
            return ()
        elif argument in signature.value_options:
            skip = True
        elif not argument.startswith("-"):
            return arguments[index : index + 2]
    return ()


def _is_native(process: Process, signature: ProcessSignature) -> bool:
    names = {process.comm, _name(process.exe), _name(process.argv[0]) if process.argv else ""}
    if not signature.executables.isdisjoint(names):
        return True
    if not signature.titles.isdisjoint(names):
        interpreter = _name(process.exe)
        return interpreter in _INTERPRETERS or _PYTHON.fullmatch(interpreter) is not None
    folder_of_program = process.exe.rpartition("/")[0]
    return any(folder_of_program.endswith(f"/{folder}") for folder in signature.version_folders)


def _is_script_of(script: str, signature: ProcessSignature) -> bool:
    if not script:
        return False
    if _name(script) in signature.executables:
        return True
    if script.startswith("npm:"):  # how Deno names a package
        return _package(script.removeprefix("npm:")) in signature.packages
    return any(f"/node_modules/{package}/" in script for package in signature.packages) or any(
        f"/{folder}/" in script for folder in signature.version_folders
    )


def script_of(process: Process) -> tuple[str, tuple[str, ...]]:
    """Return the script that an interpreter runs and the arguments after the script.

    Both are empty if the process is not an interpreter or runs no script.
    """
    if _INTERPRETERS.isdisjoint({process.comm, _name(process.exe), _first_name(process)}):
        return "", ()
    skip = False
    for index, argument in enumerate(process.argv[1:], start=1):
        if skip:
            skip = False
        elif argument in _INTERPRETER_VALUE_OPTIONS:
            skip = True
        elif not argument.startswith("-") and argument not in _INTERPRETER_COMMANDS:
            return argument.replace("\\", "/"), process.argv[index + 1 :]
    return "", ()


def _module_of(process: Process) -> tuple[str, tuple[str, ...]]:
    """Return the package whose module `python -m` runs, and the arguments after the module.

    Both are empty if the process is not Python or runs no module.
    """
    if not _PYTHON.fullmatch(_name(process.exe)):
        return "", ()
    for index, argument in enumerate(process.argv[1:-1], start=1):
        if argument == "-m":
            return process.argv[index + 1].partition(".")[0], process.argv[index + 2 :]
        if not argument.startswith("-") or argument == "-c":
            break
    return "", ()


def _launched_package(process: Process) -> str:
    """Return the package that npm, npx or a similar launcher runs, without the package version.

    The result is "" if the process is no launcher or runs no package.
    """
    words = process.argv
    if words and _LAUNCHER_TITLE.match(words[0]):
        words = tuple(words[0].split())
    elif _first_name(process) not in _LAUNCHERS and words[:2] != ("bun", "x"):
        script, arguments = script_of(process)
        if _name(script) not in _LAUNCHERS:
            return ""
        words = ("", *arguments)
    for word in words[1:]:
        if not word.startswith("-") and word not in _LAUNCHER_COMMANDS:
            return _package(word)
    return ""


def _package(specification: str) -> str:
    """Return the name of a package without its version: `@scope/name` of `@scope/name@1.0`."""
    scope, at, _version = specification.rpartition("@")
    return scope if at and scope else specification


def _name(path: str) -> str:
    name = path.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")
    longer = _NIX_WRAPPED.fullmatch(name) or _TARGET.fullmatch(name)
    return longer[1] if longer else name


def _first_name(process: Process) -> str:
    return _name(process.argv[0]) if process.argv else ""


def _in_application_bundle(process: Process) -> bool:
    """Return whether the program is the main or a helper program of a macOS application.

    Such a program may have the same name as a command line tool. Tools in the folder `Resources` of
    an application, and bundles in a folder that is named after a version, are command line tools.
    """
    paths = (path.replace("\\", "/") for path in (process.exe, *process.argv[:1]))
    return any(_APPLICATION.search(path) and not _TOOL_BUNDLE.search(path) for path in paths)
