"""Base class of the parser of Codex rollouts (transcripts)."""

import re
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
IN_NAME = re.compile(r"rollout-[0-9T-]{19}-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class Rollout(BlockParser[Record, RolloutState]):
    """Base class of the parser, with the data about a rollout and its current record.

    A rollout is the transcript of one thread. `moment` is the time of the current record. `copied`
    is true if the record seems to be a copy from another thread. `surely_copied` is true if the
    record is certainly a copy.
    """

    record = Record
    state_type = RolloutState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: RolloutState) -> None:
        super().__init__(batch, state)
        self.offset = 0
        self.limits: RateLimits | None = None  # the latest rate limits
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
        """The time of the current record in unix seconds; 0 if the record has no time."""
        return self.moment.timestamp() if self.moment is not None else 0.0

    def repeats(self, *contents: str | None) -> bool:
        """Return whether a record with the same time and contents has been processed before.

        `contents` are the values that identify the current record, besides its time. If the record
        is new, its time and contents are stored.
        """
        mark = crc32(f"{self.time}:{contents}".encode())
        return self.state.seen.repeats(mark, self.time, 0)

    def thread_id(self, payload: Payload | None = None) -> str:
        """Return the id of the thread.

        If no record has shown the id so far, the id is taken from the file name. The file name is
        `rollout-<time>-<thread>.jsonl`, or `rollout-<time>-<thread>_<rollout>.jsonl` for a later
        part of the thread. A program that synchronizes folders adds other text to the name of a
        copy. If the file name contains no id, the id is taken from `payload`.
        """
        if not self.session.session_id:
            stem = self.path.rpartition("/")[2].partition(".jsonl")[0]
            found = IN_NAME.match(stem)
            name = found[1] if found else stem.partition("_")[0][-ID_CHARACTERS:]
            named = (payload.thread_id if payload is not None else None) or ""
            self.state.thread_id = named if named and not _is_id(name) else name
            self.session.session_id = self.state.thread_id
        return self.session.session_id

    def use_model(self, model: str | None) -> None:
        """Set the model of later responses, and of earlier responses that have no model.

        Nothing changes if `model` is None.
        """
        if model and self.state.unnamed:
            self.name_model(self.thread_id(), model)
        self.state.model = model or self.state.model

    def add_event(self, key: str, **fields: Unpack[EventFields]) -> None:
        """Add a usage event with the session, the time and `copied` of the current record.

        `key` identifies the event.
        """
        self.batch.event(
            key, session_id=self.thread_id(), time=self.time, copied=self.copied, **fields
        )


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True
