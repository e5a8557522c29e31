"""Base classes of parsers. A parser interprets the records of one format of one agent.

A new parser is created for each read of a source. It receives decoded records and adds events and
sessions to its BatchBuilder. Its `state` is stored and passed to the parser of the next read.
"""

from typing import Generic, TypeVar

import msgspec

from agtop_exporter.model import UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.state import ReaderState

Record = TypeVar("Record", bound=msgspec.Struct)
State = TypeVar("State", bound=ReaderState)

UNNAMED_MAX = 2000  # responses of one source that have no model yet


class Parser(Generic[State]):
    """Common part of all parsers: the type of the state, and the known record types."""

    state_type: type[State]
    known_types: frozenset[str] = frozenset()

    def __init__(self, batch: BatchBuilder, state: State) -> None:
        self.batch = batch
        self.path = batch.path
        self.state = state

    def add_response(self, event: UsageEvent) -> None:
        """Add a response. One without a model gets the next one that `name_model` is called with.

        It counts meanwhile: as soon as the model is known, the same event is added once more. An
        event that is added again, because its row was read again, waits once.
        """
        self.batch.events.append(event)
        unnamed = self.state.unnamed
        waits = not event.model and len(unnamed) < UNNAMED_MAX
        if waits and all(event.key != other.key for other in unnamed):
            unnamed.append(event)

    def name_model(self, session_id: str, model: str) -> None:
        """Set the model of all earlier responses of a session that have none."""
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
    """A parser that receives one record at a time."""

    record: type[Record]

    def feed(self, record: Record, offset: int) -> None:
        """Process one record; `offset` is the byte offset after it, 0 in a document."""
        raise NotImplementedError


class BlockParser(Parser[State], Generic[Record, State]):
    """A parser that receives the records of many lines at once.

    One call decodes many lines, which is faster. Only the offset after the last record is known.
    """

    record: type[Record]

    def feed(self, records: list[Record], offset: int) -> None:
        """Process consecutive records; `offset` is the byte offset after the last one."""
        raise NotImplementedError
