"""Defines the reader state of a log, and compares the totals at a shutdown with earlier records.

Versions up to about 1.0.90 write no usage records. Their logs have the output tokens of each
answer. A process that shuts down also writes total tokens; a killed process writes none. The
meaning of the totals differs between versions:

* the usage of this process only (https://github.com/PanAchy/copilot-arewecooked/pull/45),
* the usage of all processes so far, starting again from 0 after a compaction (1.0.78:
  https://github.com/getagentseal/codeburn).

Several processes can work on one session at the same time. Each process then writes the totals at
its start plus the usage of this process (1.0.102). Nothing here does I/O.
"""

from typing import TypeVar

from msgspec import field

from agtop_exporter.agents.copilot.records import NOTHING, Bills, Figures, Totals
from agtop_exporter.model import TokenCounts
from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.repeats import Remembered
from agtop_exporter.reading.state import ReaderState

REMEMBERED = 64  # tool calls that have not ended, and requests of compactions
SESSIONS_MAX = 1024  # sessions with sums: the main session and subagents
RUNS_MAX = 8  # processes without a shutdown; a killed process never has one

Value = TypeVar("Value", str, bool)


class Answer(ReaderState):
    """An answer whose model is not known yet. The answer is counted without a model."""

    key: str = ""
    time: float = 0.0  # in unix seconds
    output: int = 0  # tokens


class Run(ReaderState):
    """One process that works on a session.

    `base`, `records` and `answers` have the values at the start of the process.
    """

    base: Totals = field(default_factory=dict)  # the totals of the last shutdown
    base_bills: Bills = field(default_factory=dict)  # the AI credits of the last shutdown
    records: int = 0  # number of usage records
    answers: int = 0  # number of messages of models without usage records
    compacted: int = 0  # `answer_count` at the latest compaction, or at the start
    alone: bool = True  # no other process was running or has started since its start
    # Usage in answers and compactions, until a usage record or the totals include it.
    shown: Totals = field(default_factory=dict)


