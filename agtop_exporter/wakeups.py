"""Wakes the daemon when a signal or a request arrives."""

import contextlib
import select
import signal
import socket
from types import FrameType

from agtop_exporter import platforms

REQUEST = b"\0"  # the byte of a request; the byte of a signal is its number


class Wakeups:
    """Waits in the main thread for signals, and for requests of another thread.

    `stopping` is true after a signal that stops the daemon. `reload_wanted` is true after a signal
    that asks for a reload; the caller resets it.
    """

    def __init__(self) -> None:
        # A signal handler must not take a lock, because it may interrupt any code. It writes to a
        # socket, which ends the wait.
        self._sender, self._receiver = socket.socketpair()
        self._sender.setblocking(False)  # noqa: FBT003 - its only argument
        self.stopping = False
        self.reload_wanted = False

    def install(self) -> None:
        """Install the signal handlers. Call this in the main thread."""
        signal.set_wakeup_fd(self._sender.fileno())
        for number in (*platforms.STOP_SIGNALS, *platforms.RELOAD_SIGNALS):
            signal.signal(number, self._on_signal)
        for number in platforms.IGNORED_SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def request(self) -> None:
        """Wake the main thread. Another thread may call this."""
        with contextlib.suppress(BlockingIOError):  # so many bytes wait that it wakes anyway
            self._sender.send(REQUEST)

    def wait(self, seconds: float) -> bytes:
        """Wait up to `seconds` for a signal or a request. Return the bytes that arrived, if any."""
        ready = select.select([self._receiver], [], [], seconds)[0]
        return self._receiver.recv(4096) if ready else b""

    def close(self) -> None:
        """Close the sockets."""
        self._sender.close()
        self._receiver.close()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in platforms.RELOAD_SIGNALS:
            self.reload_wanted = True
        else:
            self.stopping = True
