"""Reads the event log of OpenCode 2 for requests that no message shows.

These are title requests, which have no message; compactions, whose messages have no figures in the
first versions; and all attempts of a step but the last one, which is in the message
(https://github.com/anomalyco/opencode, `packages/core/src/session/projector.ts`).
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
COMPACTION = "compaction"  # `source` of a request; the other value is "title"
ATTEMPTS = 1024  # number of steps in which a second attempt is detected in the first read


class Entry(
    msgspec.Struct,
    gc=False,
    rename=NAMES | {"session_id": "sessionID", "message_id": "assistantMessageID"},
):
    """The data of a log entry with the usage of a request."""

    session_id: str = ""
    message_id: str = ""
    source: str = ""  # "title" or "compaction" if it is not a step
    tokens: Tokens | None = None
    cost: float | None = None


class UsageLog:
    """Adds requests of the log to a batch, under the same event keys as requests of messages."""

    def __init__(self, queries: Queries, batch: BatchBuilder) -> None:
        self._queries = queries
        self._batch = batch
        self._decode = decoder(Entry, batch.errors)
        self._attempts: dict[str, Request] = {}

    def add(self, row: LogRow, *, is_first_read: bool) -> bool:
        """Add the request of an entry; return False if the entry must wait.

        An entry waits while its session or message is not in the database. The message is also
        missing after it was reverted. In the first read, only steps with several attempts are
        added, because the figures of all others were read from their messages.
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
        """Add a request for a title or a summary, with the model of the session.

        The log does not record the model of these requests.
        """
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
        """Add attempts of a step, under the event keys of its message."""
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
