"""Runs each part of a refresh so that an exception ends that part only.

    with steps.step("match", agent="claude"):
        ...

An exception in the block is counted, logged and remembered for the refresh; what follows the block
goes on. The message of an exception is never kept: it may quote what a file holds.
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
OUTWARD: tuple[RefreshStage, ...] = ("publish", "outputs")  # what comes after the figures


class Raised(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of an exception: its type and the lines that it passed, without its message."""

    error: str
    frames: tuple[str, ...]  # module:line, the outermost first

    @property
    def location(self) -> str:
        """Return the innermost line of this package."""
        ours = (f for f in reversed(self.frames) if f.startswith((f"{PACKAGE}.", f"{PACKAGE}:")))
        return next(ours, "")


def raised(error: BaseException) -> Raised:
    """Return what is kept of an exception that was caught."""
    return Raised(
        type(error).__name__,
        tuple(
            f"{frame.f_globals.get('__name__', '?')}:{line}"
            for frame, line in walk_tb(error.__traceback__)
        ),
    )


class Step:
    """One part of a refresh as a context; `failed` says afterwards whether an exception ended it.

    An exception that is no error, such as KeyboardInterrupt, is not held up.
    """

    __slots__ = ("_agent", "_stage", "_steps", "failed")

    def __init__(self, steps: "Steps", stage: RefreshStage, agent: str) -> None:
        self._steps = steps
        self._stage = stage
        self._agent = agent
        self.failed = False

    def __enter__(self) -> Self:
        """Begin the part."""
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> bool:
        """End the part, and swallow an Exception."""
        if not isinstance(error, Exception):
            return False
        self.failed = True
        self._steps.note(self._stage, raised(error), agent=self._agent)
        return True


class Steps:
    """The parts of the current refresh, and the errors that ended some of them."""

    def __init__(self, count: Callable[[RefreshStage], None]) -> None:
        """Begin without errors; `count` is called once for every error."""
        self._count = count
        self._errors: dict[RefreshError, None] = {}
        self._logged: set[tuple[str, str, str]] = set()  # stage, type, location
        self.before: tuple[RefreshError, ...] = ()
        """The errors of the refresh before this one."""

    @property
    def errors(self) -> tuple[RefreshError, ...]:
        """The errors of this refresh so far, each once."""
        return tuple(self._errors)

    def begin(self) -> None:
        """Begin a refresh."""
        self.before = self.errors
        self._errors.clear()
        lasting = {_kind(error) for error in self.before}
        works = {stage for stage, *_ in self._logged} - {stage for stage, *_ in lasting}
        for stage in sorted(works):
            log.info("refresh works again", stage=stage)
        self._logged &= lasting

    def step(self, stage: RefreshStage, agent: str = "") -> Step:
        """Return the context of one part; without an `agent` it concerns all agents."""
        return Step(self, stage, agent)

    def note(self, stage: RefreshStage, what: Raised, *, agent: str = "") -> None:
        """Count an exception, and log it unless it was logged and has lasted since then."""
        error = RefreshError(stage, agent, what.error, what.location)
        self._errors[error] = None
        self._count(stage)
        if _kind(error) not in self._logged:
            self._logged.add(_kind(error))
            fields = {"stage": stage, "error": error.error} | ({"agent": agent} if agent else {})
            log.error("refresh failed", **fields, location=error.location)
            log.debug("traceback", **fields, frames=" > ".join(what.frames))

    def is_down(self, agent: str) -> bool:
        """Say whether a part of this refresh failed that the figures of an agent come from."""
        return any(e.agent in {agent, ""} and e.stage not in OUTWARD for e in self._errors)


def _kind(error: RefreshError) -> tuple[str, str, str]:
    return error.stage, error.error, error.location
