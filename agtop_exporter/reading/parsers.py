"""Base classes of parsers. A parser interprets the records of one file format of one agent.

A new parser is created for each read of a source (a file or database). The parser receives decoded
records and adds events and sessions to its BatchBuilder. The `state` of the parser is stored, and
the parser of the next read receives it.
"""

from typing import Generic, TypeVar, Unpack

import msgspec

from agtop_exporter.model import SessionUpdate, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.state import ReaderState

Record = TypeVar("Record", bound=msgspec.Struct)
State = TypeVar("State", bound=ReaderState)

UNNAMED_MAX = 2000  # maximum number of stored responses without a model, per source


class Parser(Generic[State]):
    """Base class of all parsers.

    `state_type` is the type of the reader state. `known_types` are the names of the record types
    that the parser knows; records of other types are counted as unknown.
    """

    state_type: type[State]
    known_types: frozenset[str] = frozenset()

    def __init__(self, batch: BatchBuilder, state: State) -> None:
        self.batch = batch
        self.path = batch.path
        self.state = state

    def add_response(self, event: UsageEvent) -> None:
        """Add the event of a response. The event may lack the name of the model.

        An event without a model is added now, and stored in the reader state. When `name_model`
        gives the model of the session, the event is added again with the model and the same key.
        An event with the key of a stored event is not stored again.
        """
        self.batch.events.append(event)
        unnamed = self.state.unnamed
        waits = not event.model and len(unnamed) < UNNAMED_MAX
        if waits and all(event.key != other.key for other in unnamed):
            unnamed.append(event)

    def name_model(self, session_id: str, model: str) -> None:
        """Add the stored responses of a session again, now with the model.

        The stored responses are those that `add_response` added without a model.
        """
        if not self.state.unnamed:
            return
        mine = [event for event in self.state.unnamed if event.session_id == session_id]
        self.batch.events += [msgspec.structs.replace(event, model=model) for event in mine]
        self.state.unnamed = [
            event for event in self.state.unnamed if event.session_id != session_id
        ]

    def finish(self) -> None:
        """Complete the batch and the state after the last record of this read."""


class RecordParser(Parser[State], Generic[Record, State]):
    """Base class of parsers that receive one record at a time."""

    record: type[Record]

    def feed(self, record: Record, offset: int) -> None:
        """Process one record.

        `offset` is the byte offset after the record in its file; 0 if the file is one document.
        """
        raise NotImplementedError


class TranscriptParser(RecordParser[Record, State]):
    """Base class of record parsers of the transcript of one session.

    A subclass sets these attributes before it adds the events of a record: `session` is the
    session, `time` is the time of the record in unix seconds, and `copied` is true if the record
    was copied from the transcript of another session.
    """

    session: SessionUpdate
    time: float = 0.0
    copied: bool = False

    def add_event(self, key: str, **fields: Unpack[EventFields]) -> None:
        """Add an event of the session at the time of the record; see `BatchBuilder.event`."""
        session_id = self.session.session_id
        self.batch.event(key, session_id=session_id, time=self.time, copied=self.copied, **fields)


class BlockParser(Parser[State], Generic[Record, State]):
    """Base class of parsers that receive the records of many lines at once.

    This is faster, because one call decodes many lines. The parser knows only the byte offset after
    the last of the records.
    """

    record: type[Record]

    def feed(self, records: list[Record], offset: int) -> None:
        """Process consecutive records; `offset` is the byte offset after the last record."""
        raise NotImplementedError
