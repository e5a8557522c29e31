"""Base class of the handlers of rollout records."""

from datetime import datetime
from typing import Unpack
from uuid import UUID
from zlib import crc32

from agtop_exporter.agents.codex.records import Payload, RateLimits, Record
from agtop_exporter.agents.codex.state import RolloutState
from agtop_exporter.agents.codex.types import KNOWN_TYPES
from agtop_exporter.reading.batch import BatchBuilder, EventFields
from agtop_exporter.reading.parsers import BlockParser

ID_CHARACTERS = 36  # length of a thread's id


class Rollout(BlockParser[Record, RolloutState]):
    """One rollout, which is one thread, and its current record.

    `moment` is the time of the current record. `copied` is whether the record seems to be a copy of
    another thread's record, and `surely_copied` is whether this is certain.
    """

    record = Record
    state_type = RolloutState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: RolloutState) -> None:
        super().__init__(batch, state)
        self.offset = 0
        self.limits: RateLimits | None = None  # the latest rate limits, and their time
        self.limits_at: datetime | None = None
        self.plan_type = ""  # the account's plan, as last recorded
        self.session = batch.session(
            state.thread_id,
            parent_session_id=state.parent_id,
            last_active=state.last_active,
        )
        self.moment: datetime | None = None
        self.copied = False
        self.surely_copied = False
        if state.version == 0 and state.thread_id:  # state of an older version
            state.is_own = state.has_meta = True
        state.version = 1

    @property
    def time(self) -> float:
        """The time of the current record in unix seconds; 0 if it has none."""
        return self.moment.timestamp() if self.moment is not None else 0.0

    def repeats(self, *contents: str | None) -> bool:
        """Return whether a record of a turn, with these contents, has been used before."""
        mark = crc32(f"{self.time}:{contents}".encode())
        return self.state.seen.repeats(mark, self.time, 0)

    def thread_id(self, payload: Payload | None = None) -> str:
        """Return the thread's id.

        Before a record has shown it, the id is taken from the file name
        `rollout-<time>-<thread>.jsonl` or `rollout-<time>-<thread>_<rollout>.jsonl` (a later part
        of the thread). If the name has no id, that of `payload` is used.
        """
        if not self.session.session_id:
            stem = self.path.rpartition("/")[2].partition(".jsonl")[0]
            name = stem.partition("_")[0][-ID_CHARACTERS:]
            named = (payload.thread_id if payload is not None else None) or ""
            self.state.thread_id = named if named and not _is_id(name) else name
            self.session.session_id = self.state.thread_id
        return self.session.session_id

    def add_event(self, key: str, **fields: Unpack[EventFields]) -> None:
        """Add an event of the current record."""
        self.batch.event(
            key, session_id=self.thread_id(), time=self.time, copied=self.copied, **fields
        )


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True
