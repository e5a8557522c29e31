"""Reads the event log of OpenCode 2 for requests that no message shows.

These requests are:

* requests for a title, which have no message;
* compactions of the first versions, whose messages have no token counts;
* all attempts of a step except the last attempt, which is in the message.

Source: https://github.com/anomalyco/opencode, `packages/core/src/session/projector.ts`.
"""

from collections.abc import Sequence

import msgspec

from agtop_exporter.agents.opencode.events import Context, without_version
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
    """The data of a log entry that has the usage of a request."""

    session_id: str = ""
    message_id: str = ""
    source: str = ""  # "title" or "compaction" if it is not a step
    tokens: Tokens | None = None
    cost: float | None = None


class UsageLog:
    """Adds the requests in the event log to a batch.

    If a request is in the log and in a message, its two events have the same key.
    """

    def __init__(self, queries: Queries, batch: BatchBuilder) -> None:
        self._queries = queries
        self._batch = batch
        self._decode = decoder(Entry, batch.errors)
        self._attempts: dict[str, Request] = {}

    def add(self, row: LogRow, *, is_first_read: bool) -> bool:
        """Add the request of a log entry; return False if the entry must be read again later.

        An entry is read again later if its session or message is not in the database. This includes
        messages that were reverted. In the first read of the log, a step is added only if it has
        several attempts. The token counts of all other steps were read from their messages.
        """
        entry = self._decode(row.data, 0)
        if entry is None or entry.tokens is None:
            return True
        context = self._queries.context(entry.session_id)
        if context is None:
            return False
        context = without_version(context)
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
        """Add a request for a title or a compaction; return False if its compaction is missing.

        The log does not record the model of these requests. The event has the model that the
        session used at that time.
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
        """Add attempts of a step; return False if the message of the step is not in the database.

        The event keys are the keys that the message would have for the same requests.
        """
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
