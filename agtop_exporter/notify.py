"""Tells systemd how the daemon is: the sd_notify protocol, and nothing but it.

Protocol: <https://www.freedesktop.org/software/systemd/man/sd_notify.html>.
"""

import contextlib
import time
from collections.abc import Callable, Mapping

from agtop_exporter import platforms

SECOND_NS = 1_000_000_000


class Notifier:
    """Sends the state of this process to the service manager that started it, if one did."""

    def __init__(
        self,
        address: str,
        *,
        watchdog_seconds: float | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Take what the manager gave: the address of its socket, "" for none.

        `watchdog_seconds` is how long the manager waits for a sign of life, None for ever.
        """
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._monotonic_ns = monotonic_ns
        self.patience_seconds = watchdog_seconds / 3 if watchdog_seconds else float("inf")
        """How long to be silent at most."""
        self._alive_at = -SECOND_NS

    def ready(self, status: str) -> None:
        """Say that the daemon does its work, after a start or a reload."""
        self._send(READY=1, STATUS=status)

    def alive(self, status: str) -> None:
        """Give a sign of life, at most one a second: only where work was done in time."""
        now = self._monotonic_ns()
        if now - self._alive_at >= SECOND_NS:
            self._alive_at = now
            self._send(WATCHDOG=1, STATUS=status)

    def reloading(self) -> None:
        """Say that the settings are read anew; `ready` ends it."""
        self._send(RELOADING=1, MONOTONIC_USEC=self._monotonic_ns() // 1000)

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send(STOPPING=1)

    def _send(self, **state: object) -> None:
        """Send, and let it be lost where nobody takes it: the work is more important."""
        if self._address:
            message = "\n".join(f"{name}={value}" for name, value in state.items())
            with contextlib.suppress(OSError):
                platforms.send_datagram(message.encode(), self._address)


def notifier(environment: Mapping[str, str], *, pid: int) -> Notifier:
    """Return the notifier for what a service manager put into the environment of process `pid`."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
    seconds = int(microseconds) / 1e6 if ours and microseconds.isdecimal() else None
    return Notifier(environment.get("NOTIFY_SOCKET", ""), watchdog_seconds=seconds)
