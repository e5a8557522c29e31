"""Reads the database in which Antigravity stores a conversation with all token counts.

Older versions store conversations in encrypted files; see `encrypted`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from agtop_exporter.agents import tool_label
from agtop_exporter.agents.antigravity import description, messages, protobuf, steps
from agtop_exporter.agents.antigravity.messages import CHAT_MODEL, Response, Step
from agtop_exporter.agents.antigravity.protobuf import Fields
from agtop_exporter.agents.antigravity.state import NAME
from agtop_exporter.agents.antigravity.steps import StepRow
from agtop_exporter.model import (
    NO_TOKENS,
    Batch,
    Cursor,
    SessionUpdate,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.rows import TableRow, Watermark
from agtop_exporter.reading.sqlite import DatabaseParser, read_sqlite
from agtop_exporter.reading.state import ReaderState

RESPONSES, STEPS = "gen_metadata", "steps"
IDENTITY, METADATA = "trajectory_meta", "trajectory_metadata_blob"
REOPENED = 8  # number of last rows that are read again because they can still change
MODELS_MAX = 64
NO_STEP = -1

Row = TypeVar("Row", bound=TableRow)


class ResponseRow(TableRow):
    """A row of the table `gen_metadata`: the encoded metadata of one response."""

    idx: int = 0
    data: object = None


class IdentityRow(TableRow):
    """A row of the table `trajectory_meta`: the id of the conversation."""

    cascade_id: str = ""


class MetadataRow(TableRow):
    """A row of `trajectory_metadata_blob`: the encoded metadata of the conversation."""

    data: object = None


class ConversationState(ReaderState):
    """The reader state of a conversation database.

    It contains the positions in the tables, the indices of rows that can still change, and the
    model names that are known so far.
    """

    responses: Watermark = Watermark()
    steps: Watermark = Watermark()
    open_responses: list[int] = msgspec.field(default_factory=list)
    open_steps: list[int] = msgspec.field(default_factory=list)
    last_step: int = NO_STEP  # largest index of a step that a response refers to
    model: str = ""
    models: dict[int, str] = msgspec.field(default_factory=dict)  # names by model number
    latest: float = 0.0  # time of the latest response, in unix seconds
    failed: list[str] = msgspec.field(default_factory=list)  # rows whose error has been counted


class ConversationParser(DatabaseParser[ConversationState]):
    """The parser of one conversation database.

    A response without a chat model is counted as a record of an unknown type.
    """

    state_type = ConversationState

    def __init__(self, batch: BatchBuilder, state: ConversationState) -> None:
        super().__init__(batch, state)
        self.created = 0.0  # start of the conversation in unix seconds, 0 if unknown

    def read(self, database: Database) -> None:
        """Read the session's metadata, the last known rows again, and the new rows."""
        state, session = self.state, self._session(database)
        read_steps = []
        if not database.is_empty(METADATA):  # these steps show whether the user typed the prompts
            read_steps = [(row, self._step(row)) for row in self._step_rows(database)]
        for step_row, step in read_steps:
            self._add_step(step_row, step, session)
        for response_row in self._response_rows(database):
            self._add_response(response_row, session, database)
        for step_row, step in read_steps:
            self._add_unclaimed(step_row, step, session)
        last = database.find(STEPS, StepRow, where="1 ORDER BY idx DESC", values=(), limit=1)
        session.signal = next(map(self._signal, last), session.signal)
        if not (state.responses.anchors or state.steps.anchors):  # an empty database is no session
            self.batch.sessions.clear()

    def _session(self, database: Database) -> SessionUpdate:
        """Return a SessionUpdate with the id, folder, branch, start and parent of the session."""
        session_id = Path(self.path).stem
        for identity in database.find(IDENTITY, IdentityRow, where="1", values=(), limit=1):
            session_id = identity.cascade_id or session_id
        session = self.batch.session(session_id)
        session.work_in(description.folder(self.path))
        for row in database.find(METADATA, MetadataRow, where="1", values=(), limit=1):
            place = messages.workspace(self._fields(row.data, f"{METADATA}:0"))
            _observe_time(session, place.created)
            self.created = place.created
            session.work_in(place.folder)
            session.git_branch = place.branch
            if place.parent and place.parent != session_id:
                session.parent_session_id, session.subagent = place.parent, True
        return session

    def _fields(self, data: object, place: str) -> Fields:
        """Decode the protobuf message in `data`; return {} if it is missing or damaged.

        `place` is "<table>:<row index>". A damaged message is counted as an error.
        """
        if not isinstance(data, bytes):
            return {}
        try:
            return protobuf.fields(data)
        except ValueError:
            self._add_error(place)
            return {}

    def _add_error(self, place: str) -> None:
        """Count an unusable row as a schema error, once even if the row is read several times.

        `place` is "<table>:<row index>".
        """
        failed = self.state.failed
        if place not in failed:
            self.batch.error("schema", int(place.partition(":")[2]))
            self.state.failed = [*failed, place][-2 * REOPENED :]

    def _step(self, row: StepRow) -> Step:
        return messages.step(self._fields(row.metadata, f"{STEPS}:{row.idx}"))

    def _signal(self, last: StepRow) -> Signal:
        """Return the activity of a session, with the tool of its last step if the tool runs."""
        tool = self._step(last).tool if last.status != steps.DONE else None
        return steps.signal(last).with_tool(tool_label(tool[1]) if tool else "")

    # --- rows -------------------------------------------------------------------------------

    def _step_rows(self, database: Database) -> Iterator[StepRow]:
        state = self.state
        yield from _reopened(database, STEPS, StepRow, state.open_steps)
        last = None
        for rowid, row in database.after(STEPS, state.steps, StepRow, key="idx"):
            last = (rowid, str(row.idx))
            state.open_steps = [*state.open_steps, row.idx][-REOPENED:]
            yield row
        if last is not None:
            state.steps = state.steps.moved_to(*last)

    def _response_rows(self, database: Database) -> Iterator[ResponseRow]:
        state = self.state
        yield from _reopened(database, RESPONSES, ResponseRow, state.open_responses)
        last = None
        for rowid, row in database.after(RESPONSES, state.responses, ResponseRow, key="idx"):
            last = (rowid, str(row.idx))
            state.open_responses = [*state.open_responses, row.idx][-REOPENED:]
            yield row
        if last is not None:
            state.responses = state.responses.moved_to(*last)

    # --- usage ------------------------------------------------------------------------------

    def _add_response(self, row: ResponseRow, session: SessionUpdate, database: Database) -> None:
        state = self.state
        place = f"{RESPONSES}:{row.idx}"
        fields = self._fields(row.data, place)
        if not fields:
            return
        if CHAT_MODEL not in fields:
            self.batch.unknown.observe(f"field.{min(fields)}")
        response = messages.response(fields)
        state.model = self._model(response)
        state.last_step = max(state.last_step, *response.steps, NO_STEP)
        if response.tokens is None:
            self._add_error(place)
            return
        if not response.tokens.total:  # the request was cancelled before its response
            return
        session.model = state.model
        session.model_effort = response.effort or session.model_effort
        session.context_window_tokens = (
            response.context_window_tokens or session.context_window_tokens
        )
        time = response.time or self._time_of_steps(response, database)
        state.latest = max(state.latest, time, self.created)
        key = response.response_id or str(row.idx)
        self._add_usage(session, key, time or state.latest, response.tokens, model=state.model)

    def _model(self, response: Response) -> str:
        """Return the name of the model of a response.

        Some responses contain only the number of the model. The result is then the name in an
        earlier response with the same number. If there is no such response, the result is the label
        of the model, or else the model of the previous response.
        """
        models, number = self.state.models, response.number
        if response.model:
            if number and len(models) < MODELS_MAX:
                models[number] = response.model
            return response.model
        return models.get(number) or response.label or self.state.model

    def _time_of_steps(self, response: Response, database: Database) -> float:
        """Return the creation time of the response's first step in unix seconds; 0 if unknown."""
        first = response.steps[:1]
        for row in database.find(STEPS, StepRow, where="idx = ?", values=first or (NO_STEP,)):
            return self._step(row).time
        return 0.0

    def _add_usage(
        self, session: SessionUpdate, key: str, time: float, tokens: TokenCounts, *, model: str
    ) -> None:
        _observe_time(session, time)
        session.set_context_used(tokens.total)
        session_id = session.session_id
        if model:
            self.name_model(session_id, model)
        own_key, shared_key = f"{session_id}:{key}", messages.shared_key(key)
        event = UsageEvent(
            shared_key or own_key,
            session_id,
            time,
            model=model,
            tokens=tokens,
            requests=1,
            copied=self._is_copied(time),
            other_keys=(own_key,) if shared_key else (),
        )
        self.add_response(event)

    def _is_copied(self, time: float) -> bool:
        """Return whether a response or step is older than the conversation, so a copy in a fork."""
        return 0 < time < self.created

    def _add_unclaimed(self, row: StepRow, step: Step, session: SessionUpdate) -> None:
        """Add the usage in a step if the row of the step's response is not in the database yet.

        The usage is added under the id of the response, so the response is not counted again when
        its row appears. Two conditions must hold: the index of the step is larger than all step
        indexes in the known responses, and the name of the model is known.
        """
        state, tokens = self.state, step.tokens or NO_TOKENS
        model = state.models.get(step.number)
        is_later = state.last_step != NO_STEP and row.idx > state.last_step
        if model and step.response_id and tokens.total and is_later:
            time = step.time or self.created
            self._add_usage(session, step.response_id, time, tokens, model=model)

    # --- turns and tools --------------------------------------------------------------------

    def _add_step(self, row: StepRow, step: Step, session: SessionUpdate) -> None:
        _observe_time(session, step.time)
        key = f"{session.session_id}:step:{row.idx}"
        calls = ((step.tool[0] or key, tool_label(step.tool[1])),) if step.tool else ()
        is_prompt = row.step_type == steps.USER_INPUT and not session.subagent
        is_checkpoint = row.step_type == steps.CHECKPOINT
        if not (calls or is_prompt or is_checkpoint):
            return
        shared_key = steps.shared_key(row, step.time)
        self.batch.event(
            shared_key or key,
            session_id=session.session_id,
            time=step.time or self.created,
            turns=int(is_prompt),
            compactions=int(is_checkpoint),
            tools=calls,
            tool_errors=calls if row.status == steps.ERROR else (),
            copied=self._is_copied(step.time),
            other_keys=(key,) if shared_key else (),
        )


def _observe_time(session: SessionUpdate, time: float) -> None:
    if time:
        session.observe_time(time)


def _reopened(database: Database, table: str, kind: type[Row], indices: list[int]) -> Iterator[Row]:
    marks = ",".join("?" * len(indices))
    yield from database.find(
        table, kind, where=f"idx IN ({marks}) ORDER BY idx", values=tuple(indices)
    )


def read(path: str, cursor: Cursor) -> Batch:
    """Read the database of a conversation after a cursor. Raises OSError."""
    return read_sqlite(NAME, ConversationParser, path, cursor)
