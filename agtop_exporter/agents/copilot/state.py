"""What a parser keeps of a log between two reads, and what the totals of a shutdown add to it.

Versions up to about 1.0.90 write no usage records. Of their requests only the totals are known that
a process writes when it shuts down. In some versions these are of the process alone
(https://github.com/PanAchy/copilot-arewecooked/pull/45). In others they are of all processes so
far, and start again after a compaction (1.0.78: https://github.com/getagentseal/codeburn). Several
processes can work on one session at the same time; each writes the totals that it found plus its
own (1.0.102).

Nothing here does I/O.
"""

from typing import TypeVar

from msgspec import field

from agtop_exporter.agents.copilot.records import Figures, Totals
from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.state import ReaderState

REMEMBERED = 64  # calls whose end, and requests whose compaction, may still follow
RUNS_MAX = 8  # processes that have not shut down; a killed process never does

Value = TypeVar("Value", str, bool)


class Run(ReaderState):
    """One process that works on a session; the counts are those of the log when it started."""

    base: Totals = field(default_factory=dict)  # the totals of the last shutdown
    records: int = 0  # usage records
    answers: int = 0  # messages of models without usage records
    compacted: int = 0  # the same, at the latest compaction since
    alone: bool = True  # no other process has worked on the session since


class LogState(ReaderState):
    """The state of one log."""

    model: str = ""
    cwd: str = ""
    tools: dict[str, str] = field(default_factory=dict)  # the latest calls: id -> name
    requests: dict[str, bool] = field(default_factory=dict)  # ids of the latest requests
    # By session id: whether the last message called no tool.
    answered: dict[str, bool] = field(default_factory=dict)
    recorded: bool = False  # the log has usage records
    records: int = 0  # usage records so far
    answers: int = 0  # messages of models without usage records so far
    totals: Totals = field(default_factory=dict)  # at the last shutdown
    runs: list[Run] = field(default_factory=list)  # processes that have not shut down

    def begin_run(self) -> None:
        """Add a process that has started to work on the session."""
        for other in self.runs:
            other.alone = False
        run = Run(self.totals, self.records, self.answers, self.answers, not self.runs)
        self.runs = [*self.runs, run][-RUNS_MAX:]

    def add_record(self, call: str) -> None:
        """Count a usage record; `call` is the id of its request."""
        if not self.runs:
            self.begin_run()
        self.recorded = True
        self.records += 1
        if call:
            remember(self.requests, call, value=True)

    def add_answer(self, call: str) -> None:
        """Count a message of a model; `call` is the id of its request."""
        if not self.runs:
            self.begin_run()
        if call not in self.requests:
            self.answers += 1

    def compact(self) -> None:
        """Note a compaction, after which the totals may start again."""
        for run in self.runs:
            run.compacted = self.answers

    def shut_down(self, totals: Totals, *, over_all_runs: bool | None) -> Totals:
        """End a process; return what its totals add to what is already counted, by model.

        A request with a usage record is already counted. `over_all_runs` says whether the totals
        are of all processes so far; None if the log does not say.
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
        """Return whether totals are of all runs or of this one, judged by the number of answers.

        A request can have no answer, and an answer can be of another process. Totals without a
        number of requests are taken as of all runs, so that nothing counts twice.
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
    """Return by how much a count is outside a range."""
    return max(least - count, count - most, 0)


def growth(now: Figures, before: Figures | None) -> Figures:
    """Return the growth of totals; all of them if they have started again."""
    if before is None or began_again(now, before):
        return now
    return max(0, now[0] - before[0]), (now[1] - before[1]).max(TokenCounts())


def began_again(now: Figures, before: Figures | None) -> bool:
    """Return whether any figure has fallen: then the running total has started again.

    Uncached input is ignored, because it is a difference of figures that may not agree. So is an
    absent number of requests.
    """
    if before is None:
        return False
    requests = bool(now[0]) and now[0] < before[0]
    return requests or any(map(int.__lt__, _figures(now[1]), _figures(before[1])))


def _figures(tokens: TokenCounts) -> tuple[int, ...]:
    return tokens.prompt, tokens.cache_read, tokens.cache_write_5m, tokens.output


def remember(known: dict[str, Value], key: str, *, value: Value) -> None:
    """Add a value, and drop the oldest if there are too many."""
    known[key] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]
