"""Runs the stages once: scan, count, price, pair, and gives the frozen Snapshot of it all."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from platform import python_version
from time import perf_counter

import msgspec

from agtop_exporter import __version__
from agtop_exporter.agents import Agent, Environment
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.folders import Folders, Trouble
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import (
    AgentStatus,
    Batch,
    Notice,
    ParseError,
    PriceSource,
    Snapshot,
)
from agtop_exporter.pipeline.files import Listing
from agtop_exporter.pipeline.guard import Guard
from agtop_exporter.pipeline.guarded import GuardedFiles, Places
from agtop_exporter.pipeline.pairing import Pairing
from agtop_exporter.pipeline.scan import Failure, read_all
from agtop_exporter.pipeline.sessions import SessionViews
from agtop_exporter.pricing import PriceBook
from agtop_exporter.processes.source import ProcessSource
from agtop_exporter.settings import Settings

COUNTED_BY_AGENT = ("turns", "sessions_started", "scan_bytes", "scan_records", "scan_errors")

UNREADABLE_MAX = 100  # paths of one agent that are remembered
TOLD_MAX = 10  # files of one agent that are told one by one


class Pipeline:
    """The stages with their state; `refresh` is never run twice at the same time."""

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
        notice: Notice,
        folders: Folders | None = None,
        guard: Guard | None = None,
    ) -> None:
        """Put the parts together; nothing is read before the first refresh."""
        self.ledger = ledger
        self.prices = prices
        self._all_agents = agents
        self._notice = notice
        self.folders = folders or Folders(environment)
        self.folders.on_trouble = self._tell_of_trouble
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
            saved=ledger.facts,
            folders=self.folders,
            guard=self._guard,
        )
        self.skipped: dict[str, tuple[ParseError, ...]] = {}  # since this process began
        self.unknown_types: defaultdict[str, UnknownTypes] = defaultdict(UnknownTypes)
        self.unreadable: defaultdict[str, dict[str, str]] = defaultdict(dict)  # path -> reason
        self._last_success: dict[str, float] = {}
        self._warning = ""
        self.reconfigure(settings)

    def reconfigure(self, settings: Settings) -> None:
        """Take new settings, from the next refresh on."""
        self.settings = settings
        wanted = [a for a in self._all_agents if not settings.agent or a.name in settings.agent]
        self.agents = {agent.name: agent for agent in wanted}
        self._unwanted = {agent.name for agent in self._all_agents} - set(self.agents)
        self._views = SessionViews(
            self.ledger,
            self.pairing,
            settings,
            plans=self._plans,
            unwanted=self._unwanted,
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
        progress: Callable[[int, int], None] = lambda _done, _total: None,
        stopping: Callable[[], bool] = lambda: False,
        sampled_at: Callable[[], float] | None = None,
    ) -> Snapshot:
        """Read what is new, count it, commit it, and return what is true at `now`.

        `sampled_at` is asked for the time when the processes are looked at, after the reading.
        Once `stopping` says so, what has been read is committed, the rest left for next time.
        """
        began = perf_counter()
        self._tell_of_ledger()  # what opening it has met: writing it may go well
        statuses = self._scan(now, progress, stopping)
        if self._price_generation != self.prices.generation:
            self._price_generation = self.prices.generation
            self._price_sources = self.prices.sources()
            self.ledger.reprice(self.prices.cost)
        changed = self.ledger.commit()
        if not stopping():  # else nobody will see it
            self._views.update(changed, now, sampled_at=sampled_at or (lambda: now))
        self._keep_totals()
        self._tell_of_ledger()
        self.folders.rest()
        self._guard.rest()
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
                ("build_info", __version__, "", python_version()): 1,
                ("ledger_bytes",): self.ledger.size_bytes(),
                ("refresh_duration_seconds",): duration,
                ("series_dropped", "sessions"): self._views.dropped,
            },
            agents=tuple(
                self._with_processes(status, states.get(status.agent, {})) for status in statuses
            ),
            rate_limits=tuple(self.ledger.rate_limits.values()),
            price_sources=self._price_sources,
        )

    def _with_processes(self, status: AgentStatus, states: Mapping[str, int]) -> AgentStatus:
        status = msgspec.structs.replace(status, states=states)
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
        """Make durable what was learned of processes and waits, before it is published."""
        for series, growth in (*self.pairing.skipped().items(), *self._views.waits.take()):
            self.ledger.add(series, growth)
        for name, data in self.pairing.to_save().items():
            self.ledger.remember(name, data)
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
                self.ledger.record(
                    result,
                    price=self.prices.cost,
                    find_tariff=self.prices.tariff,
                    project=partial(self._project, result.agent),
                )
                self._tell_of_errors(result)
            elif result.reason:
                self._fail(result, failed)
            if self.ledger.wants_checkpoint:
                self.ledger.checkpoint()
            durations[result.agent] += perf_counter() - began
        return [
            msgspec.structs.replace(
                self._status(agent, listings.get(agent.name), failed, now),
                files=len(self.ledger.cursors.get(agent.name, ())),
                scan_duration_seconds=durations[agent.name],
            )
            for agent in self.agents.values()
        ]

    def _look(
        self, durations: dict[str, float], failed: set[str], stopping: Callable[[], bool]
    ) -> dict[str, Listing]:
        """Find out what has changed."""
        listings: dict[str, Listing] = {}
        for name in self.agents:
            began = perf_counter()
            try:
                cursors = self.ledger.cursors.get(name, {})
                listings[name] = self._files[name].look(cursors, stopping=stopping)
            except OSError as error:
                if stopping():  # it was not given the time
                    break
                self._fail(Failure(name, error.filename or "", error.strerror or ""), failed)
                continue
            for path, reason in listings[name].unreadable:
                self._fail(Failure(name, path, reason), failed)
            self._plans[name] = self._files[name].plan
            self._follow(name, listings[name])
            durations[name] = perf_counter() - began
        return listings

    def _follow(self, agent: str, listing: Listing) -> None:
        """Move the cursors of renamed files, forget those of files that are gone."""
        ledger = self.ledger
        for old, new in listing.moved:
            ledger.set_cursor(agent, new, ledger.cursor(agent, old))
            ledger.forget_cursor(agent, old)
        for path in listing.gone:
            ledger.forget_cursor(agent, path)
            ledger.add(("source_resets", agent, "deleted"), 1)

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
        self.ledger.add(("scan_errors", failure.agent), 1)
        if len(unreadable := self.unreadable[failure.agent]) < UNREADABLE_MAX:
            unreadable[failure.path] = failure.reason
        if (failure.path, failure.reason) not in self._noticed:  # as a trouble with a folder
            self._tell("cannot read", failure.agent, path=failure.path, reason=failure.reason)

    def _project(self, agent: str, cwd: str) -> str:
        """Name the project of a working directory: by the path alone where it does not respond."""
        folder = self.folders.find(cwd)
        if folder.trouble is not None:
            self.ledger.add(("scan_errors", agent), 1)
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

    def _tell_of_trouble(self, trouble: Trouble) -> None:
        if trouble not in self._noticed:
            self._noticed.add(trouble)
            fields = {"path": trouble.place, "reason": trouble.reason}
            self._notice("warning", "cannot look at a folder", fields)

    def _tell_of_errors(self, batch: Batch) -> None:
        """Add up what could not be used, and say so once a file."""
        agent = batch.agent
        for kind, count in batch.unknown:
            self.unknown_types[agent].add(kind, count)
            self.ledger.add(("unknown_records", agent), count)
        for error in batch.errors:
            known = {one.reason: one for one in self.skipped.get(agent, ())}
            first = known.get(error.reason, ParseError(error.reason, 0, error.example))
            known[error.reason] = ParseError(error.reason, first.count + error.count, first.example)
            self.skipped[agent] = tuple(known.values())
            self._tell("skipped records", agent, path=batch.path, reason=error.reason)

    def _tell_of_ledger(self) -> None:
        warning = self.ledger.warning
        if warning and warning != self._warning:
            self._notice("error", "ledger", {"reason": warning})
        self._warning = warning

    def _tell(self, event: str, agent: str, **details: str) -> None:
        """Tell something once; of very many files, that there are more."""
        key = (event, agent, *details.values())
        if key in self._noticed:
            return
        self._noticed.add(key)
        self._told[event, agent] += 1
        if self._told[event, agent] <= TOLD_MAX:
            self._notice("warning", event, {"agent": agent, **details})
        elif self._told[event, agent] == TOLD_MAX + 1:
            more = "and in more files; `agtop-exporter doctor` counts them"
            self._notice("warning", event, {"agent": agent, "reason": more})
