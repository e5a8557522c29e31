"""Collects the files and records that a scan could not read, and logs them.

The command `doctor` shows the collection. Each message is logged once.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePath

import structlog

from agtop_exporter.folders import Folder, Trouble
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Batch, ParseError
from agtop_exporter.pipeline.one_file import Failure
from agtop_exporter.pipeline.steps import Steps
from agtop_exporter.reading.drift import UnknownTypes

UNREADABLE_MAX = 100  # unreadable paths that are kept per agent
LOGGED_MAX = 10  # messages per event and agent
SUFFIXES = frozenset({".db", ".json", ".jsonl", ".log", ".pb", ".vscdb", ".zst", ".zstd"})
"""Suffixes of the files that agents write."""

log = structlog.get_logger()


class Findings:
    """Collects, by agent, the skipped records, the unknown record types and the unreadable paths.

    The collection is empty when the exporter starts.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._failed: set[str] = set()  # agents with a failure since `take_failed`
        self.skipped: dict[str, tuple[ParseError, ...]] = {}
        self.unknown_types: defaultdict[str, UnknownTypes] = defaultdict(UnknownTypes)
        self.unreadable: defaultdict[str, dict[str, str]] = defaultdict(dict)  # path -> reason
        self.on_batch: Callable[[Batch], object] = lambda _batch: None
        """A function that is called with every batch of records that was counted."""
        self._logged: set[tuple[str, ...]] = set()
        self._logged_count: Counter[tuple[str, str]] = Counter()  # by event and agent
        self._ledger_warning = ""

    def add_failure(self, failure: Failure) -> None:
        """Store and log a file or directory that could not be read."""
        self._failed.add(failure.agent)
        if failure.bug is not None:
            self._steps.note("scan", failure.bug, agent=failure.agent)
        if len(unreadable := self.unreadable[failure.agent]) < UNREADABLE_MAX:
            unreadable[failure.path] = failure.reason
        if (failure.path, failure.reason) not in self._logged:  # `log_trouble` may have logged it
            self._log("cannot read file", failure.agent, failure.path, reason=failure.reason)

    def add_batch(self, batch: Batch, errors: Iterable[ParseError]) -> None:
        """Store and log the skipped records of a batch, and store its unknown record types.

        A batch has the records that were read from one file. `errors` has the skipped records.
        """
        self.on_batch(batch)
        agent = batch.agent
        for kind, count in batch.unknown:
            self.unknown_types[agent].add(kind, count)
        for error in errors:
            known = {one.reason: one for one in self.skipped.get(agent, ())}
            first = known.get(error.reason, ParseError(error.reason, 0, error.example))
            known[error.reason] = ParseError(error.reason, first.count + error.count, first.example)
            self.skipped[agent] = tuple(known.values())
            self._log("skipped records", agent, batch.path, reason=error.reason)

    def add_directory(self, agent: str, folder: Folder) -> None:
        """Store the working directory of a session, if it cannot be accessed."""
        if folder.trouble is not None:
            self._failed.add(agent)
            self.unreadable[agent][folder.trouble.place] = folder.trouble.reason

    def take_failed(self) -> set[str]:
        """Return the agents of the failures and directories since the last call of this method."""
        failed, self._failed = self._failed, set()
        return failed

    def log_trouble(self, trouble: Trouble) -> None:
        """Log that a directory cannot be accessed, unless this was logged before."""
        if trouble not in self._logged:
            self._logged.add(trouble)
            log.warning("cannot read folder", path=trouble.place, reason=trouble.reason)

    def log_ledger(self, ledger: Ledger) -> None:
        """Log the repairs of the ledger. If the ledger is not stored on disk, log the reason."""
        for repair in ledger.take_repairs():
            log.error("ledger repaired", details=repair)
        warning = ledger.warning
        if warning and warning != self._ledger_warning:
            log.error("ledger not durable", reason=warning)
        elif self._ledger_warning and not warning:
            log.info("ledger is durable again")
        self._ledger_warning = warning

    def _log(self, event: str, agent: str, path: str, *, reason: str) -> None:
        """Log a message about a file, unless the same message was logged before.

        The message has the name of the file only, because its folders may name a project. At most
        LOGGED_MAX messages of the same event and agent are logged.
        """
        key = (event, agent, path, reason)
        if key in self._logged or self._logged_count[event, agent] > LOGGED_MAX:
            return
        self._logged.add(key)
        self._logged_count[event, agent] += 1
        warn = partial(log.warning, event, agent=agent)
        if self._logged_count[event, agent] <= LOGGED_MAX:
            warn(**({"file": file_name(path)} if path else {}), reason=reason)
        else:
            warn(reason="more files; see agtop-exporter doctor")


def file_name(path: str) -> str:
    """Return the name of a file; "a folder" for a folder, whose name may be that of a project."""
    name = PurePath(path).name
    return name if PurePath(name).suffix in SUFFIXES else "a folder"
