"""Parses the command-line arguments of a program, and rejects invalid combinations of options.

The options of a command may precede or follow the command's name. Default values are set after the
combinations are checked, so that the check sees only options that the user gave.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from agtop_exporter.cli.command import HELP, VERSION, Command, Option, Program
from agtop_exporter.cli.output import write
from agtop_exporter.logs import on_one_line
from agtop_exporter.model import AgtopError
from agtop_exporter.settings import suggestion

INVALID_CHOICE = re.compile(r"invalid choice: '?(.*?)'? \(choose from", re.DOTALL)
MISSING_WORD = re.compile(r"the following arguments are required: (.*)", re.DOTALL)
NEEDLESS_VALUE = re.compile(r"ignored explicit argument (.*)", re.DOTALL)
OWNERS_MAX = 3  # a message names at most so many commands that have an option
REPEATABLE = ("agent", "home", "listen_address", "textfile_label", "web_allowed_host")


class UsageError(AgtopError):
    """The command-line arguments are invalid. If possible, the message suggests a correction."""


class UnknownCommandError(UsageError):
    """The command line contains an unknown command. The message is the name of this command."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError instead of printing the usage and exiting."""

    @property
    def usage_words(self) -> str:
        """The words that a user types to run the command, without options: `agtop price MODEL`."""
        return (self.usage or "").removesuffix(" [OPTION]...")

    def error(self, message: str) -> NoReturn:
        """Raise UsageError. `message` is argparse's description of the mistake."""
        if found := INVALID_CHOICE.search(message):
            raise UnknownCommandError(found[1])
        if missing := MISSING_WORD.fullmatch(message):
            raise UsageError(f"{missing[1]} is missing: type `{self.usage_words}`")
        text = NEEDLESS_VALUE.sub(r"takes no value, got \1", message)
        raise UsageError(text.removeprefix("argument "))


def parse(
    program: Program, words: Sequence[str], others: Sequence[Program] = ()
) -> tuple[str, argparse.Namespace]:
    """Return the name of the module that runs the command, and the parsed options.

    `words` are the command-line arguments. The attribute `program` of the options is `program`.
    Raises UsageError if the arguments are invalid. The message names a command of `others` that
    accepts the unknown word.
    """
    programs = (program, *others)
    try:
        options, unknown = parser_of(program).parse_known_args(words)
    except UnknownCommandError as error:  # perhaps the value of an option that does not exist
        word = str(error)
        if unknown := _unknown_options(program, words, word):
            raise _unknown_word(programs, program.default, unknown) from error
        raise _unknown_command(programs, word) from error
    command = next((c for c in program.commands if c.name == options.command), program.default)
    if unknown:
        raise _unknown_word(programs, command, unknown)
    given = [name for name in vars(options) if name != "command"]
    _check(program, command, given)
    for option in command.options:
        if option.dest not in given:
            setattr(options, option.dest, option.default)
    options.program = program
    module = next((command.instead[name] for name in command.instead if name in given), None)
    return module or command.module, options


def parser_of(program: Program) -> Parser:
    """Return the parser of a program, with one subparser for each command."""
    top = Parser(
        prog=program.name,
        usage=f"{program.name} [OPTION]... [COMMAND]",
        description=program.summary,
        argument_default=argparse.SUPPRESS,
        add_help=False,
    )
    repeated = {name: _repeated() for name in REPEATABLE}
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in program.commands:
        parser = commands.add_parser(
            command.name,
            usage=f"{command.typed(program.name)} [OPTION]...",
            help=command.summary,
            description=command.summary,
            argument_default=argparse.SUPPRESS,
            add_help=False,
        )
        _add_options(parser, program, command, repeated)
    _add_options(top, program, program.default, repeated)
    return top


def _add_options(
    parser: Parser,
    program: Program,
    command: Command,
    repeated: Mapping[str, type[argparse.Action]],
) -> None:
    parser.add_argument(*HELP.names, action="help", help=HELP.help)
    parser.add_argument(*VERSION.names, action=_version_of(program.name), help=VERSION.help)
    name, text = command.operand
    if name:
        parser.add_argument(name.lower(), metavar=name, help=text)
    settings = parser.add_argument_group("settings [default; variable]")
    for option in command.all_options():
        target = parser if option in command.options else settings
        arguments = dict(option.arguments)
        if option.dest in repeated:
            arguments["action"] = repeated[option.dest]
        target.add_argument(
            *option.names, dest=option.dest, help=option.help.replace("%", "%%"), **arguments
        )


def _version_of(program: str) -> type[argparse.Action]:
    """Return an argparse action that prints the version and ends the program.

    argparse's own action would break a long line.
    """

    class Version(argparse.Action):
        def __init__(self, option_strings: Sequence[str], dest: str, **more: Any) -> None:  # noqa: ANN401 - as argparse has it
            super().__init__(option_strings, dest, nargs=0, **more)

        def __call__(self, parser: argparse.ArgumentParser, *_rest: object) -> NoReturn:
            from agtop_exporter.build import one_line  # noqa: PLC0415 - only this option needs it

            write(f"{one_line(program)}\n")
            parser.exit()

    return Version


