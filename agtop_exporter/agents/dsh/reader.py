"""Reads the session logs of DeepSeek Harness.

A forked session begins with copies of events, with their times. A later version of the program
writes a session to a further log in another version of the format, in which the numbers of events
differ. A response is therefore identified by its time, its turn, its step and its token counts.
"""

import re
from pathlib import Path

from msgspec import field

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.dsh.records import (
    ATTEMPT,
    CHUNK,
    HANDLED,
    KNOWN_TYPES,
    MESSAGE,
    SEED_END,
    SESSION,
    SUMMARIES,
    Data,
    Line,
    Maker,
    Message,
    Reason,
    Source,
    Usage,
)
from agtop_exporter.model import PROMPT_RANK, Batch, Cursor, Signal, TokenCounts, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import decoder, seconds_of
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.parsers import TranscriptParser
from agtop_exporter.reading.state import ReaderState

NAME = "dsh"
TITLE_RANKS = {"fallback": PROMPT_RANK, "provider": 3}  # by the kind of the source
CHOSEN_RANK = 4  # of a title from another source, such as the user
ESCAPED = re.compile("~([0-9A-F]{4})")  # a character in the name of a folder
SUBAGENT = "subagent"


class Attempt(ReaderState):
    """An attempt of a request in version 0 of the format, which has no message yet."""

    turn: int = 0
    step: int = 0
    time: float = 0.0  # of its last chunk, in unix milliseconds
    usage: Usage | None = None
    ended: bool = False


class LogState(ReaderState):
    """The reader state of one log."""

    latest: float = 0.0  # in unix seconds
    is_subagent: bool = False
    copying: bool = False  # whether the next events are copies
    seed_length: int = 0
    model: str = ""
    attempt: Attempt | None = None
    settled: float = 0.0  # time of the latest message or ended attempt, in unix milliseconds
    calls: OpenCalls = field(default_factory=OpenCalls)


