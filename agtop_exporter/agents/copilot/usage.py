"""Adds the requests in the command line tool's log, each of which can have several records.

A request has up to three records: the output tokens of its answer, a usage record in newer
versions, and a share of the totals at the end of its process. The session store has it, too
(`store.py`). Events have running totals, so that the ledger takes the larger sum for each session
and model. If the first records of a log are missing, its sums are unknown. Its new records are then
counted unless the session store has them.
"""

from typing import Unpack

from agtop_exporter.agents.copilot.logs import home_of, session_id_of
from agtop_exporter.agents.copilot.records import (
    Data,
    Figures,
    Record,
    Usage,
    details_of,
    token_counts,
    totals_of,
)
from agtop_exporter.agents.copilot.rows import AUTO, STORE, has_rows
from agtop_exporter.agents.copilot.state import Answer, LogState, remember
from agtop_exporter.model import UNKNOWN_TOTAL, SessionUpdate, TokenCounts
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.parsers import RecordParser


class UsageParser(RecordParser[Record, LogState]):
    """The part of a log's parser that adds usage.

    For the current record, `session` is its session, `time` is its time in unix seconds, and `main`
    is false if it belongs to a subagent.
    """

    record = Record
    state_type = LogState

    def __init__(self, batch: BatchBuilder, state: LogState) -> None:
        super().__init__(batch, state)
        self.main_id = session_id_of(self.path)
        self.session = SessionUpdate(session_id="")
        self.time = 0.0
        self.main = True
        self.in_store: bool | None = None  # None: not looked up yet
        self.has_store: bool | None = None  # the same

    def handle_usage_record(self, data: Data, key: str) -> None:
        """Add a request. Its record shows whether it is a copy from another session."""
        usage, session = data.usage, self.session
        if usage is None:
            return
        counts = token_counts(usage)
        session.model = usage.model or session.model
        session.model_effort = usage.reasoning_effort or session.model_effort
        session.context_used_tokens = counts.total
        session.context_peak_tokens = max(session.context_peak_tokens or 0, counts.total)
        session.context_window_tokens = usage.max_prompt_tokens or session.context_window_tokens
        call, made = usage.api_call_id, usage.accounting
        origin = (made.source_session_id if made else None) or ""
        if call and made is not None and origin:
            key = f"{origin}:{made.sequence}:{call}"
        self.name_answers(session.model)
        self.state.add_record(call or "")
        # A subagent has its own origin. In the main session, another origin means a copy.
        copied = self.main and origin not in ("", self.main_id)
        if copied:
            self.state.forked = True
        cost = self._billed(usage)
        self._settle(f"request:{key}", session.model, (1, counts), copied=copied, cost=cost)

    def handle_compaction(self, data: Data, key: str) -> None:
        """Add a compaction, and its requests unless they have their own records."""
        usage, state = data.compaction_tokens_used, self.state
        has_record = (data.request_id or "") in state.latest_requests
        counts = TokenCounts() if usage is None or has_record else token_counts(usage)
        requests = max(1, (usage.request_count if usage else None) or 0) if counts.total else 0
        if data.success is not False:
            state.compact()
        compactions = 0 if data.success is False else 1
        model = (usage.model if usage else None) or self.session.model or state.main_model
        key, figures = f"compaction:{key}", (requests, counts)
        cost = self._billed(usage) if usage is not None and counts.total else None
        if not self.main or state.writes_records or not counts.total:
            self._settle(key, model, figures, compactions=compactions, cost=cost)
        else:
            state.show(model, figures)
            self._add_usage(key, model, figures, compactions=compactions, cost=cost)

    def handle_shutdown(self, data: Data, key: str) -> None:
        """Add the requests without usage records from the totals of a process that ends."""
        snapshot = data.accounting_snapshot
        metrics = snapshot.model_metrics if snapshot is not None else data.model_metrics
        over_all_runs = None if snapshot is None else True
        totals = totals_of(metrics or {})
        if not any(counts.total for _, counts in totals.values()):
            totals |= details_of(data.token_details or {}, AUTO)
        in_use = data.current_model if data.current_model not in (None, "", AUTO) else ""
        in_use = in_use or self.state.main_model or AUTO
        if totals:
            largest = max(totals, key=lambda name: totals[name][1].output)
            self.name_answers(in_use if largest == AUTO else largest)
        added = self.state.shut_down(totals, over_all_runs=over_all_runs)
        for name, (requests, counts) in added.items():
            if requests or counts.total:
                model = in_use if name == AUTO else name
                self._settle(f"shutdown:{key}:{name}", model, (max(1, requests), counts))

    def handle_answer(self, data: Data, key: str) -> None:
        """Add the output tokens of an answer, if no other record has them."""
        remember(self.state.answered, self.session.session_id, value=not data.tool_requests)
        alone = self.state.add_answer(data.api_call_id or "")
        if self.main and data.model:
            self.session.model = data.model
        if not alone or not data.output_tokens:
            return
        model = data.model or (self.state.main_model if self.main else "")
        answer = Answer(f"answer:{key}", self.time, data.output_tokens)
        if model in ("", AUTO):
            self.state.unnamed_answers.append(answer)
            self._add_answer(answer, "")
        else:
            self.name_answers(model)
            self._add_answer(answer, model)

    def name_answers(self, model: str) -> None:
        """Set the model of all earlier answers that have none."""
        answers, self.state.unnamed_answers = self.state.unnamed_answers, []
        for answer in answers:
            self._add_answer(answer, model)

    def _add_answer(self, answer: Answer, model: str) -> None:
        """Add the output tokens of an answer to the main session; the totals will include them."""
        figures = (1, TokenCounts(output=answer.output))
        total = UNKNOWN_TOTAL
        if model:
            self.state.show(model, figures)
            total = self.state.running_total("", model)
        self.batch.event(
            answer.key,
            session_id=self.main_id,
            time=answer.time,
            model=model,
            requests=1,
            tokens=figures[1],
            running_total=total,
        )

    def _settle(  # noqa: PLR0913 - an event
        self,
        key: str,
        model: str,
        figures: Figures,
        *,
        copied: bool = False,
        compactions: int = 0,
        cost: int | None = None,
    ) -> None:
        """Add usage that no later record contains. `cost` is billed, in picodollars."""
        self.state.settle("" if self.main else self.session.session_id, model, figures)
        self._add_usage(key, model, figures, copied=copied, compactions=compactions, cost=cost)

    def _add_usage(  # noqa: PLR0913 - an event
        self,
        key: str,
        model: str,
        figures: Figures,
        *,
        copied: bool = False,
        compactions: int = 0,
        cost: int | None = None,
    ) -> None:
        session_id = "" if self.main else self.session.session_id
        total = self.state.running_total(session_id, model)
        if copied or not (self.state.has_whole_session or self._is_in_store()):
            total = UNKNOWN_TOTAL
        self.add_event(
            key,
            copied=copied,
            model=model,
            requests=figures[0],
            tokens=figures[1],
            compactions=compactions,
            running_total=total,
            reported_cost=cost,
        )

    def _billed(self, usage: Usage) -> int | None:
        """Return the cost of requests. A store has it, too: then only the store is used."""
        if self.has_store is None:
            self.has_store = (home_of(self.path) / STORE).exists()
        return None if self.has_store else usage.billed

    def _is_in_store(self) -> bool:
        """Return whether the session store has all requests of the session."""
        if self.in_store is None:
            self.in_store = not self.state.forked and has_rows(
                str(home_of(self.path) / STORE), self.main_id
            )
        return self.in_store

    def add_event(self, key: str, *, copied: bool = False, **fields: Unpack[EventFields]) -> None:
        """Add an event of the current session."""
        session_id = self.session.session_id
        self.batch.event(key, session_id=session_id, time=self.time, copied=copied, **fields)