def _repeated() -> type[argparse.Action]:
    """Return an argparse action for an option that may be given several times.

    The action collects the values before and after the command's name in one list.
    """
    collected: list[Any] = []

    class Repeated(argparse.Action):
        def __call__(
            self,
            _parser: argparse.ArgumentParser,
            namespace: argparse.Namespace,
            values: Any,  # noqa: ANN401 - as argparse has it
            _option: str | None = None,
        ) -> None:
            collected.append(values)
            setattr(namespace, self.dest, collected)

    return Repeated


def _check(program: Program, command: Command, given: Sequence[str]) -> None:
    """Raise UsageError if the command does not accept the given combination of options.

    `given` has the names of the options that the user gave.
    """
    own = {option.dest: option for option in command.all_options()}
    for name in given:
        if name == command.operand[0].lower():
            continue
        if name not in own:
            raise UsageError(_not_an_option([program], command, f"--{name.replace('_', '-')}"))
        needed = command.needs.get(name)
        if needed and needed not in given:
            words = f"{command.typed(program.name)} {own[needed].typed} {own[name].typed}"
            raise UsageError(f"{own[name].flag} needs {own[needed].flag}: type `{words}`")
        for other in command.excludes.get(name, ()):
            if other in given:
                flags = f"{own[name].flag} and {own[other].flag}"
                raise UsageError(f"{flags} exclude each other: leave one of them out")


def _not_an_option(programs: Sequence[Program], command: Command, flag: str) -> str:
    """Return a message: `command` of the first program lacks an option that others have."""
    words = command.typed(programs[0].name)
    owners = _owners(programs, flag)
    hint = f": see `{words} --help`"
    if len(owners) <= OWNERS_MAX:
        *most, last = (f"`{owner}`" for owner in owners)
        hint = f"; {', '.join(most)} and {last} have it" if most else f"; {last} has it"
    return f"{flag} is not an option of `{words}`{hint}"


def _owners(programs: Sequence[Program], flag: str) -> list[str]:
    """Return the commands that have an option, of the first program in which one has it."""
    for program in programs:
        commands = [one for one in (program.default, *program.commands) if flag in _names(one)]
        if commands:
            return [command.typed(program.name) for command in commands]
    return []


def _unknown_word(
    programs: Sequence[Program], command: Command, words: Sequence[str]
) -> UsageError:
    program = programs[0]
    word = next((word for word in words if word.startswith("-")), words[0]).partition("=")[0]
    if not word.startswith("-"):
        return UsageError(f"unexpected argument: {on_one_line(word)}")
    if replacement := program.replaced.get(word):
        return UsageError(f"no such option: {word}; {replacement}")
    if _owners(programs, word):
        return UsageError(_not_an_option(programs, command, word))
    names = {name.lstrip("-"): name for name in _names(command)}  # dashes would be similarities
    meant = names.get(suggestion(word.lstrip("-"), names))
    hint = f"did you mean {meant}?" if meant else f"see `{command.typed(program.name)} --help`"
    return UsageError(f"no such option: {on_one_line(word)}; {hint}")


def _unknown_command(programs: Sequence[Program], word: str) -> UsageError:
    program, *others = programs
    names = [command.name for command in program.commands]
    found = [(one, other) for other in others for one in other.commands if one.name == word]
    typed = [one.typed(other.name) for one, other in found]
    if f"--{word}" in _names(program.default):  # such as help, version and watch
        typed.append(f"{program.name} --{word}")
    if replacement := program.replaced.get(word):
        hint = f"; {replacement}"
    elif typed:
        hint = f"; type `{typed[0]}`"
    elif meant := suggestion(word, names):
        hint = f"; did you mean {meant}?"
    else:
        hint = f" (commands: {', '.join(names)})"
    return UsageError(f"no such command: {on_one_line(word) or repr(word)}{hint}")


def _unknown_options(program: Program, words: Sequence[str], last: str) -> list[str]:
    """Return the words before `last` that look like options but are none without a command.

    The options may be shortened.
    """
    known = _names(program.default)
    end = len(words) - 1 - list(reversed(words)).index(last) if last in words else len(words)
    flags = [word.partition("=")[0] for word in words[:end] if re.match(r"--?[a-zA-Z]", word)]
    return [
        flag
        for flag in flags
        if not any(name.startswith(flag) or flag[:2] == name for name in known)
    ]


def _names(*commands: Command) -> list[str]:
    options: list[Option] = [HELP, VERSION]
    for command in commands:
        options += command.all_options()
    return [name for option in options for name in option.names]
