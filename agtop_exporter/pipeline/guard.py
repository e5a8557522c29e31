"""Runs file system calls in a thread, so that a call that hangs does not block the main thread.

Python runs signal handlers in the main thread only, and not during a system call. If a system call
hung in the main thread, the program would not react to SIGTERM.
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
"""A function by which a guarded function reports progress.

The Beat raises an exception if the caller no longer waits for the result of the guarded function.
"""

LIMIT_SECONDS = 10.0  # longest time between two progress reports
STOP_SECONDS = 1.0  # longest time that a call may continue after a request to stop
POLL_SECONDS = 0.1  # longest delay until a request to stop is noticed


class NoResponseError(TimeoutError):
    """A call has not returned in time. `filename` is the path that was read, "" if unknown."""

    def __init__(self, path: str = "") -> None:
        super().__init__(errno.ETIMEDOUT, DOES_NOT_RESPOND, path)


class _AbandonedError(Exception):
    """Ends a guarded function, because the caller no longer waits for the result."""


class _Call:
    """A function that runs in the thread of a Guard, with its progress and its result."""

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
    """Runs functions in a second thread, one at a time, with a time limit.

    The caller waits for the result. If a function does not return in time, the guard abandons the
    function and its thread, and starts a new thread for the next call. Each call has a name. Until
    an abandoned call returns, new calls with the same name fail. Therefore two threads never access
    the same objects.
    """

    def __init__(self, *, limit_seconds: float = LIMIT_SECONDS) -> None:
        """Create a guard. The thread starts with the first call."""
        self._limit_seconds = limit_seconds
        self._inbox: SimpleQueue[_Call | None] | None = None
        self._thread: threading.Thread | None = None
        self._abandoned: dict[str, tuple[_Call, str]] = {}  # by name, with the path
        self.late: dict[str, tuple[list[Any], int]] = {}
        """For each abandoned call, by name: a list of results, and the number of results read.

        The abandoned call may still add results to the list. The caller of `call` adds the entries.
        """

    def call(
        self,
        name: str,
        function: Callable[[Beat], T],
        *,
        place: Callable[[], str] = lambda: "",
        stopping: Callable[[], bool] = lambda: False,
        waiting: Callable[[], None] = lambda: None,
    ) -> T:
        """Run a function in the thread, and return its result or raise its exception.

        The function receives a Beat, with which it reports progress. `place` returns the path that
        the function reads. If the function takes long, `waiting` is called while it reports
        progress, at most every POLL_SECONDS.

        NoResponseError is raised in three cases: the function reports no progress within the time
        limit, the function continues for STOP_SECONDS after `stopping` returned True, or an earlier
        call with the same name has not returned.
        """
        if self.is_stuck(name):
            raise NoResponseError(self._abandoned[name][1])
        call = _Call(function)
        self._worker().put(call)
        if not self._returns(call, stopping, waiting):
            self._abandon(name, call, place())
            raise NoResponseError(self._abandoned[name][1])
        if call.error is not None:
            raise call.error
        result: T = call.result
        return result

    def is_stuck(self, name: str) -> bool:
        """Return whether an abandoned call with this name has still not returned."""
        if name in self._abandoned and self._abandoned[name][0].done.is_set():
            del self._abandoned[name]
        return name in self._abandoned

    def rest(self) -> None:
        """End the idle thread, so that the process can fork. The next call starts a new thread."""
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

    def _returns(
        self, call: _Call, stopping: Callable[[], bool], waiting: Callable[[], None]
    ) -> bool:
        beats, ending = 0, False
        deadline = monotonic() + self._limit_seconds
        while not call.done.wait(min(POLL_SECONDS, self._limit_seconds)):
            now = monotonic()
            if stopping() and not ending:
                ending, deadline = True, min(deadline, now + STOP_SECONDS)
            elif call.beats != beats and not ending:
                beats, deadline = call.beats, now + self._limit_seconds
                waiting()
            elif now >= deadline:
                return False
        return True


def _work(inbox: "SimpleQueue[_Call | None]") -> None:
    while (call := inbox.get()) is not None:
        call.run()
        del call  # releases its result while the thread waits
