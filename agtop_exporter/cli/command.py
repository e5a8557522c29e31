"""Defines the types that describe a program: its commands, their options and their settings."""

from argparse import SUPPRESS
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from agtop_exporter.settings import PREFIX, Form, Settings

SHORT_NAMES = {"plan": ("-p",)}
PATHS = ("DIR", "FILE", "FILE.prom")  # placeholders of options whose values are paths
OTHER_NAMES = {  # names in the first version and in rust-agtop
    "agent": ("--client", "--agentic-client", "--backend"),
    "no_state": ("--no-cache",),
}


@dataclass(frozen=True)
class Option:
    """One command-line option: its names, help text, default value and other argparse arguments."""

    names: tuple[str, ...]
    help: str
    default: Any = False
    arguments: Mapping[str, Any] = field(default_factory=lambda: {"action": "store_true"})

    @property
    def flag(self) -> str:
        """The first long name of the option, such as `--json`. Messages contain this name."""
        return next(name for name in self.names if name.startswith("--"))

    @property
    def dest(self) -> str:
        """The name of the attribute that has the option's value after parsing."""
        return self.flag[2:].replace("-", "_")

    @property
    def typed(self) -> str:
        """The option as a user types it, with a placeholder for the value: `--at DATE`."""
        return f"{self.flag} {self.arguments.get('metavar', '')}".rstrip()

    @property
    def is_path(self) -> bool:
        """Whether the value of the option is the path of a file or directory."""
        return self.arguments.get("metavar") in PATHS


CONFIG = Option(
    ("--config",),
    "Read settings from this TOML file (default: ~/.config/agtop-exporter/config.toml).",
    default=None,
    arguments={"metavar": "FILE", "type": Path},
)


@dataclass(frozen=True)
class Command:
    """One command of a program: its name, its options and the `cli` module that runs it."""

    name: str  # "" for the default command of a program
    summary: str
    module: str
    options: tuple[Option, ...] = ()
    settings: tuple[str, ...] = ()  # settings that are options of the command
    ignored: tuple[str, ...] = ()  # settings without effect, which the first version accepted
    instead: Mapping[str, str] = field(default_factory=dict)  # option -> module; first match wins
    needs: Mapping[str, str] = field(default_factory=dict)  # option -> the option that it needs
    excludes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    operand: tuple[str, str] = ("", "")  # the word that the command needs: its name, its help

    def all_options(self) -> tuple[Option, ...]:
        """Return the options of the command, including an option for each of its settings."""
        config = (CONFIG,) if self.settings else ()
        ignored = (replace(setting_option(name), help=SUPPRESS) for name in self.ignored)
        return (*self.options, *config, *map(setting_option, self.settings), *ignored)

    def typed(self, program: str) -> str:
        """Return the words that a user types to run the command in `program`, without options."""
        return f"{program} {self.name} {self.operand[0]}".rstrip()


@dataclass(frozen=True)
class Program:
    """A program with its commands. `default` runs if the user types no command."""

    name: str
    summary: str
    default: Command
    commands: tuple[Command, ...]
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Options and commands of rust-agtop that do not exist here, and what replaces them."""


def setting_option(name: str) -> Option:
    """Return the command-line option that sets the setting `name`.

    The help text has the description of the setting, its default value and its environment
    variable.
    """
    one = Settings.model_fields[name]
    flag = f"--{name.replace('_', '-')}"
    names = (*SHORT_NAMES.get(name, ()), flag, *OTHER_NAMES.get(name, ()))
    default = "" if one.annotation is bool else _default_text(one)
    text = f"{one.description} [{f'{default}; ' if default else ''}{PREFIX}{name.upper()}]"
    if one.annotation is bool:
        return Option(names, text)
    return Option(names, text, arguments={"metavar": _metavar(one)})


def _default_text(one: FieldInfo) -> str:
    default = f"{one.default:g}" if isinstance(one.default, float) else str(one.default or "")
    text = Form.of(one).default_text or default
    return f"default: {text}" if text else ""


def _metavar(one: FieldInfo) -> str:
    if get_origin(one.annotation) is Literal:
        return "|".join(get_args(one.annotation))
    form = Form.of(one)
    return form.metavar or form.unit.upper()


HELP = Option(("-h", "--help"), "Print this help and exit.", default=SUPPRESS)
VERSION = Option(("-V", "--version"), "Print the version and exit.", default=SUPPRESS)
