"""Reports the state of the daemon to systemd by the sd_notify protocol.

Protocol: <https://www.freedesktop.org/software/systemd/man/sd_notify.html>.
"""

import contextlib
import time
from collections.abc import Callable, Mapping

from agtop_exporter import platforms

SECOND_NS = 1_000_000_000


class Notifier:
    """Sends the state of this process to its service manager, if there is one."""

    def __init__(
        self,
        address: str,
        *,
        watchdog_seconds: float | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Set the address of the service manager's socket. With the address "", nothing is sent.

        The service manager restarts this process if `watchdog_seconds` pass without a ping of the
        watchdog. None means that there is no watchdog.
        """
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._monotonic_ns = monotonic_ns
        self.ping_interval_seconds = watchdog_seconds / 3 if watchdog_seconds else float("inf")
        """The longest time between two pings of the watchdog."""
        self._pinged_at = -SECOND_NS

    def ready(self, status: str) -> None:
        """Report that the daemon is ready, after a start or a reload."""
        self._send(READY=1, STATUS=status)

    def ping(self, status: str) -> None:
        """Ping the watchdog, at most once per second. Call it only while refreshes succeed."""
        now = self._monotonic_ns()
        if now - self._pinged_at >= SECOND_NS:
            self._pinged_at = now
            self._send(WATCHDOG=1, STATUS=status)

    def reloading(self) -> None:
        """Report that a reload of the settings has started; `ready` reports its end."""
        self._send(RELOADING=1, MONOTONIC_USEC=self._monotonic_ns() // 1000)

    def stopping(self) -> None:
        """Report that the daemon is stopping."""
        self._send(STOPPING=1)

    def _send(self, **state: object) -> None:
        """Send `state` to the service manager. Errors are ignored."""
        if self._address:
            message = "\n".join(f"{name}={value}" for name, value in state.items())
            with contextlib.suppress(OSError):
                platforms.send_datagram(message.encode(), self._address)


def notifier(environment: Mapping[str, str], *, pid: int) -> Notifier:
    """Return the notifier that `environment`, the environment of process `pid`, configures.

    The variables are NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
    """
    microseconds = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
    seconds = int(microseconds) / 1e6 if ours and microseconds.isdecimal() else None
    return Notifier(environment.get("NOTIFY_SOCKET", ""), watchdog_seconds=seconds)
