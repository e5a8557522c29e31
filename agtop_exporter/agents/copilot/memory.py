"""What is remembered of a log between two reads, and what the totals of a shutdown add to it.

Versions up to about 1.0.90 write no usage records; all that is known of their requests are the
totals that a process writes when it shuts down. In some versions those are of the process alone
(https://github.com/PanAchy/copilot-arewecooked/pull/45), in others of all processes so far, where a
compaction begins them again (1.0.78: https://github.com/getagentseal/codeburn). Several processes
may work on one session at a time; each writes the totals that it found and its own (1.0.102).

Nothing here does I/O.
"""

from typing import TypeVar

import msgspec

from agtop_exporter.agents.copilot.records import Figures, Totals
from agtop_exporter.model import TokenCounts

REMEMBERED = 64  # calls whose end, and requests whose compaction, may still come
RUNS_MAX = 8  # processes that have not shut down; a process that was killed never does

Value = TypeVar("Value", str, bool)


class Run(msgspec.Struct, array_like=True):
    """One process that works on a session; the counts are those of the log when it began."""

    base: Totals = {}  # the totals of the last shutdown
    records: int = 0  # usage records
    answers: int = 0  # messages of models without usage records
    compacted: int = 0  # the same, at the latest compaction since
    alone: bool = True  # no other process has worked on the session since


class Memory(msgspec.Struct, array_like=True):
    """What must be remembered of a log between two reads."""

    model: str = ""
    cwd: str = ""
    tools: dict[str, str] = {}  # the latest calls: id -> name
    requests: dict[str, bool] = {}  # ids of the latest requests
    answered: dict[str, bool] = {}  # whether the last message asked for no tool, by agent
    recorded: bool = False  # the log has usage records
    records: int = 0  # usage records so far
    answers: int = 0  # messages of models without usage records so far
    totals: Totals = {}  # at the last shutdown
    runs: list[Run] = []  # processes that have not shut down, the latest last

    def begin_run(self) -> None:
        """Note that a process has begun to work on the session."""
        for other in self.runs:
            other.alone = False
        run = Run(self.totals, self.records, self.answers, self.answers, not self.runs)
        self.runs = [*self.runs, run][-RUNS_MAX:]

    def take_record(self, call: str) -> None:
        """Note a usage record, with the id of its request."""
        if not self.runs:
            self.begin_run()
        self.recorded = True
        self.records += 1
        if call:
            remember(self.requests, call, value=True)

    def take_answer(self, call: str) -> None:
        """Note a message of a model, with the id of its request."""
        if not self.runs:
            self.begin_run()
        if call not in self.requests:
            self.answers += 1

    def compact(self) -> None:
        """Note a compaction, which may begin the totals again."""
        for run in self.runs:
            run.compacted = self.answers

    def shut_down(self, totals: Totals, *, over_all_runs: bool | None) -> Totals:
        """End a process, and return what its totals add to what has been counted, by model.

        A request that has a usage record has been counted. `over_all_runs` is None where the
        totals do not say what they are of.
        """
        if not self.runs:
            self.begin_run()
        run = self.runs.pop()
        made = self.answers - run.answers
        if over_all_runs is None:
            over_all_runs = self._is_over_all_runs(totals, run)
        added = totals
        if over_all_runs:
            added = {model: growth(now, run.base.get(model)) for model, now in totals.items()}
            again = any(began_again(now, run.base.get(model)) for model, now in totals.items())
            totals = totals if again else run.base | totals
        self.totals = totals
        has_records = self.records > run.records or (self.recorded and not made)
        return {} if has_records else added

    def _is_over_all_runs(self, totals: Totals, run: Run) -> bool:
        """Tell by the number of answers whether totals are of all runs, or of this one alone.

        A request may be without an answer, and answers may be those of another process. Totals
        that do not count requests are taken for those of all runs, so that none counts twice.
        """
        requests = sum(count for count, _ in totals.values())
        before = sum(count for count, _ in run.base.values())
        made, since = self.answers - run.answers, self.answers - run.compacted
        of_all = _distance(requests, before + (made if run.alone else 0), before + made)
        of_this = min(
            _distance(requests, made if run.alone else 0, made),
            _distance(requests, since if run.alone else 0, since),
        )
        return not requests or of_all < of_this or (of_all == of_this and not run.alone)


def _distance(count: int, least: int, most: int) -> int:
    """Return how far a count lies outside a range."""
    return max(least - count, count - most, 0)


def growth(now: Figures, before: Figures | None) -> Figures:
    """Return what totals have grown by; all of them where they have begun again."""
    if before is None or began_again(now, before):
        return now
    return max(0, now[0] - before[0]), (now[1] - before[1]).max(TokenCounts())


def began_again(now: Figures, before: Figures | None) -> bool:
    """Tell whether a figure has fallen, which no running total does.

    Uncached input is left out: it is a difference, and the figures that it is made of may not
    agree. An absent number of requests says nothing.
    """
    if before is None:
        return False
    requests = bool(now[0]) and now[0] < before[0]
    return requests or any(map(int.__lt__, _figures(now[1]), _figures(before[1])))


def _figures(tokens: TokenCounts) -> tuple[int, ...]:
    return tokens.prompt, tokens.cache_read, tokens.cache_write_5m, tokens.output


def remember(known: dict[str, Value], key: str, *, value: Value) -> None:
    """Keep a value, and forget the oldest of too many."""
    known[key] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]
