"""Shows a page that fills the terminal, and restores the terminal in every case.

The page is on the alternate screen, so the shell's text reappears afterwards. On a system without
POSIX terminals there are no keys; Ctrl-C ends the program.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from agtop_exporter import platforms
from agtop_exporter.model import AgtopError

OPEN = "\x1b[?1049h\x1b[?25l"  # alternate screen, no cursor
HOME = "\x1b[H"
CLEAR_LINE = "\x1b[K"
CLEAR_BELOW = "\x1b[J"
# Without clearing, tmux moves lines of a screen that has grown to the shell's screen.
CLOSE = f"{HOME}{CLEAR_BELOW}\x1b[?25h\x1b[?1049l"
LOOK_SECONDS = 0.2  # time between two comparisons of the terminal's size
KEYS_MAX = 1024

Page = Callable[[os.terminal_size], str]
"""A function of the terminal's size that returns the lines of a page."""


class Screen:
    """The terminal as one page. Use it as a context manager, in the main thread.

    A signal that ends the program first restores the terminal. The exception is then
    KeyboardInterrupt for Ctrl-C, and otherwise SystemExit with the status 128 + signal. A suspended
    program (Ctrl-Z) leaves the terminal to the shell until it is continued.
    """

    def __init__(self) -> None:
        self._is_open = False
        stdin = sys.stdin
        # modes of the terminal that are restored later; None without keys
        self._modes = None if stdin is None else platforms.terminal_modes(stdin.fileno())
        self._size = shutil.get_terminal_size()
        self._handlers: dict[int, Any] = {}  # earlier signal handlers

    def __enter__(self) -> Self:
        for number in platforms.END_SIGNALS:
            self._handlers[number] = signal.signal(number, self._end)
        for number in platforms.SUSPEND_SIGNALS:
            self._handlers[number] = signal.signal(number, self._suspend)
        self._open()
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def show(self, page: Page, seconds: float) -> bool:
        """Show a page for some seconds. Return False as soon as the user types `q`.

        The page is drawn again when the size of the terminal changes.
        """
        end = time.monotonic() + seconds
        self._draw(page)
        while (left := end - time.monotonic()) > 0:
            if "q" in self._keys(min(left, LOOK_SECONDS)).lower():
                return False
            if shutil.get_terminal_size() != self._size:
                self._draw(page)
        return True

    def _draw(self, page: Page) -> None:
        """Write the page over the earlier one, without clearing the screen first."""
        self._size = shutil.get_terminal_size()
        lines = page(self._size).splitlines()[: self._size.lines]
        _write(HOME + f"{CLEAR_LINE}\n".join(lines) + CLEAR_LINE + CLEAR_BELOW)

    def _keys(self, seconds: float) -> str:
        """Wait up to `seconds` for a key, and return the typed keys; "" if there are none."""
        if self._modes is None:
            time.sleep(seconds)
            return ""
        if not select.select([sys.stdin], [], [], seconds)[0]:
            return ""
        with contextlib.suppress(OSError):
            return os.read(sys.stdin.fileno(), KEYS_MAX).decode(errors="replace") or "q"
        return "q"  # the terminal is gone

    def _open(self) -> None:
        self._is_open = True
        if self._modes is not None:
            platforms.read_keys_at_once(sys.stdin.fileno())
        _write(OPEN)

    def _close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        with contextlib.suppress(AgtopError):  # the terminal may be gone
            _write(CLOSE)
        if self._modes is not None:
            platforms.restore_modes(sys.stdin.fileno(), self._modes)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        self._close()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def _suspend(self, _number: int, _frame: FrameType | None) -> None:
        self._close()
        platforms.suspend()
        self._open()
        self._size = os.terminal_size((0, 0))  # draw the page again


def _write(text: str) -> None:
    """Write to the terminal without a buffer, because a signal may interrupt this function.

    Raises AgtopError if the terminal cannot be written.
    """
    data = text.encode(sys.stdout.encoding, "replace")
    try:
        while data:
            data = data[os.write(sys.stdout.fileno(), data) :]
    except OSError as error:
        raise AgtopError(f"cannot write to the terminal: {error.strerror}") from error
