"""Write the man pages of both programs to `deploy/man/`, from the declarations of their commands.

usage: python deploy/man/generate.py

The package argparse-manpage is not used, because it repeats all settings for each command and puts
the date of the build on the page. The tests compare the committed pages with this program.
"""

from argparse import SUPPRESS
from collections.abc import Iterable, Iterator
from pathlib import Path

from agtop_exporter.cli.command import (
    CONFIG,
    HELP,
    VERSION,
    Command,
    Option,
    Program,
    setting_option,
)
from agtop_exporter.cli.commands import AGTOP, EXPORTER
from agtop_exporter.settings import Settings

FOLDER = Path(__file__).parent
PROGRAMS = (EXPORTER, AGTOP)

FILES = """\
.TP
.I ~/.config/agtop-exporter/config.toml
Settings.
.B agtop-exporter check-config --example
prints a file with all settings and their defaults.
.TP
.I ~/.local/state/agtop-exporter/ledger.db
The ledger: what has been counted.
.TP
.I ~/.cache/agtop-exporter/
Downloaded price lists.
"""

ENVIRONMENT = """\
A variable
.B AGTOP_*
overrides the configuration file; an option overrides the variable.
The variables of the agents that name their directories, such as CODEX_HOME, also apply.
With
.B --otlp
the OTEL_* variables of OpenTelemetry apply.
"""

EXIT_STATUS = """\
.TP
.B 0
Success.
.TP
.B 1
An error, or
.B agtop-exporter doctor
found a problem, or
.B agtop price
found no price.
.TP
.B 2
A mistake in the arguments or in the settings.
"""


def page(program: Program) -> str:
    """Return the man page of a program, in the macros of man(7)."""
    other = next(one for one in PROGRAMS if one is not program)
    about, _, without_command = program.summary.partition(". ")
    sections = {
        "NAME": f"{_text(program.name)} \\- {_text(about)}\n",
        "SYNOPSIS": f".B {_text(program.name)}\n[OPTION]... [COMMAND]\n",
        "DESCRIPTION": f"{_text(about)}.\n{_text(without_command)}\n",
        "COMMANDS": "".join(_command(one, program.default) for one in program.commands),
        "OPTIONS": "".join(map(_option, _own_options(program.default, HELP, VERSION))),
        "SETTINGS": "".join(map(_option, _settings(program))),
        "FILES": _dashes(FILES),
        "ENVIRONMENT": _dashes(ENVIRONMENT),
        "EXIT STATUS": _dashes(EXIT_STATUS),
        "SEE ALSO": f".BR {_text(other.name)} (1)\n",
    }
    head = f'.TH {program.name.upper()} 1 "" agtop-exporter "User Commands"\n'
    return head + "".join(f".SH {name}\n{text}" for name, text in sections.items())


def _command(command: Command, default: Command) -> str:
    """Return the description of a command with its own options and the names of its settings.

    `default` is the default command of the program.
    """
    lines = [".TP\n", f".B {_text(command.typed('').strip())}\n", f"{_text(command.summary)}\n"]
    if command.options:
        lines += [".RS\n", *map(_option, command.options), ".RE\n"]
    if command.settings:
        flags = ", ".join(setting_option(name).flag for name in command.settings)
        settings = "all" if command.settings == default.settings else flags
        lines += [".IP\n", f"Settings: {_text(settings)}.\n"]
    return "".join(lines)


def _own_options(command: Command, *common: Option) -> Iterator[Option]:
    yield from (one for one in (*common, *command.options) if one.help != SUPPRESS)


def _settings(program: Program) -> Iterable[Option]:
    """Return the options of all settings that a command of the program has."""
    commands = (program.default, *program.commands)
    names = {name for command in commands for name in command.settings}
    return (CONFIG, *(setting_option(name) for name in Settings.model_fields if name in names))


def _option(option: Option) -> str:
    names = ", ".join(f"\\fB{_text(name)}\\fR" for name in option.names)
    value = option.arguments.get("metavar")
    typed = f"{names} \\fI{_text(value)}\\fR" if value else names
    return f".TP\n{typed}\n{_text(option.help)}\n"


def _text(text: str) -> str:
    """Return a line of text without characters that roff interprets."""
    escaped = _dashes(text.replace("\\", "\\e"))
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _dashes(text: str) -> str:
    return text.replace("-", "\\-")


if __name__ == "__main__":
    for each in PROGRAMS:
        (FOLDER / f"{each.name}.1").write_text(page(each), encoding="utf-8")
