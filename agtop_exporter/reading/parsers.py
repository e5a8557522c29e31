"""Base classes of parsers. A parser holds the meaning of one format of one agent.

A parser is created for each read of a source. It receives the decoded records and adds what they
mean to its BatchBuilder. It changes `state`, which the next read of the same source gets back.
"""

from typing import Generic, TypeVar

import msgspec

from agtop_exporter.model import UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.state import ReaderState

Record = TypeVar("Record", bound=msgspec.Struct)
State = TypeVar("State", bound=ReaderState)

UNNAMED_MAX = 2000  # responses of one source that wait for their model


class Parser(Generic[State]):
    """What all parsers have: the type of their state, and the record types that they know."""

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
        """Use a model for the responses of a session so far that have none."""
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
        """Use one record; `offset` is the byte offset after it, 0 in a document."""
        raise NotImplementedError


class BlockParser(Parser[State], Generic[Record, State]):
    """A parser that receives the records of many lines at once.

    Decoding many lines with one call is faster, but only the offset after the last one is known.
    """

    record: type[Record]

    def feed(self, records: list[Record], offset: int) -> None:
        """Use consecutive records; `offset` is the byte offset after the last one."""
        raise NotImplementedError
