"""Converts the events of one OpenClaw session to usage events and a session update. Does no I/O."""

from typing import Any, Unpack

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.openclaw.records import Event, Message
from agtop_exporter.agents.pi.family import Usage, corrected, token_counts
from agtop_exporter.model import NO_TOKENS, PROMPT_RANK, SessionUpdate, Signal, UsageEvent
from agtop_exporter.reading.batch import EventFields
from agtop_exporter.reading.costs import picodollars
from agtop_exporter.reading.parsers import Parser

SIGNALS = {  # by the stop reason of an answer
    "toolUse": Signal("running", "", "assistant.toolUse"),
    "error": Signal("error", "error", "assistant.error"),
    "stop": Signal("idle", "", "assistant.stop"),
    "length": Signal("idle", "", "assistant.length"),
    "aborted": Signal("idle", "", "assistant.aborted"),
}


class Transcript:
    """The events of one session, which the `parser` of a source reads one after another.

    `began` is the time at which the session began, in unix seconds; 0 if unknown. A session that
    begins as a fork has copies of older events, with their ids and times. An event that is older
    than `began` is such a copy. `model` is the model that was selected last; "" if unknown.
    """

    def __init__(
        self, parser: Parser[Any], session: SessionUpdate, *, began: float, model: str
    ) -> None:
        self.batch = parser.batch
        self.session = session
        self.began = began
        self.model = model
        self.time = 0.0
        self.copied = False
        self._parser = parser

    def add(self, event: Event, offset: int) -> None:
        """Process one event. `offset` is its position in the source.

        The position identifies an event without an id.
        """
        self.batch.unknown.observe(event.record_type)
        if event.type == "session":
            self.began = self.began or event.time
            if not self.session.work_in(event.cwd):
                self.batch.error("schema", offset)
        self.time = event.time or self.time
        self.copied = 0 < self.time < self.began
        if event.time and not self.copied:
            self.session.observe_time(event.time)
        key = f"{event.id or f'{self.session.session_id}:{offset}'}:{event.time:.3f}"
        match event.type:
            case "message" if event.message is not None:
                self._handle_message(event.message, key)
            case "thinking_level_change":
                effort = event.thinking_level
                self.session.model_effort = effort or self.session.model_effort
            case "compaction":
                self._add_event(f"compaction:{key}", compactions=1)
        self._select(event.selected_model)

    def _select(self, model: str) -> None:
        """Set the model of the session, also for earlier responses that name no model."""
        if model:
            self.model = self.session.model = model
            self._parser.name_model(self.session.session_id, model)

    def _handle_message(self, message: Message, key: str) -> None:
        match message.role:
            case "assistant" if not message.is_own:
                self._handle_answer(message, key)
            case "user":
                self._set_signal(Signal("running", "", "user"))
                self._add_prompt(message, key)
            case "toolResult":
                self._set_signal(Signal("running", "", "toolResult"))
                if message.is_error and not message.is_of_other_program:
                    name = tool_label(message.tool_name or "")
                    failed = ((message.tool_call_id or key, name),)
                    self._add_event(f"failure:{key}", tool_errors=failed)

    def _add_prompt(self, message: Message, key: str) -> None:
        if self.session.subagent or not message.is_typed:
            return
        text = next((block.text for block in message.blocks if block.text), "")
        self.session.set_title(text or "", PROMPT_RANK)
        if not message.is_of_other_program:
            self._add_event(f"prompt:{key}", turns=1)

    def _handle_answer(self, message: Message, key: str) -> None:
        """Add a response. If another agent answered, only the activity and the model are used."""
        calls = tuple(
            (block.id or f"{key}:{index}", tool_label(block.name))
            for index, block in enumerate(message.blocks)
            if block.type == "toolCall"
        )
        signal = SIGNALS.get(message.stop_reason or "", self.session.signal)
        self._set_signal(signal.with_tool(next((name for _, name in reversed(calls)), "")))
        self._select(message.served_model)
        if message.is_of_other_program:
            return
        usage = corrected(
            message.usage or Usage(), api=message.api or "", provider=message.provider or ""
        )
        tokens = token_counts(usage)
        if tokens == NO_TOKENS:  # the request failed
            if calls:
                self._add_event(f"calls:{key}", tools=calls)
            return
        if not self.copied:
            self.session.set_context_used(tokens.total)
        self._parser.add_response(
            UsageEvent(
                key=key,
                session_id=self.session.session_id,
                time=self.time,
                copied=self.copied,
                model=self.model,
                tokens=tokens,
                requests=1,
                tools=calls,
                provider=message.provider or "",
                reported_cost=picodollars(usage.cost.total if usage.cost else None),
            )
        )

    def _set_signal(self, signal: Signal) -> None:
        if not self.copied:
            self.session.signal = signal

    def _add_event(self, key: str, **fields: Unpack[EventFields]) -> None:
        session_id = self.session.session_id
        self.batch.event(key, session_id=session_id, time=self.time, copied=self.copied, **fields)
