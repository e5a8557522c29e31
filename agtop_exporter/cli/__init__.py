"""Implements the command line of `agtop-exporter` and `agtop`.

Only this package reads the command-line arguments, the environment and the current time. `commands`
declares the commands. Each command has its own module, which is imported when the command runs.
`wiring` creates the objects of the program from the settings. The command `statusline` runs every
few seconds, so the modules that take long to import are imported later.
"""

import contextlib
import gc
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from importlib import import_module

from agtop_exporter.cli.output import drop_output, not_kept_by_children
from agtop_exporter.model import AgtopError
from agtop_exporter.stderr import protect_stderr

STATUS_LINES = {  # the usual arguments of the command `statusline`, parsed
    ("statusline",): Namespace(pass_through=False, state_dir=None),
    ("statusline", "--pass-through"): Namespace(pass_through=True, state_dir=None),
}


def exporter(arguments: Sequence[str] | None = None) -> None:
    """Run the program `agtop-exporter`. `arguments` defaults to the arguments in `sys.argv`."""
    with not_kept_by_children():
        _run("agtop-exporter", arguments)


def agtop(arguments: Sequence[str] | None = None) -> None:
    """Run the program `agtop`. `arguments` defaults to the arguments in `sys.argv`."""
    with not_kept_by_children():
        _run("agtop", arguments)


def _run(program: str, arguments: Sequence[str] | None) -> None:
    """Parse the arguments, and run the command that they select.

    An expected error is printed on stderr. If the reader of standard output has exited, the exit
    status is 0.
    """
    protect_stderr()
    try:
        with _without_collections():
            module, options = _parsed(program, sys.argv[1:] if arguments is None else arguments)
            command = import_module(f"{__name__}.{module}")
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see `agtop_exporter.__main__`
            signal.signal(signal.SIGINT, signal.default_int_handler)
        command.run(options)
    except AgtopError as error:
        for line in str(error).splitlines():
            print(f"{program}: {line}", file=sys.stderr)  # noqa: T201 - the user reads this
        sys.exit(2 if _is_mistake(error) else 1)
    except BrokenPipeError:
        drop_output()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Disable the garbage collector while modules are imported.

    Modules stay until the program ends. Searching them for garbage takes a tenth of the start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _parsed(program: str, words: Sequence[str]) -> tuple[str, Namespace]:
    """Return the name of the module that runs the command, and the parsed options."""
    if program == "agtop-exporter" and tuple(words) in STATUS_LINES:
        return "statusline", STATUS_LINES[tuple(words)]
    import_module(f"{__name__}.lean")  # before the modules that import structlog
    from agtop_exporter.cli.arguments import parse  # noqa: PLC0415 - takes long to import
    from agtop_exporter.cli.commands import AGTOP, EXPORTER  # noqa: PLC0415 - as above

    one, other = sorted((AGTOP, EXPORTER), key=lambda one: one.name != program)
    return parse(one, words, [other])


def _is_mistake(error: AgtopError) -> bool:
    """Return whether the arguments or the settings are invalid."""
    from agtop_exporter.cli.arguments import UsageError  # noqa: PLC0415 - as above
    from agtop_exporter.settings import SettingsError  # noqa: PLC0415 - as above

    return isinstance(error, SettingsError | UsageError)
