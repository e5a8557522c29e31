"""Adds the usage in the command line tool's log, and ensures that a request is counted only once.

The tokens of a request can be in up to three records of the log: in its answer (only output
tokens), in a usage record (newer versions), and in the total tokens that its process writes at
shutdown. The session store can also have the request (`store.py`). Each event therefore has the
running total of its session and model. The ledger compares the running totals of the log and of the
store, and takes the larger one.

If the first records of a log are missing, its running totals are unknown. Its new records are then
counted, unless the session store has the requests of the session.
"""

from typing import Unpack

from agtop_exporter.agents.copilot.logs import home_of, session_id_of
from agtop_exporter.agents.copilot.records import (
    Data,
    Figures,
    Record,
    billed,
    bills_of,
    details_of,
    token_counts,
    totals_of,
)
from agtop_exporter.agents.copilot.rows import AUTO, STORE, has_rows
from agtop_exporter.agents.copilot.state import Answer, LogState, remember
from agtop_exporter.existence import exists
from agtop_exporter.model import UNKNOWN_TOTAL, SessionUpdate, TokenCounts
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.parsers import RecordParser


class UsageParser(RecordParser[Record, LogState]):
    """Base class of the log's parser, which adds the events with usage.

    `session` is the session of the current record. `time` is the time of the current record in unix
    seconds. `main` is false if the current record belongs to a subagent. `copied` is true if the
    current record is a copy of another session's record, which is at the start of a fork's log.
    """

    record = Record
    state_type = LogState

    def __init__(self, batch: BatchBuilder, state: LogState) -> None:
        super().__init__(batch, state)
        self.main_id = session_id_of(self.path)
        self.session = SessionUpdate(session_id="")
        self.time = 0.0
        self.main = True
        self.copied = False
        self.open_calls = state.open_calls  # of the session of the current record
        self.in_store: bool | None = None  # None: not looked up yet
        self.has_store: bool | None = None  # None: not looked up yet

    def handle_usage_record(self, data: Data, key: str) -> None:
        """Add the request of a usage record.

        The record shows whether the request was copied from another session. `key` identifies the
        record. It becomes the event key if the record does not show the session that made the
        request.
        """
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
        in_row = self._has_store() and (copied or not self.state.forked)
        cost = None if in_row else usage.billed
        self._add_usage(f"request:{key}", session.model, (1, counts), copied=copied, cost=cost)

    def handle_compaction(self, data: Data, key: str) -> None:
        """Add a compaction and its requests. `key` identifies the record of the compaction.

        The tokens of the requests are left out if the requests have usage records.
        """
        usage, state = data.compaction_tokens_used, self.state
        has_record = (data.request_id or "") in state.latest_requests
        counts = TokenCounts() if usage is None or has_record else token_counts(usage)
        requests = max(1, (usage.request_count if usage else None) or 0) if counts.total else 0
        if data.success is not False:
            state.compact()
        if self.copied:
            return
        compactions = 0 if data.success is False else 1
        model = (usage.model if usage else None) or self.session.model or state.main_model
        key, figures = f"compaction:{key}", (requests, counts)
        cost = usage.billed if usage is not None and counts.total else None
        in_row = self._has_store() and not self.state.forked
        cost = None if in_row else cost
        again = self.main and not state.writes_records and counts.total > 0
        self._add_usage(key, model, figures, again=again, compactions=compactions, cost=cost)

    def handle_shutdown(self, data: Data, key: str) -> None:
        """When a process ends, add its requests that have no usage records.

        The tokens of these requests are calculated from the total tokens in the shutdown record.
        `key` identifies that record.
        """
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
        bills = bills_of(metrics or {}, totals, data.total_nano_aiu)
        added, bills = self.state.shut_down(totals, bills, over_all_runs=over_all_runs)
        if self.copied:
            return
        bills = {} if self._is_in_store() else bills
        for name, (requests, counts) in added.items():
            if requests or counts.total:
                model = in_use if name == AUTO else name
                figures = max(1, requests), counts
                cost = billed(bills.get(name))
                self._add_usage(f"shutdown:{key}:{name}", model, figures, cost=cost)

    def handle_answer(self, data: Data, key: str) -> None:
        """Add the output tokens of an answer, unless another record has the tokens of its request.

        `key` identifies the record of the answer.
        """
        remember(self.state.answered, self.session.session_id, value=not data.tool_requests)
        alone = self.state.add_answer(data.api_call_id or "")
        if self.main and data.model:
            self.session.model = data.model
        if not alone or not data.output_tokens or self.copied:
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
        """Set the model of the earlier answers whose model is unknown.

        The events of these answers are added again, with the same keys and with `model`.
        """
        answers, self.state.unnamed_answers = self.state.unnamed_answers, []
        for answer in answers:
            self._add_answer(answer, model)

    def _add_answer(self, answer: Answer, model: str) -> None:
        """Add an event with the output tokens of an answer to the main session.

        The totals at the shutdown of the process will include these tokens. `model` is "" if
        unknown.
        """
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

    def _add_usage(  # noqa: PLR0913 - an event
        self,
        key: str,
        model: str,
        figures: Figures,
        *,
        again: bool = False,
        copied: bool = False,
        compactions: int = 0,
        cost: int | None = None,
    ) -> None:
        """Add an event with usage of the current session, and add the usage to the running totals.

        `figures` is (requests, tokens). `again` is true if the totals at the shutdown of the
        process will include this usage again. `cost` is the billed cost in picodollars.
        """
        session_id = "" if self.main else self.session.session_id
        if again:
            self.state.show(model, figures)
        else:
            self.state.settle(session_id, model, figures)
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

    def _has_store(self) -> bool:
        """Return whether the tool has a session store.

        The AI credits of new requests are then read from the store, even if the store does not have
        the session yet: the row of a request may be written after its record in the log.
        """
        if self.has_store is None:
            self.has_store = exists(home_of(self.path) / STORE)
        return self.has_store

    def _is_in_store(self) -> bool:
        """Return whether the requests of the session are counted from the session store."""
        if self.in_store is None:
            self.in_store = not self.state.forked and has_rows(
                str(home_of(self.path) / STORE), self.main_id
            )
        return self.in_store

    def add_event(self, key: str, *, copied: bool = False, **fields: Unpack[EventFields]) -> None:
        """Add an event of the current session, with the time of the current record."""
        session_id = self.session.session_id
        copied = copied or self.copied
        self.batch.event(key, session_id=session_id, time=self.time, copied=copied, **fields)
