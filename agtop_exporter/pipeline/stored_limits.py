"""Adds the rate limits that the command `statusline` stored to the ledger."""

import contextlib
from collections.abc import Container, Sequence
from pathlib import Path

from agtop_exporter.folders import Folders
from agtop_exporter.ledger import Ledger
from agtop_exporter.limit_files import LimitFiles
from agtop_exporter.model import is_ahead
from agtop_exporter.pipeline.findings import Findings
from agtop_exporter.pipeline.guard import Guard, NoResponseError
from agtop_exporter.pipeline.one_file import Failure


class StoredLimits:
    """Reads the rate limits that the command `statusline` stores, if their files have changed."""

    def __init__(
        self,
        directories: Sequence[Path],
        ledger: Ledger,
        *,
        folders: Folders,
        guard: Guard,
        findings: Findings,
    ) -> None:
        """Set the directories of the files. Nothing is read yet."""
        self._directories = directories
        self._files = LimitFiles(directories)
        self._folders = folders
        self._ledger = ledger
        self._guard = guard
        self._findings = findings

    def record(self, agents: Container[str], now: float) -> None:
        """Add the stored rate limits of `agents` to the ledger.

        Rate limits that were recorded after `now` (unix seconds) are left out. A directory that
        does not respond is skipped.
        """
        avoid = {each for each in self._directories if self._folders.trouble_with(str(each))}
        with contextlib.suppress(NoResponseError):  # the scan of the home reports it
            for file in self._guard.call("limits", lambda _beat: self._files.changed(avoid=avoid)):
                if file.agent not in agents:
                    continue
                if file.problem:
                    self._findings.add_failure(Failure(file.agent, file.path, file.problem))
                for limit in file.limits:
                    if not is_ahead(limit.observed_at, now):
                        self._ledger.add_limit(limit)
