"""Runs calls of file systems in a thread, so that one that does not return stops nothing else.

Only the main thread runs signal handlers, and only between two steps of its own: inside such a call
it would obey no signal.
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
"""A guarded function calls it after each step; it raises once the call is abandoned."""

LIMIT_SECONDS = 10.0  # without progress, which is one file; what comes later is not lost
STOP_SECONDS = 1.0  # for what is being read when the program is to stop
POLL_SECONDS = 0.1  # how soon a wish to stop is noticed


class NoResponseError(TimeoutError):
    """A call has not returned in time; `filename` is what it looks at, "" if that is not known."""

    def __init__(self, path: str = "") -> None:
        super().__init__(errno.ETIMEDOUT, DOES_NOT_RESPOND, path)


class _AbandonedError(Exception):
    """The caller no longer waits for the result."""


class _Call:
    """A function, how far it has come, and what came of it."""

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
        except BaseException as error:  # noqa: BLE001 - raised again where the result is awaited
            self.error = error
        self.done.set()

    def _beat(self) -> None:
        self.beats += 1
        if self.abandoned:
            raise _AbandonedError


class Guard:
    """One thread that runs the calls of another, and is replaced where a call does not return.

    Not for concurrency: the caller waits. A call has a name, and while it has not returned there is
    no other of that name: what it uses is never used twice at a time.
    """

    def __init__(self, *, limit_seconds: float = LIMIT_SECONDS) -> None:
        """Start no thread before it is needed."""
        self._limit_seconds = limit_seconds
        self._inbox: SimpleQueue[_Call | None] | None = None
        self._thread: threading.Thread | None = None
        self._abandoned: dict[str, tuple[_Call, str]] = {}  # by name, with the place
        self.late: dict[str, tuple[list[Any], int]] = {}
        """By name, the results that an abandoned call adds to, and how many were used in time."""

    def call(
        self,
        name: str,
        function: Callable[[Beat], T],
        *,
        place: Callable[[], str] = lambda: "",
        stopping: Callable[[], bool] = lambda: False,
    ) -> T:
        """Return what a function returns, or raise what it raises; `place` is what it looks at.

        Raises NoResponseError where it makes no progress within the limit, where the program is to
        stop and it does not return soon, or where an earlier call of that name has not returned.
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
        """Tell whether a call of that name has not returned."""
        if name in self._abandoned and self._abandoned[name][0].done.is_set():
            del self._abandoned[name]
        return name in self._abandoned

    def rest(self) -> None:
        """End the thread, unless it is inside a call: a process with one thread can be forked."""
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
        del call  # and what it has read