class LogState(ReaderState):
    """The reader state of the log of one session.

    In `settled`, the key of the main session is "".

    The field names differ from the field names in version 0.1 of the exporter, whose state had no
    usage sums. A state of version 0.1 can therefore not be decoded, and its log is read again.
    """

    main_model: str = ""
    main_cwd: str = ""
    calls: dict[str, str] = field(default_factory=dict)  # names of the latest tool calls by id
    open_calls: OpenCalls = field(default_factory=OpenCalls)  # of the main session
    latest_requests: dict[str, bool] = field(default_factory=dict)  # ids of the latest requests
    # By session id: whether the last message had no tool call.
    answered: dict[str, bool] = field(default_factory=dict)
    complete: bool = False  # no record at the start of the log is missing
    # While the records at the start of the log are copies of another session's: the time of the
    # fork in unix seconds; otherwise 0.
    forked_at: float = 0.0
    rewritten: bool = False  # the log had other records before
    forked: bool = False  # the log has copies of another session's records
    writes_records: bool = False  # the present version writes usage records
    recorded: bool = False  # the log has usage records
    record_count: int = 0  # number of usage records
    answer_count: int = 0  # number of messages of models without usage records
    last_totals: Totals = field(default_factory=dict)  # at the last shutdown
    last_bills: Bills = field(default_factory=dict)  # AI credits at the last shutdown
    runs: list[Run] = field(default_factory=list)  # processes without a shutdown
    settled: dict[str, Totals] = field(default_factory=dict)  # by session id; without Run.shown
    seen_runs: Remembered = field(default_factory=Remembered)  # also compactions
    seen_requests: Remembered = field(default_factory=Remembered)
    unnamed_answers: list[Answer] = field(default_factory=list)

    @property
    def has_whole_session(self) -> bool:
        """Whether the usage sums of the log are the usage sums of the whole session."""
        return self.complete and not (self.rewritten or self.forked)

    def begin_run(self) -> None:
        """Add a process that has started to work on the session."""
        for other in self.runs:
            other.alone = False
        answers = self.answer_count
        run = Run(
            base=self.last_totals,
            base_bills=self.last_bills,
            records=self.record_count,
            answers=answers,
            compacted=answers,
            alone=not self.runs,
        )
        self.runs.append(run)
        if len(self.runs) > RUNS_MAX:
            for model, figures in self.runs.pop(0).shown.items():
                self.settle("", model, figures)

    def add_record(self, call: str) -> None:
        """Count a usage record; `call` is the id of the request in the record."""
        if not self.runs:
            self.begin_run()
        self.runs[-1].shown = {}
        self.recorded = self.writes_records = True
        self.record_count += 1
        if call:
            remember(self.latest_requests, call, value=True)

    def add_answer(self, call: str) -> bool:
        """Count an answer of a model; return whether the tokens of the answer must be counted.

        The result is false if usage records have the tokens, or if the usage sums of the log are
        not the sums of the whole session. `call` is the id of the answer's request.
        """
        if not self.runs:
            self.begin_run()
        if call in self.latest_requests:
            return False
        self.answer_count += 1
        return self.has_whole_session and not self.writes_records

    def compact(self) -> None:
        """Record a compaction. The totals at later shutdowns may start again from 0."""
        for run in self.runs:
            run.compacted = self.answer_count

    def shut_down(
        self, totals: Totals, bills: Bills, *, over_all_runs: bool | None
    ) -> tuple[Totals, Bills]:
        """Remove the latest process; return the part of its totals that is not counted yet.

        `totals` and `bills` are the totals by model and the AI credits by model that the process
        wrote at its shutdown. The result is ({}, {}) if usage records have the usage.
        `over_all_runs` is true if the totals cover all processes so far, and None if the log does
        not show this.
        """
        if not self.runs:
            self.begin_run()
        run = self.runs.pop()
        if not any(count or tokens.total for count, tokens in totals.values()):
            for model, figures in run.shown.items():  # no other record will include this usage
                self.settle("", model, figures)
        made = self.answer_count - run.answers
        if over_all_runs is None:
            over_all_runs = self._is_over_all_runs(totals, run)
        added, billed = totals, bills
        if over_all_runs:
            added = {model: growth(now, run.base.get(model)) for model, now in totals.items()}
            again = {m for m, now in totals.items() if began_again(now, run.base.get(m))}
            billed = {
                model: now if model in again else max(0, now - run.base_bills.get(model, 0))
                for model, now in bills.items()
            }
            totals = totals if again else run.base | totals
            bills = bills if again else run.base_bills | bills
        self.last_totals, self.last_bills = totals, bills
        has_records = self.record_count > run.records or (self.recorded and not made)
        return ({}, {}) if has_records else (added, billed)

    # --- sums -------------------------------------------------------------------------------

    def settle(self, session_id: str, model: str, figures: Figures) -> None:
        """Add usage to the sums of a session and model. No later record includes this usage.

        `figures` is (requests, tokens).
        """
        sums = self.settled.setdefault(session_id, {})
        sums[model] = plus(sums.get(model), figures)
        if len(self.settled) > SESSIONS_MAX:
            del self.settled[next(key for key in self.settled if key)]

    def show(self, model: str, figures: Figures) -> None:
        """Add usage of the main session to its latest process.

        The totals at the shutdown of that process will include this usage. `figures` is (requests,
        tokens).
        """
        if not self.runs:
            self.begin_run()
        shown = self.runs[-1].shown
        shown[model] = plus(shown.get(model), figures)

    def running_total(self, session_id: str, model: str) -> Figures:
        """Return the (requests, tokens) of a session and model so far."""
        total = self.settled.get(session_id, {}).get(model, NOTHING)
        for run in () if session_id else self.runs:
            if model in run.shown:
                total = plus(run.shown[model], total)
        return total

    def sums(self) -> Totals:
        """Return the (requests, tokens) of the main session so far, by model."""
        sums = dict(self.settled.get("", {}))
        for run in self.runs:
            for model, figures in run.shown.items():
                sums[model] = plus(sums.get(model), figures)
        return sums

    def _is_over_all_runs(self, totals: Totals, run: Run) -> bool:
        """Return whether `totals` cover all processes so far, or only the process `run`.

        True means all processes. The decision compares the number of requests with the number of
        answers. They can differ: a request can have no answer, and an answer can come from another
        process. If the totals have no number of requests, the result is true, so that nothing is
        counted twice.
        """
        requests = sum(count for count, _ in totals.values())
        before = sum(count for count, _ in run.base.values())
        made, since = self.answer_count - run.answers, self.answer_count - run.compacted
        of_all = _distance(requests, before + (made if run.alone else 0), before + made)
        of_this = min(
            _distance(requests, made if run.alone else 0, made),
            _distance(requests, since if run.alone else 0, since),
        )
        return not requests or of_all < of_this or (of_all == of_this and not run.alone)


def _distance(count: int, least: int, most: int) -> int:
    """Return the distance of `count` from the range `least` to `most`; 0 inside the range."""
    return max(least - count, count - most, 0)


def plus(one: Figures | None, other: Figures) -> Figures:
    """Return the sum of two (requests, tokens); None counts as (0, no tokens)."""
    return other if one is None else (one[0] + other[0], one[1] + other[1])


def growth(now: Figures, before: Figures | None) -> Figures:
    """Return the growth of a total from `before` to `now`.

    Return `now` if `before` is None or if the total has started again from 0.
    """
    if before is None or began_again(now, before):
        return now
    return max(0, now[0] - before[0]), (now[1] - before[1]).max(TokenCounts())


def began_again(now: Figures, before: Figures | None) -> bool:
    """Return whether a total has started again from 0: whether any of its counts has decreased.

    Uncached input is not compared, because it is calculated from two recorded numbers that may not
    agree. A missing number of requests is not compared either.
    """
    if before is None:
        return False
    requests = bool(now[0]) and now[0] < before[0]
    return requests or any(map(int.__lt__, _figures(now[1]), _figures(before[1])))


def _figures(tokens: TokenCounts) -> tuple[int, ...]:
    return tokens.prompt, tokens.cache_read, tokens.cache_write_5m, tokens.output


def remember(known: dict[str, Value], key: str, *, value: Value) -> None:
    """Add an item to `known`; remove the oldest item if there are more than REMEMBERED items."""
    known[key] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]
