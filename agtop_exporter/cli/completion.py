"""Implements `completion`, which prints the completion script of a program for one shell.

shtab generates the script from the argument parser. The script starts no program, so that a
completion does not wait for Python.
"""

import argparse
from argparse import Namespace
from collections.abc import Mapping
from typing import Literal, get_args, get_origin

import shtab

from agtop_exporter.agents import load_agents
from agtop_exporter.cli.arguments import UsageError, parser_of
from agtop_exporter.cli.command import PATHS, Program
from agtop_exporter.cli.output import write
from agtop_exporter.render.table.rows import SORT_NAMES
from agtop_exporter.reports import DIMENSIONS, WEEKDAYS
from agtop_exporter.settings import Settings, suggestion

SHELLS = ("bash", "zsh", "fish")
VALUES: Mapping[str, tuple[str, ...]] = {
    "shell": SHELLS,
    "by": DIMENSIONS,
    "sort": SORT_NAMES,
    "week_start": WEEKDAYS,
}
"""The possible values of the arguments and options that are not settings, by name."""


def run(options: Namespace) -> None:
    """Print the script for the shell `options.shell`."""
    if options.shell not in SHELLS:
        meant = suggestion(options.shell, SHELLS)
        hint = f"; did you mean {meant}?" if meant else ""
        raise UsageError(f"expected bash, zsh or fish, got {options.shell!r}{hint}")
    write(script(options.program, options.shell))


def script(program: Program, shell: str) -> str:
    """Return the completion script of `program` for `shell`, one of SHELLS."""
    parser = parser_of(program)
    _describe_values(parser)
    return shtab.complete(parser, shell=shell).rstrip() + "\n"


def _describe_values(parser: argparse.ArgumentParser) -> None:
    """Add the possible values of options to the parser and its subparsers.

    Afterwards, the parser must not parse arguments: it would reject values that the settings accept
    in another spelling.
    """
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of its actions
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            for subparser in action.choices.values():
                _describe_values(subparser)
        elif action.metavar in PATHS:
            kind = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE
            action.complete = kind  # type: ignore[attr-defined]  # read by shtab
        else:
            action.choices = _values(action.dest) or None


def _values(name: str) -> tuple[str, ...]:
    """Return the possible values of the option `name`, or () if they cannot be listed."""
    if name in VALUES:
        return VALUES[name]
    if name == "agent":
        return tuple(agent.name for agent in load_agents())
    field = Settings.model_fields.get(name)
    kind = field and field.annotation
    return get_args(kind) if get_origin(kind) is Literal else ()
