"""OpenCode 2's log of events: requests that no message shows.

The log has the usage of title requests, which have no message, of compactions, whose messages have
no figures in the first versions, and of each attempt of a step, of which the message shows the
last one (https://github.com/anomalyco/opencode, `packages/core/src/session/projector.ts`).
"""

from collections.abc import Sequence

import msgspec

from agtop_exporter.agents.opencode.events import Context, in_version_two
from agtop_exporter.agents.opencode.queries import V2_MESSAGES, Queries
from agtop_exporter.agents.opencode.records import NAMES, Tokens
from agtop_exporter.agents.opencode.rows import LogRow
from agtop_exporter.agents.opencode.usage import (
    Request,
    compaction_usage,
    side_event,
    usage_events,
)
from agtop_exporter.model import UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import decoder

TABLE = "event"
COLUMNS = frozenset({"id", "seq", "type", "data"})
RECORDED, ENDED, FAILED = "session.usage.recorded", "session.step.ended", "session.step.failed"
BILLED = f"(type GLOB '{RECORDED}*' OR type GLOB '{ENDED}*' OR type GLOB '{FAILED}*')"
COMPACTION = "compaction"  # source of a request; the other one is "title"
ATTEMPTS = 1024  # steps of which a further attempt is noticed in the first read


class Entry(
    msgspec.Struct,
    gc=False,
    rename=NAMES | {"session_id": "sessionID", "message_id": "assistantMessageID"},
):
    """The data of a log entry that has the usage of a request."""

    session_id: str = ""
    message_id: str = ""
    source: str = ""  # title or compaction, if it is no step
    tokens: Tokens | None = None
    cost: float | None = None


class UsageLog:
    """Adds the requests of the log to a batch; those of messages have the same keys there."""

    def __init__(self, queries: Queries, batch: BatchBuilder) -> None:
        self._queries = queries
        self._batch = batch
        self._decode = decoder(Entry, batch.errors)
        self._attempts: dict[str, Request] = {}

    def add(self, row: LogRow, *, is_first_read: bool) -> bool:
        """Add the request of an entry; return false if the entry waits.

        It waits while its session or message is not in the database, which is also the case after
        a message was reverted. In the first read, only steps with several attempts are looked up:
        all others have the figures that their messages had when they were read before.
        """
        entry = self._decode(row.data, 0)
        if entry is None or entry.tokens is None:
            return True
        context = self._queries.context(entry.session_id)
        if context is None:
            return False
        context = in_version_two(context)
        request = Request(entry.tokens, entry.cost)
        if row.type.startswith(RECORDED):
            return self._add_side_request(row, entry, context, request)
        attempts = [request]
        if is_first_read and not row.type.startswith(FAILED):
            earlier = self._attempts.pop(entry.message_id, None)
            self._remember(entry.message_id, request)
            if earlier is None:
                return True
            attempts = [earlier, request]
        return self._add_attempts(entry.message_id, context, attempts)

    def _add_side_request(
        self, row: LogRow, entry: Entry, context: Context, request: Request
    ) -> bool:
        """Add a request for a title or a summary. Its model is not recorded: use the session's."""
        session_id, number = context.session_id, row.seq or 0
        if entry.source != COMPACTION:
            model = self._queries.model_at(session_id, number)
            self._append(side_event(context, row.id, model, request))
            return True
        found = self._queries.compaction_at(session_id, number, request.tokens.vector)
        if found is None:
            return False
        place, message = found
        model = self._queries.model_at(session_id, place.seq)
        self._append(compaction_usage(message, context, place.id, model, request))
        return True

    def _remember(self, message_id: str, request: Request) -> None:
        self._attempts[message_id] = request
        if len(self._attempts) > ATTEMPTS:
            del self._attempts[next(iter(self._attempts))]

    def _add_attempts(self, message_id: str, context: Context, attempts: Sequence[Request]) -> bool:
        """Add attempts of a step, under the keys of its message."""
        found = self._queries.message_of(V2_MESSAGES, message_id)
        if found is None:
            return False
        for attempt in attempts:
            for event in usage_events(found[1], context, found[0].id, [attempt]):
                self._append(event)
        return True

    def _append(self, event: UsageEvent) -> None:
        self._batch.session(event.session_id)
        self._batch.events.append(event)
