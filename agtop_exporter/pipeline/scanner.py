"""Finds the files that changed, reads them, and counts their records in the ledger."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from time import perf_counter

import msgspec

from agtop_exporter.agents import Agent
from agtop_exporter.folders import Folders
from agtop_exporter.labels import ResetReason
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import AgentStatus, Batch
from agtop_exporter.pipeline.files import Listing, Work
from agtop_exporter.pipeline.findings import Findings
from agtop_exporter.pipeline.guard import Guard, NoResponseError
from agtop_exporter.pipeline.guarded import GuardedFiles
from agtop_exporter.pipeline.one_file import Failure
from agtop_exporter.pipeline.scan import read_all
from agtop_exporter.pipeline.steps import Steps
from agtop_exporter.pricing import PriceBook
from agtop_exporter.telemetry import Telemetry

COUNTED_BY_AGENT = ("turns", "sessions_started", "scan_bytes", "scan_records", "scan_errors")
DELETED: ResetReason = "deleted"


class _Run:
    """The intermediate results of one scan, by agent."""

    def __init__(
        self,
        agents: Mapping[str, Agent],
        stopping: Callable[[], bool],
        waiting: Callable[[], None],
    ) -> None:
        self.agents = agents
        self.stopping = stopping
        self.waiting = waiting
        self.listings: dict[str, Listing] = {}
        self.seconds = dict.fromkeys(agents, 0.0)
        self.failed: set[str] = set()
        self.uncounted: set[tuple[str, str]] = set()  # files with a batch that was not counted


class Scanner:
    """Reads the agents' files, and counts their records in a ledger.

    `plans` has the names of the user's subscriptions by agent and account, "" if unknown.
    """

    def __init__(  # noqa: PLR0913 - the parts of a pipeline that it works with
        self,
        *,
        ledger: Ledger,
        prices: PriceBook,
        files: Mapping[str, GuardedFiles],
        folders: Folders,
        guard: Guard,
        steps: Steps,
        telemetry: Telemetry,
        findings: Findings,
        children_max: int,
    ) -> None:
        """Start without results. `files` finds the changed files of each agent, by name.

        If there are many files to read, up to `children_max` child processes read them.
        """
        self._ledger = ledger
        self._prices = prices
        self._files = files
        self._folders = folders
        self._guard = guard
        self._steps = steps
        self._telemetry = telemetry
        self._findings = findings
        self._children_max = children_max
        self._last_success: dict[str, float] = {}
        self.plans: dict[str, Mapping[str, str]] = {}

    def scan(
        self,
        agents: Mapping[str, Agent],
        now: float,
        *,
        progress: Callable[[int, int], None],
        stopping: Callable[[], bool],
        waiting: Callable[[], None],
    ) -> list[AgentStatus]:
        """Count the new records in the files of `agents`, and return the status of each agent.

        `now` is in unix seconds. `progress` is called with the number of bytes read so far and the
        total number of bytes to read. If finding the files takes long, `waiting` is called
        repeatedly. If `stopping` returns True, the scan ends, and the next scan reads the remaining
        files.
        """
        run = _Run(agents, stopping, waiting)
        for name in agents:
            began = perf_counter()
            with self._steps.step("scan", name) as looking:
                self._look(name, run)
            if looking.failed:
                run.failed.add(name)
            run.seconds[name] = perf_counter() - began
        self._read(run, progress)
        for name in run.failed | self._findings.take_failed():
            self._telemetry.count("scan_errors", name)
        return [
            msgspec.structs.replace(
                self._status(agent, run, now),
                files=len(self._ledger.cursors.get(agent.name, ())),
                scan_duration_seconds=run.seconds[agent.name],
            )
            for agent in agents.values()
        ]

    # --- files ----------------------------------------------------------------------------------

    def _look(self, name: str, run: _Run) -> None:
        """Find the changed files of an agent, and read the names of the user's subscriptions."""
        cursors = self._ledger.cursors.get(name, {})
        try:
            listing = self._files[name].look(cursors, stopping=run.stopping, waiting=run.waiting)
        except OSError as error:
            if not run.stopping():  # while stopping, a timeout is no fault of the file system
                self._fail(_failure(name, error), run)
            return
        run.listings[name] = listing
        for path, reason in listing.unreadable:
            self._fail(Failure(name, path, reason), run)
        self._follow(name, listing)
        with self._steps.step("scan", name):
            self._find_plans(name, run)

    def _find_plans(self, name: str, run: _Run) -> None:
        try:
            self.plans[name] = self._files[name].account_plans()
        except OSError as error:
            if isinstance(error, NoResponseError):
                del run.listings[name]  # its files are on the same file system
            self._fail(_failure(name, error), run)

    def _follow(self, agent: str, listing: Listing) -> None:
        """Move the cursor of each renamed file to its new path. Delete cursors of deleted files."""
        ledger = self._ledger
        for old, new in listing.moved:
            ledger.set_cursor(agent, new, ledger.cursor(agent, old))
            ledger.forget_cursor(agent, old)
        ledger.forget_titles(agent, listing.gone)
        for path in listing.gone:
            ledger.forget_cursor(agent, path)
            ledger.add(("source_resets", agent, DELETED), 1)

    # --- records --------------------------------------------------------------------------------

    def _read(self, run: _Run, progress: Callable[[int, int], None]) -> None:
        items = (item for listing in run.listings.values() for item in listing.work)
        work = [item for item in map(partial(self._with_state, run), items) if item]
        with self._steps.step("scan") as reading:
            for result in read_all(
                work,
                run.agents,
                progress=progress,
                stopping=run.stopping,
                guard=self._guard,
                expect=self._expect_projects,
                children_max=self._children_max,
            ):
                began = perf_counter()
                if isinstance(result, Batch):
                    self._record(result, run.uncounted)
                elif result.reason:
                    self._fail(result, run)
                run.seconds[result.agent] += perf_counter() - began
        run.failed.update(run.agents if reading.failed else (agent for agent, _ in run.uncounted))

    def _with_state(self, run: _Run, work: Work) -> Work | None:
        """Return `work` with the reader state that the ledger stores for the file.

        Return None if the reader state cannot be read.
        """
        try:
            cursor = self._ledger.cursor(work.agent, work.path)
        except OSError as error:
            self._fail(_failure(work.agent, error), run)
            return None
        return msgspec.structs.replace(work, cursor=cursor)

    def _record(self, batch: Batch, uncounted: set[tuple[str, str]]) -> None:
        """Count the records of a batch in the ledger.

        If an earlier batch of the same file could not be counted, the batch is skipped. `uncounted`
        has such files as (agent, path).
        """
        file = (batch.agent, batch.path)
        if file in uncounted:
            return
        with self._steps.step("ledger", batch.agent) as recording:
            project = partial(self._project, batch.agent)
            batch = self._prices.billed(batch)
            if account := self._files[batch.agent].places.account_of(batch.path):
                batch = batch.of_account(account)
            errors = self._ledger.record(batch, price=self._prices.cost, project=project)
            self._findings.add_batch(batch, errors)
            for _, count in batch.unknown:
                self._ledger.add(("unknown_records", batch.agent), count)
        if recording.failed:
            uncounted.add(file)
        if self._ledger.needs_checkpoint:
            with self._steps.step("ledger"):
                self._ledger.checkpoint()
                self._ledger.pack()

    def _project(self, agent: str, cwd: str) -> str:
        """Return the project of a working directory.

        If the directory does not respond, the project is derived from the text of its path.
        """
        folder = self._folders.find(cwd)
        self._findings.add_directory(agent, folder)
        return folder.project

    def _expect_projects(self, results: Iterable[Batch | Failure]) -> None:
        """Request the projects of the new sessions in `results`, without waiting for the answers.

        A child process determines the projects while this process counts the results.
        """
        self._folders.expect(
            update.cwd
            for batch in results
            if isinstance(batch, Batch)
            for update in batch.sessions
            if update.cwd and self._ledger.lacks_project(batch.agent, update.session_id)
        )

    # --- result ---------------------------------------------------------------------------------

    def _fail(self, failure: Failure, run: _Run) -> None:
        run.failed.add(failure.agent)
        self._findings.add_failure(failure)

    def _status(self, agent: Agent, run: _Run, now: float) -> AgentStatus:
        listing, succeeded = run.listings.get(agent.name), agent.name not in run.failed
        if listing is None or not listing.present:
            return AgentStatus(agent=agent.name, enabled=False, up=None if succeeded else False)
        if succeeded:
            self._last_success[agent.name] = now
        for name in COUNTED_BY_AGENT:
            self._ledger.add((name, agent.name), 0)
        return AgentStatus(
            agent=agent.name,
            enabled=True,
            up=succeeded,
            last_success=self._last_success.get(agent.name),
        )


def _failure(agent: str, error: OSError) -> Failure:
    return Failure(agent, error.filename or "", error.strerror or "")
