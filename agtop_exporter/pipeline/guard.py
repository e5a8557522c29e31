"""Runs file system calls in a thread, so that a call that does not return blocks nothing else.

Python runs signal handlers in the main thread only, and not during a system call. If the main
thread made such a call itself, the program would not react to SIGTERM.
"""

import errno
import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from typing import Any, TypeVar

from agtop_exporter.folders import DOES_NOT_RESPOND

T = TypeVar("T")
Beat = Callable[[], None]
"""A function that reports progress. It raises an exception if the call has been abandoned."""

LIMIT_SECONDS = 10.0  # longest time between two progress reports
STOP_SECONDS = 1.0  # longest time that a call may continue after a request to stop
POLL_SECONDS = 0.1  # longest delay until a request to stop is noticed


class NoResponseError(TimeoutError):
    """A call has not returned in time. `filename` is the path that it reads; "" if unknown."""

    def __init__(self, path: str = "") -> None:
        super().__init__(errno.ETIMEDOUT, DOES_NOT_RESPOND, path)


class _AbandonedError(Exception):
    """The caller no longer waits for the result."""


class _Call:
    """A function that runs in the thread, with its progress and its result."""

    def __init__(self, function: Callable[[Beat], object]) -> None:
        self._function = function
        self.beats = 0
        self.abandoned = False
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._function(self._beat)
        except BaseException as error:  # noqa: BLE001 - `Guard.call` raises it again
            self.error = error
        self.done.set()

    def _beat(self) -> None:
        self.beats += 1
        if self.abandoned:
            raise _AbandonedError


class Guard:
    """Runs calls in one thread, which is replaced if a call does not return in time.

    There is no concurrency: the caller waits for the result. Each call has a name. Until a call has
    returned, other calls with its name fail, so two threads never use the same objects.
    """

    def __init__(self, *, limit_seconds: float = LIMIT_SECONDS) -> None:
        """Create a guard. The thread starts with the first call."""
        self._limit_seconds = limit_seconds
        self._inbox: SimpleQueue[_Call | None] | None = None
        self._thread: threading.Thread | None = None
        self._abandoned: dict[str, tuple[_Call, str]] = {}  # by name, with the place
        self.late: dict[str, tuple[list[Any], int]] = {}
        """The results of abandoned calls by name, and how many of them have been used.

        An abandoned call may still add results to its list.
        """

    def call(
        self,
        name: str,
        function: Callable[[Beat], T],
        *,
        place: Callable[[], str] = lambda: "",
        stopping: Callable[[], bool] = lambda: False,
    ) -> T:
        """Run a function in the thread, and return its result or raise its exception.

        `place` returns the path that the function reads. Raises NoResponseError if the function
        makes no progress within the limit, if it continues for STOP_SECONDS after `stopping`
        returned True, or if an earlier call with that name has not returned.
        """
        if self.is_stuck(name):
            raise NoResponseError(self._abandoned[name][1])
        call = _Call(function)
        self._worker().put(call)
        if not self._returns(call, stopping):
            self._abandon(name, call, place())
            raise NoResponseError(self._abandoned[name][1])
        if call.error is not None:
            raise call.error
        result: T = call.result
        return result

    def is_stuck(self, name: str) -> bool:
        """Return whether an abandoned call with that name has still not returned."""
        if name in self._abandoned and self._abandoned[name][0].done.is_set():
            del self._abandoned[name]
        return name in self._abandoned

    def rest(self) -> None:
        """End the idle thread, so that the process can be forked. The next call starts a thread."""
        if self._inbox is not None and self._thread is not None:
            self._inbox.put(None)
            self._thread.join()
            self._inbox = self._thread = None

    def _worker(self) -> "SimpleQueue[_Call | None]":
        if self._inbox is None:
            self._inbox = SimpleQueue()
            self._thread = threading.Thread(target=_work, args=(self._inbox,), daemon=True)
            self._thread.start()
        return self._inbox

    def _abandon(self, name: str, call: _Call, place: str) -> None:
        call.abandoned = True
        self._abandoned[name] = call, place
        self._worker().put(None)  # the thread ends after this call
        self._inbox = self._thread = None

    def _returns(self, call: _Call, stopping: Callable[[], bool]) -> bool:
        beats, ending = 0, False
        deadline = monotonic() + self._limit_seconds
        while not call.done.wait(min(POLL_SECONDS, self._limit_seconds)):
            now = monotonic()
            if stopping() and not ending:
                ending, deadline = True, min(deadline, now + STOP_SECONDS)
            elif call.beats != beats and not ending:
                beats, deadline = call.beats, now + self._limit_seconds
            elif now >= deadline:
                return False
        return True


def _work(inbox: "SimpleQueue[_Call | None]") -> None:
    while (call := inbox.get()) is not None:
        call.run()
        del call  # releases its result while the thread waits
