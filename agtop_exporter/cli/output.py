"""Functions for the standard output and the standard error of a command."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

from agtop_exporter.model import AgtopError

BAR_CHARACTERS = 30
COERCED_LOCALES = frozenset({"C.UTF-8", "C.utf8", "UTF-8"})
"""Values of LC_CTYPE that Python sets itself in the locale `C` (PEP 538)."""
SMALL_SCAN_BYTES = 50_000_000  # a smaller scan needs no progress bar


def write(page: str | bytes) -> None:
    """Write `page` to standard output.

    Raises BrokenPipeError if the program that reads the output has exited. Raises AgtopError if
    writing fails for another reason.
    """
    if sys.stdout is None:
        raise AgtopError("cannot write the output: standard output is closed")
    data = page if isinstance(page, bytes) else page.encode(sys.stdout.encoding, "replace")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_output()
        raise AgtopError(f"cannot write the output: {error.strerror}") from error


def drop_output() -> None:
    """Discard the buffered standard output, so that Python's flush at exit does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def can_draw(environment: Mapping[str, str]) -> bool:
    """Return whether this program can draw on a terminal and read its keys."""
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    are_terminals = all(one is not None and not one.closed and one.isatty() for one in streams)
    return are_terminals and environment.get("TERM", "dumb") != "dumb"


def is_ascii_only(environment: Mapping[str, str]) -> bool:
    """Return whether the output should have only ASCII characters.

    This is the case in the locale `C`, and if the encoding of standard output lacks an ellipsis.
    """
    character_type = environment.get("LC_CTYPE", "")
    chosen = (
        environment.get("LC_ALL"),
        "" if character_type in COERCED_LOCALES else character_type,
        environment.get("LANG"),
    )
    if next(filter(None, chosen), "") in {"C", "POSIX"}:
        return True
    try:
        "…".encode(sys.stdout.encoding if sys.stdout else "utf-8")
    except UnicodeEncodeError:
        return True
    return False


def leave(status: int = 0) -> NoReturn:
    """Exit the process at once, without freeing its memory.

    Freeing the memory would take as long as printing.
    """
    sys.stderr.flush()
    os._exit(status)


@contextlib.contextmanager
def not_kept_by_children() -> Iterator[None]:
    """Exit the process when the context ends, even if a child process still runs.

    Without this, Python would wait for the child process. A child process that waits for a hung
    file system never ends.
    """
    try:
        yield
    finally:
        processes = sys.modules.get("multiprocessing")
        if processes is not None and processes.active_children():
            error = sys.exception()
            status = error.code if isinstance(error, SystemExit) else int(error is not None)
            leave(status if isinstance(status, int) else 1)


def progress_bar(
    action: str = "scanning",
    *,
    unit: str = "MB",
    unit_size: int = 1_000_000,
    smallest: int = SMALL_SCAN_BYTES,
) -> Callable[[int, int], None]:
    """Return a function that draws a progress bar on standard error during a long action.

    The arguments of the function are the finished amount and the whole amount, such as numbers of
    bytes. The bar shows them in multiples of `unit_size`. The function draws nothing if the whole
    amount is less than `smallest` or if standard error is not a terminal.
    """
    drawn = -1
    shown = sys.stderr.isatty()

    def draw(done: int, total: int) -> None:
        nonlocal drawn
        full = min(BAR_CHARACTERS, BAR_CHARACTERS * done // max(1, total))
        if not shown or total < smallest or full == drawn:
            return
        drawn = full
        bar = "#" * full + "-" * (BAR_CHARACTERS - full)
        amounts = f"{done / unit_size:.0f} of {total / unit_size:.0f} {unit}"
        sys.stderr.write(f"\r{action} [{bar}] {amounts}")
        if done >= total:
            sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()

    return draw
