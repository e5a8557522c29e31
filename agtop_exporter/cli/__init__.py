"""Implements the command line of `agtop-exporter` and `agtop`.

Only this package reads the command-line arguments, the environment and the current time. `commands`
declares the commands. Each command has its own module, which is imported when the command runs.
`wiring` creates the objects of the program from the settings.
"""

import agtop_exporter.cli.lean  # noqa: F401, I001 - before the modules that import structlog

import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from agtop_exporter.cli.arguments import UsageError, parse
from agtop_exporter.cli.command import Program
from agtop_exporter.cli.commands import AGTOP, EXPORTER
from agtop_exporter.cli.output import drop_output, not_kept_by_children
from agtop_exporter.model import AgtopError
from agtop_exporter.settings import SettingsError
from agtop_exporter.stderr import protect_stderr


def exporter(arguments: Sequence[str] | None = None) -> None:
    """Run the program `agtop-exporter`. `arguments` defaults to the arguments in `sys.argv`."""
    with not_kept_by_children():
        _run(EXPORTER, arguments)


def agtop(arguments: Sequence[str] | None = None) -> None:
    """Run the program `agtop`. `arguments` defaults to the arguments in `sys.argv`."""
    with not_kept_by_children():
        _run(AGTOP, arguments)


def _run(program: Program, arguments: Sequence[str] | None) -> None:
    """Parse the arguments, and run the command that they select.

    An expected error is printed on stderr. If the reader of standard output has exited, the exit
    status is 0.
    """
    protect_stderr()
    try:
        module, options = parse(program, sys.argv[1:] if arguments is None else arguments)
        import_module(f"{__name__}.{module}").run(options)
    except AgtopError as error:
        for line in str(error).splitlines():
            print(f"{program.name}: {line}", file=sys.stderr)  # noqa: T201 - the user reads this
        sys.exit(2 if isinstance(error, SettingsError | UsageError) else 1)
    except BrokenPipeError:
        drop_output()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