class LogParser(TranscriptParser[Line, LogState]):
    """The parser of one log."""

    record = Line
    state_type = LogState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: LogState) -> None:
        super().__init__(batch, state)
        name = Path(self.path).parent.name
        self.session_id = ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)
        self.session = batch.session(
            "", subagent=state.is_subagent, last_active=state.latest or None
        )
        self.decode = decoder(Data, batch.errors)

    def feed(self, record: Line, offset: int) -> None:
        """Process one line; `offset` is the byte offset after it."""
        # A log without a complete line is no session yet: its first line describes the session.
        self.session.session_id = self.session_id
        if not record.ignorable:
            self.batch.unknown.observe(record.kind)
        if record.type == SESSION:
            self._begin(record, offset)
        elif record.type in HANDLED:
            data = self.decode(memoryview(record.data), offset) or Data()
            time = seconds_of(record.time)
            self.time = time or self.state.latest
            self.copied = self.state.copying or (record.seq or 0) < self.state.seed_length
            if record.type == SEED_END and data.inherited:
                self.state.copying = False
            if time and not self.copied:
                self.state.latest = max(self.state.latest, time)
                self.session.observe_time(time)
            self._handle(record, data, f"{record.time or offset:.0f}")

    def _begin(self, header: Line, offset: int) -> None:
        """Process the first line of the log."""
        self.state.copying = bool(header.is_seeded)
        self.state.seed_length = header.seed_length or 0
        if header.origin == SUBAGENT:
            self.state.is_subagent = self.session.subagent = True
            self.session.parent_session_id = header.parent_session or ""
        if created := seconds_of(header.created_at):
            self.session.observe_time(created)
        if not self.session.work_in(header.cwd):
            self.batch.error("schema", offset)

    def _handle(self, line: Line, data: Data, key: str) -> None:
        source = data.source or Source()
        match line.type:
            case "request/header" if data.header and data.header.config:
                config = data.header.config
                self.session.model_effort = config.reasoning_effort or self.session.model_effort
                self._use_model(config.model or "")
            case "request/context" if not self.copied:
                window = self.session.context_window_tokens
                self.session.context_window_tokens = data.context_window or window
            case "session/title":
                rank = TITLE_RANKS.get(source.kind, CHOSEN_RANK)
                self.session.set_title(data.title or "", rank)
            case "user/message" if source.kind == "user" and not self.state.is_subagent:
                self.add_event(f"prompt:{key}", turns=1)
            case "tool/call" | "tool/result":
                self._handle_call(line, data, key)
            case "turn/start" | "turn/end":
                self._limit_turn(line.type, data)
            case _:
                self._handle_usage(line, data, key)

    def _use_model(self, model: str) -> None:
        if model:
            self.state.model = self.session.model = model
            self.name_model(self.session.session_id, model)

    def _handle_usage(self, line: Line, data: Data, key: str) -> None:
        """Process a line that can have, or complete, the usage of a request."""
        place = f"{key}:{data.turn}.{data.step}"
        maker = (data.message or Message()).source or Maker()
        if line.type == CHUNK:
            self._note_chunk(line, data)
        elif line.type == MESSAGE:
            self.state.attempt = None
            self.state.settled = max(self.state.settled, line.time or 0.0)
            self._use_model(maker.model or "")
            tokens = self._add_usage(data.usage, f"response:{place}", maker)
            if not self.copied:
                self.session.set_context_used(tokens.total)
        else:
            self._end_attempt()
            if line.type == ATTEMPT:
                self._add_usage(data.streamed_usage, f"attempt:{place}", maker)
            elif line.type in SUMMARIES:
                self.add_event(f"compaction:{key}", compactions=1)
                maker = Maker(data.provider, data.model)
                self._add_usage(data.usage, f"summary:{key}", maker)

    def _note_chunk(self, line: Line, data: Data) -> None:
        """Store the usage of a response in version 0 of the format.

        It is used if no message follows, because the attempt failed or was cancelled.
        """
        turn, step, chunk, time = data.turn or 0, data.step or 0, data.chunk, line.time or 0.0
        attempt = self.state.attempt
        if time <= self.state.settled or (attempt and attempt.ended and time <= attempt.time):
            return  # the line is repeated
        if attempt is None or attempt.ended or (attempt.turn, attempt.step) != (turn, step):
            self._end_attempt()
            attempt = self.state.attempt = Attempt(turn=turn, step=step)
        attempt.time = max(time, attempt.time)
        if chunk is not None:
            attempt.usage = chunk.usage or attempt.usage
            attempt.ended = chunk.type == "finish"

    def _end_attempt(self) -> None:
        attempt, self.state.attempt = self.state.attempt, None
        if attempt is not None:
            self.state.settled = max(self.state.settled, attempt.time)
            place = f"{attempt.time:.0f}:{attempt.turn}.{attempt.step}"
            self._add_usage(attempt.usage, f"attempt:{place}", Maker())

    def _add_usage(self, usage: Usage | None, key: str, maker: Maker) -> TokenCounts:
        """Add the usage of a request, and return its token counts."""
        tokens = usage.tokens if usage else TokenCounts()
        if tokens.total:
            figures = f"{tokens.input}:{tokens.cache_read}:{tokens.cache_write_5m}:{tokens.output}"
            self.add_response(
                UsageEvent(
                    key=f"{key}:{figures}",
                    session_id=self.session.session_id,
                    time=self.time,
                    copied=self.copied,
                    model=maker.model or self.state.model,
                    provider=maker.provider or "",
                    tokens=tokens,
                    requests=1,
                )
            )
        return tokens

    def _handle_call(self, line: Line, data: Data, key: str) -> None:
        """Add a tool call, or the failure of one."""
        calls, result = self.state.calls, data.message or Message()
        if line.type == "tool/call" and data.call_id:
            tools = ((data.call_id, tool_label(data.name or "")),)
            calls.begin(tools)
            self.add_event(f"call:{data.call_id}:{key}", tools=tools)
        elif call := result.tool_call_id:
            if result.is_error or data.error is not None:
                failed = ((call, calls.names.get(call, tool_label(""))),)
                self.add_event(f"failure:{call}:{key}", tool_errors=failed)
            calls.end(call)
        self._set_signal(Signal("running", "", line.type))

    def _limit_turn(self, kind: str, data: Data) -> None:
        """Process the start or the end of a turn."""
        self._end_attempt()
        self.state.calls.clear()
        if kind == "turn/start":
            self._set_signal(Signal("running", "", kind))
            return
        failed = isinstance(data.reason, Reason) and data.reason.kind == "error"
        self._set_signal(Signal("error", "error", kind) if failed else Signal("idle", "", kind))

    def _set_signal(self, signal: Signal) -> None:
        if not self.copied:
            self.session.signal = signal.with_tool(self.state.calls.tool)


def read(path: str, cursor: Cursor) -> Batch:
    """Read the lines after `cursor` in one log. Raises OSError."""
    return read_jsonl(NAME, LogParser, path, cursor)
