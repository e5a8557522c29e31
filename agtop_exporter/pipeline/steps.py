"""Isolates the parts of a refresh: an exception ends only the part that raised it.

    with steps.step("match", agent="claude"):
        ...

An exception in the block is counted, logged and added to the errors of the refresh. Execution then
continues after the block. Messages of exceptions are dropped, because they may quote a transcript.
"""

from collections.abc import Callable
from traceback import walk_tb
from types import TracebackType
from typing import Self

import msgspec
import structlog

from agtop_exporter.model import RefreshError, RefreshStage

log = structlog.get_logger()

PACKAGE = __name__.partition(".")[0]
OUTWARD: tuple[RefreshStage, ...] = ("publish", "outputs")  # stages that change no published value


class Raised(msgspec.Struct, frozen=True, array_like=True):
    """The type and the traceback of an exception, without its message."""

    error: str
    frames: tuple[str, ...]  # module:line, the outermost first

    @property
    def location(self) -> str:
        """The innermost frame that is in this package, as module:line; "" if there is none."""
        ours = (f for f in reversed(self.frames) if f.startswith((f"{PACKAGE}.", f"{PACKAGE}:")))
        return next(ours, "")


def raised(error: BaseException) -> Raised:
    """Return the type and the traceback of a caught exception."""
    return Raised(
        type(error).__name__,
        tuple(
            f"{frame.f_globals.get('__name__', '?')}:{line}"
            for frame, line in walk_tb(error.__traceback__)
        ),
    )


class Step:
    """The context manager of one part of a refresh.

    `failed` is true if an exception ended the part. Exceptions such as KeyboardInterrupt, which are
    not subclasses of Exception, are raised again.
    """

    __slots__ = ("_agent", "_stage", "_steps", "failed")

    def __init__(self, steps: "Steps", stage: RefreshStage, agent: str) -> None:
        self._steps = steps
        self._stage = stage
        self._agent = agent
        self.failed = False

    def __enter__(self) -> Self:
        """Start the part."""
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> bool:
        """End the part. Record and suppress an exception that is a subclass of Exception."""
        if not isinstance(error, Exception):
            return False
        self.failed = True
        self._steps.note(self._stage, raised(error), agent=self._agent)
        return True


class Steps:
    """Creates the steps of a refresh, and collects their errors."""

    def __init__(self, count: Callable[[RefreshStage], None]) -> None:
        """Start without errors. `count` is called with the stage of every error."""
        self._count = count
        self._errors: dict[RefreshError, None] = {}
        self._logged: set[tuple[str, str, str]] = set()  # stage, type, location
        self.before: tuple[RefreshError, ...] = ()
        """The errors of the previous refresh."""

    @property
    def errors(self) -> tuple[RefreshError, ...]:
        """The errors of this refresh so far, each once."""
        return tuple(self._errors)

    def begin(self) -> None:
        """Start a refresh: move `errors` to `before`.

        A stage that failed before, but not in the last refresh, is logged as working again.
        """
        self.before = self.errors
        self._errors.clear()
        lasting = {_kind(error) for error in self.before}
        works = {stage for stage, *_ in self._logged} - {stage for stage, *_ in lasting}
        for stage in sorted(works):
            log.info("refresh works again", stage=stage)
        self._logged &= lasting

    def step(self, stage: RefreshStage, agent: str = "") -> Step:
        """Return the context manager of one part; "" as `agent` means all agents."""
        return Step(self, stage, agent)

    def note(self, stage: RefreshStage, what: Raised, *, agent: str = "") -> None:
        """Count an exception, and add it to the errors of this refresh.

        The exception is logged when it first occurs. It is logged again only after a refresh in
        which it did not occur.
        """
        error = RefreshError(stage, agent, what.error, what.location)
        self._errors[error] = None
        self._count(stage)
        if _kind(error) not in self._logged:
            self._logged.add(_kind(error))
            fields = {"stage": stage, "error": error.error} | ({"agent": agent} if agent else {})
            log.error("refresh failed", **fields, location=error.location)
            log.debug("traceback", **fields, frames=" > ".join(what.frames))

    def is_down(self, agent: str) -> bool:
        """Return whether an error of this refresh affects the published values of an agent."""
        return any(e.agent in {agent, ""} and e.stage not in OUTWARD for e in self._errors)


def _kind(error: RefreshError) -> tuple[str, str, str]:
    return error.stage, error.error, error.location
