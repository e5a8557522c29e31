"""Runs the stages of a refresh (scan, count, price, match) and returns a frozen Snapshot."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from platform import python_version
from time import perf_counter

import msgspec
import structlog

from agtop_exporter import __version__
from agtop_exporter.agents import Agent, Environment
from agtop_exporter.folders import Folders, Trouble
from agtop_exporter.labels import ResetReason
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import (
    AgentStatus,
    Batch,
    ParseError,
    PriceSource,
    Series,
    Snapshot,
)
from agtop_exporter.pipeline.failing import remember_errors
from agtop_exporter.pipeline.files import Listing
from agtop_exporter.pipeline.guard import Guard, NoResponseError
from agtop_exporter.pipeline.guarded import GuardedFiles, Places
from agtop_exporter.pipeline.pairing import Pairing
from agtop_exporter.pipeline.restore import restore_keys
from agtop_exporter.pipeline.scan import Failure, read_all
from agtop_exporter.pipeline.sessions import SessionViews
from agtop_exporter.pipeline.steps import Steps
from agtop_exporter.pricing import PriceBook
from agtop_exporter.processes.source import ProcessSource
from agtop_exporter.project import Rules
from agtop_exporter.reading.drift import UnknownTypes
from agtop_exporter.settings import Settings
from agtop_exporter.telemetry import Telemetry

COUNTED_BY_AGENT = ("turns", "sessions_started", "scan_bytes", "scan_records", "scan_errors")

SECONDS_PER_DAY = 86_400.0
DELETED: ResetReason = "deleted"
UNREADABLE_MAX = 100  # paths of one agent that are remembered
TOLD_MAX = 10  # files of one agent that are told one by one

log = structlog.get_logger()


class Pipeline:
    """The stages with their state. Calls of `refresh` must not overlap."""

    def __init__(  # noqa: PLR0913 - the parts that are put together here
        self,
        settings: Settings,
        *,
        agents: Sequence[Agent],
        homes: Sequence[Path],
        environment: Environment,
        ledger: Ledger,
        prices: PriceBook,
        processes: ProcessSource | None,
        folders: Folders | None = None,
        guard: Guard | None = None,
    ) -> None:
        """Put the parts together; nothing is read before the first refresh."""
        self.ledger = ledger
        self.prices = prices
        self._all_agents = agents
        self.homes = tuple(homes)
        self.on_batch: Callable[[Batch], object] = lambda _batch: None
        """Called with every batch that was counted."""
        self.telemetry = Telemetry()
        self.steps = Steps(partial(self.telemetry.count, "refresh_errors"))
        self.folders = folders or Folders(environment)
        self.folders.on_trouble = self._log_trouble
        self.folders.rules = Rules(
            homes=tuple(dict.fromkeys(filter(None, (*map(str, homes), environment.get("HOME"))))),
            worktrees={name: place for agent in agents for name, place in agent.worktrees.items()},
        )
        self._guard = guard or Guard()
        self._files = {
            agent.name: GuardedFiles(
                agent, homes, environment, guard=self._guard, folders=self.folders
            )
            for agent in agents
        }
        self._plans: dict[str, str] = {}  # by agent, of those that were looked at
        self._noticed: set[tuple[str, ...]] = set()
        self._told: Counter[tuple[str, str]] = Counter()  # by event and agent
        self._price_generation = -1  # what has had no price yet is looked up in the first refresh
        self._price_sources: tuple[PriceSource, ...] = ()
        self.pairing = Pairing(
            processes,
            agents,
            homes,
            environment,
            saved=ledger.metadata,
            steps=self.steps,
            folders=self.folders,
            guard=self._guard,
        )
        self.skipped: dict[str, tuple[ParseError, ...]] = {}  # since this process began
        self.unknown_types: defaultdict[str, UnknownTypes] = defaultdict(UnknownTypes)
        self.unreadable: defaultdict[str, dict[str, str]] = defaultdict(dict)  # path -> reason
        self._last_success: dict[str, float] = {}
        self._warning = ""
        self._rolled_up_at = -math.inf
        self.reconfigure(settings)

    def reconfigure(self, settings: Settings) -> None:
        """Take new settings, from the next refresh on."""
        self.settings = settings
        wanted = [a for a in self._all_agents if not settings.agent or a.name in settings.agent]
        self.agents = {agent.name: agent for agent in wanted}
        self._unwanted = {agent.name for agent in self._all_agents} - set(self.agents)
        self.ledger.keep_titles(wanted=settings.store_titles)
        self._views = SessionViews(
            self.ledger,
            self.pairing,
            settings,
            steps=self.steps,
            plans=self._plans,
            unwanted=self._unwanted,
            covered={a.name for a in self._all_agents if settings.plan in a.plan_covers},
            context_window=self.prices.context_window,
        )

    def places(self, agent: str) -> Places:
        """Return where the last refresh has looked for an agent's files."""
        return self._files[agent].places

    def close(self) -> None:
        """End the child processes."""
        self.folders.close()

    def refresh(
        self,
        now: float,
        *,
        settle: Callable[[], None] = lambda: None,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
        stopping: Callable[[], bool] = lambda: False,
        sampled_at: Callable[[], float] | None = None,
    ) -> Snapshot:
        """Read new records, count and commit them, and return the state at `now` (unix seconds).

        `settle` adds counts of other parts to the ledger. `progress` is called with the bytes read
        so far and the bytes to read. `sampled_at` returns the time of the process scan, which
        follows the reading. If `stopping` returns True, the refresh commits what it has read and
        ends; the next refresh reads the rest.

        An exception skips only one part: `Snapshot.errors` names it, and the next refresh repeats
        it.
        """
        began = perf_counter()
        self.steps.begin()
        remember_errors(self.ledger, self.steps.before)
        settle()
        self._tell_of_ledger()  # what opening it has met: writing it may go well
        statuses = self._scan(now, progress, stopping)
        with self.steps.step("ledger"):
            restore_keys(
                self.ledger,
                self.agents,
                price=self.prices.cost,
                guard=self._guard,
                stopping=stopping,
            )
        with self.steps.step("prices"):
            self._reprice()
        self.checkpoint()
        with self.steps.step("ledger"):
            self._views.note(self.ledger.take_changed())
        with self.steps.step("match"):
            self.pairing.add_history(self.ledger.take_recovered())
        with self.steps.step("ledger"):
            self._roll_up(now)
        if not stopping():  # else nobody will see it
            self._views.update(now, sampled_at=sampled_at or (lambda: now))
        self._keep_totals()
        self._tell_of_ledger()
        self.folders.rest()
        self._guard.rest()
        self.telemetry.flush(self.ledger.add)
        duration = perf_counter() - began
        states = self._views.states()
        return Snapshot(
            generated_at=now,
            plan=self.settings.plan,
            sessions=self._views.all(),
            published=self._views.published(now),
            totals={
                series: value
                for series, value in (self.ledger.totals | self.pairing.totals()).items()
                if not self._unwanted.intersection(series[1:2])
            },
            gauges={
                **self._ledger_gauges(),
                ("build_info", __version__, "", python_version()): 1,
                ("refresh_duration_seconds",): duration,
                ("series_dropped", "sessions"): self._views.dropped,
                **{("series_dropped", k): n for k, n in self.ledger.folded_labels().items()},
            },
            agents=tuple(
                self._with_processes(status, states.get(status.agent, {})) for status in statuses
            ),
            rate_limits=tuple(self.ledger.rate_limits.values()),
            price_sources=self._price_sources,
            errors=self.steps.errors,
        )

    def _roll_up(self, now: float) -> None:
        """Store old history with less detail: once a day, in steps that hold up no refresh."""
        days = self.settings.retention_days
        if days and not 0 <= now - self._rolled_up_at < SECONDS_PER_DAY:
            more = self.ledger.roll_up(now - days * SECONDS_PER_DAY)
            self._rolled_up_at = -math.inf if more else now

    def checkpoint(self) -> None:
        """Make the ledger durable, with the exporter's own counters."""
        self.telemetry.flush(self.ledger.add)
        with self.steps.step("ledger"):
            self.ledger.checkpoint()

    def look_at_processes(self, now: float) -> None:
        """Match the processes as of `now`, so that the next refresh can calculate rates."""
        with self.steps.step("match"):
            self.pairing.pair(now)

    def _reprice(self) -> None:
        generation = self.prices.generation
        if self._price_generation != generation:
            self._price_sources = self.prices.sources()
            self.ledger.reprice(self.prices.cost)
            self._price_generation = generation

    def _with_processes(self, status: AgentStatus, states: Mapping[str, int]) -> AgentStatus:
        up = False if status.up and self.steps.is_down(status.agent) else status.up
        status = msgspec.structs.replace(status, states=states, up=up)
        usage = self.pairing.agent(status.agent, installed=status.enabled)
        if usage is None:
            return status
        return msgspec.structs.replace(
            status,
            processes=usage.processes,
            orphan_processes=usage.orphan_processes,
            duplicate_processes=usage.duplicate_processes,
            rss_bytes=usage.rss_bytes,
            vms_bytes=usage.vms_bytes,
        )

    def _keep_totals(self) -> None:
        """Commit the counts of processes and waits before they are published."""
        with self.steps.step("match"):
            for series, count in self.pairing.skipped().items():
                self.ledger.add(series, count)
            for name, data in self.pairing.to_save().items():
                self.ledger.remember(name, data)
        with self.steps.step("sessions"):
            for series, growth in self._views.waits.take():
                self.ledger.add(series, growth)
        with self.steps.step("ledger"):
            self.ledger.checkpoint()

    # --- scanning ---------------------------------------------------------------------------

    def _scan(
        self,
        now: float,
        progress: Callable[[int, int], None],
        stopping: Callable[[], bool],
    ) -> list[AgentStatus]:
        durations = dict.fromkeys(self.agents, 0.0)
        failed: set[str] = set()
        listings = self._look(durations, failed, stopping)
        work = [item for listing in listings.values() for item in listing.work]
        uncounted: set[tuple[str, str]] = set()  # files whose later batches must wait
        with self.steps.step("scan") as reading:
            for result in read_all(
                work,
                self.agents,
                progress=progress,
                stopping=stopping,
                guard=self._guard,
                expect=self._expect_projects,
            ):
                began = perf_counter()
                if isinstance(result, Batch):
                    self._record(result, uncounted)
                elif result.reason:
                    self._fail(result, failed)
                durations[result.agent] += perf_counter() - began
        failed.update(self.agents if reading.failed else (agent for agent, _ in uncounted))
        return [
            msgspec.structs.replace(
                self._status(agent, listings.get(agent.name), failed, now),
                files=len(self.ledger.cursors.get(agent.name, ())),
                scan_duration_seconds=durations[agent.name],
            )
            for agent in self.agents.values()
        ]

    def _record(self, batch: Batch, uncounted: set[tuple[str, str]]) -> None:
        """Count a batch, unless one before it of the same file could not be counted."""
        file = (batch.agent, batch.path)
        if file in uncounted:
            return
        with self.steps.step("ledger", batch.agent) as recording:
            project = partial(self._project, batch.agent)
            errors = self.ledger.record(batch, price=self.prices.cost, project=project)
            self._tell_of_errors(batch, errors)
            self.on_batch(batch)
        if recording.failed:
            uncounted.add(file)
        if self.ledger.wants_checkpoint:
            with self.steps.step("ledger"):
                self.ledger.checkpoint()

    def _look(
        self, durations: dict[str, float], failed: set[str], stopping: Callable[[], bool]
    ) -> dict[str, Listing]:
        """Find out what has changed."""
        listings: dict[str, Listing] = {}
        for name in self.agents:
            began = perf_counter()
            with self.steps.step("scan", name) as looking:
                self._look_at(name, listings, failed, stopping)
            if looking.failed:
                failed.add(name)
                self.telemetry.count("scan_errors", name)
            durations[name] = perf_counter() - began
        return listings

    def _look_at(
        self,
        name: str,
        listings: dict[str, Listing],
        failed: set[str],
        stopping: Callable[[], bool],
    ) -> None:
        cursors = self.ledger.cursors.get(name, {})
        try:
            listing = listings[name] = self._files[name].look(cursors, stopping=stopping)
        except OSError as error:
            if not stopping():  # else it was not given the time
                self._fail(_failure(name, error), failed)
            return
        for path, reason in listing.unreadable:
            self._fail(Failure(name, path, reason), failed)
        self._follow(name, listing)
        with self.steps.step("scan", name):
            self._find_plan(name, listings, failed)

    def _find_plan(self, name: str, listings: dict[str, Listing], failed: set[str]) -> None:
        try:
            self._plans[name] = self._files[name].account_plan()
        except OSError as error:
            if isinstance(error, NoResponseError):
                del listings[name]  # its files would not respond either
            self._fail(_failure(name, error), failed)

    def _follow(self, agent: str, listing: Listing) -> None:
        """Move the cursors of renamed files, forget those of files that are gone."""
        ledger = self.ledger
        for old, new in listing.moved:
            ledger.set_cursor(agent, new, ledger.cursor(agent, old))
            ledger.forget_cursor(agent, old)
        ledger.forget_titles(agent, listing.gone)
        for path in listing.gone:
            ledger.forget_cursor(agent, path)
            ledger.add(("source_resets", agent, DELETED), 1)

    def _status(
        self,
        agent: Agent,
        listing: Listing | None,
        failed: Iterable[str],
        now: float,
    ) -> AgentStatus:
        succeeded = agent.name not in failed
        if listing is None or not listing.present:
            return AgentStatus(agent=agent.name, enabled=False, up=None if succeeded else False)
        if succeeded:
            self._last_success[agent.name] = now
        for name in COUNTED_BY_AGENT:
            self.ledger.add((name, agent.name), 0)
        return AgentStatus(
            agent=agent.name,
            enabled=True,
            up=succeeded,
            last_success=self._last_success.get(agent.name),
        )

    # --- telling ----------------------------------------------------------------------------

    def _fail(self, failure: Failure, failed: set[str]) -> None:
        failed.add(failure.agent)
        self.telemetry.count("scan_errors", failure.agent)
        if failure.bug is not None:
            self.steps.note("scan", failure.bug, agent=failure.agent)
        if len(unreadable := self.unreadable[failure.agent]) < UNREADABLE_MAX:
            unreadable[failure.path] = failure.reason
        if (failure.path, failure.reason) not in self._noticed:  # as a trouble with a folder
            self._tell("cannot read file", failure.agent, path=failure.path, reason=failure.reason)

    def _project(self, agent: str, cwd: str) -> str:
        """Name the project of a working directory: by the path alone where it does not respond."""
        folder = self.folders.find(cwd)
        if folder.trouble is not None:
            self.telemetry.count("scan_errors", agent)
            self.unreadable[agent][folder.trouble.place] = folder.trouble.reason
        return folder.project

    def _expect_projects(self, results: Iterable[Batch | Failure]) -> None:
        """Ask for the projects of new sessions; what was found of them is counted meanwhile."""
        self.folders.expect(
            update.cwd
            for batch in results
            if isinstance(batch, Batch)
            for update in batch.sessions
            if update.cwd and self.ledger.lacks_project(batch.agent, update.session_id)
        )

    def _log_trouble(self, trouble: Trouble) -> None:
        if trouble not in self._noticed:
            self._noticed.add(trouble)
            log.warning("cannot read folder", path=trouble.place, reason=trouble.reason)

    def _tell_of_errors(self, batch: Batch, errors: Iterable[ParseError]) -> None:
        """Add up what could not be used, and say so once a file."""
        agent = batch.agent
        for kind, count in batch.unknown:
            self.unknown_types[agent].add(kind, count)
            self.ledger.add(("unknown_records", agent), count)
        for error in errors:
            known = {one.reason: one for one in self.skipped.get(agent, ())}
            first = known.get(error.reason, ParseError(error.reason, 0, error.example))
            known[error.reason] = ParseError(error.reason, first.count + error.count, first.example)
            self.skipped[agent] = tuple(known.values())
            self._tell("skipped records", agent, path=batch.path, reason=error.reason)

    def _ledger_gauges(self) -> dict[Series, float]:
        gauges: dict[Series, float] = {("ledger_bytes",): self.ledger.size_bytes()}
        durable = self.ledger.durable
        if durable is not None:
            gauges["ledger_durable",] = int(durable)
        return gauges

    def _tell_of_ledger(self) -> None:
        for repair in self.ledger.take_news():
            log.error("ledger repaired", details=repair)
        warning = self.ledger.warning
        if warning and warning != self._warning:
            log.error("ledger not durable", reason=warning)
        self._warning = warning

    def _tell(self, event: str, agent: str, **details: str) -> None:
        """Log a message once, and at most TOLD_MAX messages of one event and agent."""
        key = (event, agent, *details.values())
        if key in self._noticed:
            return
        self._noticed.add(key)
        self._told[event, agent] += 1
        if self._told[event, agent] <= TOLD_MAX:
            log.warning(event, agent=agent, **details)
        elif self._told[event, agent] == TOLD_MAX + 1:
            more = "more files; see agtop-exporter doctor"
            log.warning(event, agent=agent, reason=more)


def _failure(agent: str, error: OSError) -> Failure:
    return Failure(agent, error.filename or "", error.strerror or "")
