"""Runs a refresh, and returns its result as an immutable Snapshot.

A refresh scans the transcripts, counts their events, computes costs, and matches sessions with
processes.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

import msgspec

from agtop_exporter.agents import Agent, Environment, covered_by
from agtop_exporter.folders import Folders
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import NO_USERS, AgentStatus, BudgetUse, Snapshot, Users
from agtop_exporter.pipeline.budgets import Budgets
from agtop_exporter.pipeline.failing import remember_errors
from agtop_exporter.pipeline.findings import Findings
from agtop_exporter.pipeline.gauges import exporter_gauges
from agtop_exporter.pipeline.guard import Guard
from agtop_exporter.pipeline.guarded import GuardedFiles, Places
from agtop_exporter.pipeline.overview import Overview, Usages, sorted_sessions
from agtop_exporter.pipeline.pairing import Pairing
from agtop_exporter.pipeline.repricing import Repricing
from agtop_exporter.pipeline.restore import restore_keys
from agtop_exporter.pipeline.retention import roll_up_when_due
from agtop_exporter.pipeline.scan import CHILDREN_MAX
from agtop_exporter.pipeline.scanner import Scanner
from agtop_exporter.pipeline.sessions import SessionViews
from agtop_exporter.pipeline.statuses import Statuses
from agtop_exporter.pipeline.steps import Steps
from agtop_exporter.pipeline.stored_limits import StoredLimits
from agtop_exporter.pricing import PriceBook
from agtop_exporter.processes.source import ProcessSource
from agtop_exporter.project import Rules
from agtop_exporter.settings import Settings
from agtop_exporter.telemetry import Telemetry


class Pipeline:
    """Runs refreshes, and keeps the state from one refresh to the next.

    Calls of `refresh` must not overlap.
    """

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
        keep_closed: bool = True,
        limit_folders: Sequence[Path] = (),
        children_max: int = CHILDREN_MAX,
        users: Users = NO_USERS,
    ) -> None:
        """Create the objects that a refresh needs. No transcript is read before the first refresh.

        If `keep_closed` is true, `Snapshot.sessions` has every session, else only open sessions. If
        `processes` is None, no session is matched with a process. If `folders` or `guard` is None,
        a new object is created. `limit_folders` are the directories in which the command
        `statusline` stores rate limits, see `limit_files`. If there are many files to read, up
        to `children_max` child processes read them. `users` has the owners of the homes, if there
        are several.
        """
        self._keep_closed = keep_closed
        self.ledger = ledger
        self.prices = prices
        self._all_agents = agents
        self.homes = tuple(homes)
        self._users = users
        ledger.count_by_user(users)
        self.telemetry = Telemetry()
        self.steps = Steps(partial(self.telemetry.count, "refresh_errors"))
        self.folders = folders or Folders(environment)
        self.findings = Findings(self.steps)
        self.folders.on_trouble = self.findings.log_trouble
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
        self._repricing = Repricing(ledger, prices, at_once=keep_closed)
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
        self._scanner = Scanner(
            ledger=ledger,
            prices=prices,
            files=self._files,
            folders=self.folders,
            guard=self._guard,
            steps=self.steps,
            telemetry=self.telemetry,
            findings=self.findings,
            children_max=children_max,
        )
        self._statuses = Statuses(self._files, self._scanner.plans, self.pairing, self.steps)
        self._stored_limits = StoredLimits(
            limit_folders,
            ledger,
            folders=self.folders,
            guard=self._guard,
            findings=self.findings,
        )
        self.reconfigure(settings)

    def reconfigure(self, settings: Settings) -> None:
        """Replace the settings. The next refresh applies the new settings."""
        self.settings = settings
        wanted = [a for a in self._all_agents if not settings.agent or a.name in settings.agent]
        self.agents = {agent.name: agent for agent in wanted}
        self._unwanted = {agent.name for agent in self._all_agents} - set(self.agents)
        self.ledger.keep_titles(wanted=settings.store_titles)
        self._budgets = Budgets(self.ledger, settings.budgets)
        self._covered = covered_by(settings.plan, self._all_agents)
        self.ledger.cover(self._covered)
        self._usages = Usages(self.ledger, unwanted=self._unwanted)
        self._views = SessionViews(
            self.ledger,
            self.pairing,
            settings,
            steps=self.steps,
            plans=self._scanner.plans,
            effort_sources={name: one.effort_source for name, one in self.agents.items()},
            unwanted=self._unwanted,
            covered=self._covered,
            context_window=self.prices.context_window,
            users=self._users,
            keep_closed=self._keep_closed,
        )

    def places(self, agent: str) -> Places:
        """Return the paths at which the last refresh searched for an agent's files."""
        return self._files[agent].places

    def close(self) -> None:
        """Kill the child processes that read directories."""
        self.folders.close()

    def refresh(  # noqa: PLR0913 - what a caller may observe and limit
        self,
        now: float,
        *,
        settle: Callable[[], None] = lambda: None,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
        stopping: Callable[[], bool] = lambda: False,
        waiting: Callable[[], None] = lambda: None,
        sampled_at: Callable[[], float] | None = None,
        read: bool = True,
    ) -> Snapshot:
        """Read new records, count and commit them, and return the state at `now` (unix seconds).

        `settle` is called at the start. It saves the state of the outputs in the ledger. `progress`
        is called with the number of bytes read so far and the total number of bytes to read. If
        finding the files takes long, `waiting` is called repeatedly.
        `sampled_at` returns the time in unix seconds at which the processes are sampled, after the
        files were read. If `stopping` returns True, the refresh commits the records that it has
        read, and ends. The next refresh reads the remaining records. If `read` is false, no
        transcript is read, and the result has only the content of the ledger.

        An exception ends only the part of the refresh that raised the exception, such as the scan
        of one agent. `Snapshot.errors` names the part, and the next refresh repeats the part.
        """
        began = perf_counter()
        self.steps.begin()
        if self.ledger.is_new:
            self.ledger.assume_priced(self.prices.fingerprint)
        remember_errors(self.ledger, self.steps.before)
        settle()
        self.findings.log_ledger(self.ledger)  # problems found when the ledger was opened
        agents = self.agents if read else {}
        scanned = self._scanner.scan(
            agents, now, progress=progress, stopping=stopping, waiting=waiting
        )
        self._complete_ledger(now, stopping)
        if not stopping():  # the result of a stopped refresh is not published
            self._views.update(now, sampled_at=sampled_at or (lambda: now))
        self._keep_totals()
        self.ledger.pack(self._views.open_keys())
        self.findings.log_ledger(self.ledger)
        self.folders.rest()
        self._guard.rest()
        self.telemetry.flush(self.ledger.add)
        return self._snapshot(now, scanned, refresh_seconds=perf_counter() - began)

    def _complete_ledger(self, now: float, stopping: Callable[[], bool]) -> None:
        """Apply to the ledger what does not come from transcripts, and commit the ledger."""
        with self.steps.step("scan"):
            self._stored_limits.record(self.agents, now)
        self.ledger.forget_future_limits(now)
        with self.steps.step("ledger"):
            restore_keys(
                self.ledger,
                self.agents,
                price=self.prices.cost,
                guard=self._guard,
                stopping=stopping,
            )
        with self.steps.step("prices"):
            self._repricing.apply()
        with self.steps.step("ledger"):
            self.ledger.fold_labels()
        self.checkpoint()
        with self.steps.step("ledger"):
            self._views.note(self.ledger.take_changed())
        with self.steps.step("match"):
            self.pairing.add_history(self.ledger.take_recovered())
        with self.steps.step("ledger"):
            roll_up_when_due(self.ledger, now, retention_days=self.settings.retention_days)

    def _snapshot(
        self, now: float, scanned: Iterable[AgentStatus], *, refresh_seconds: float
    ) -> Snapshot:
        states = self._views.states()
        published = self._views.published(now)
        gauges = exporter_gauges(
            self.ledger, refresh_seconds=refresh_seconds, dropped_sessions=self._views.dropped
        )
        return Snapshot(
            generated_at=now,
            plan=self.settings.plan,
            sessions=self._views.all(),
            published=published,
            returned=self._views.returned(),
            first_started_at=self._views.first_started_at,
            totals={
                series: value
                for series, value in (self.ledger.totals | self.pairing.totals()).items()
                if not self._unwanted.intersection(series[1:2])
            },
            gauges=gauges,
            agents=tuple(
                self._statuses.complete(
                    status, states=states.get(status.agent, {}), covered=self._covered
                )
                for status in scanned
            ),
            budgets=self._uses_of_budgets(now),
            rate_limits=tuple(self.ledger.rate_limits.values()),
            price_sources=self._repricing.sources,
            errors=self.steps.errors,
        )

    def with_closed(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot of the last refresh with all sessions.

        Closed sessions are included even if `keep_closed` is false.
        """
        sessions = self._views.with_closed(snapshot.generated_at)
        return msgspec.structs.replace(snapshot, sessions=sessions)

    def overview(self, snapshot: Snapshot) -> Overview:
        """Return the overview of `snapshot`, the result of the last refresh; see `Overview`."""
        now = snapshot.generated_at
        sessions = sorted_sessions(self._views.latest(now))
        return Overview(snapshot, self._usages.at(now), sessions)

    def _uses_of_budgets(self, now: float) -> tuple[BudgetUse, ...]:
        with self.steps.step("ledger"):
            return self._budgets.uses(now)
        return ()

    def checkpoint(self) -> None:
        """Add the exporter's own counters to the ledger, and commit the ledger to disk."""
        self.telemetry.flush(self.ledger.add)
        with self.steps.step("ledger"):
            self.ledger.checkpoint()

    def look_at_processes(self, now: float) -> None:
        """Sample the processes at `now` (unix seconds), and match the processes with the sessions.

        The CPU usage of a process is the difference between two samples. After this call, the next
        refresh can compute the CPU usage.
        """
        with self.steps.step("match"):
            self.pairing.pair(now, self.ledger.sessions)

    def _keep_totals(self) -> None:
        """Commit the totals of processes and of waits to the ledger, before they are published."""
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
