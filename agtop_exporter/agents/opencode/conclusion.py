"""Derives a session's activity signal and reasoning effort from its messages in a database."""

from collections.abc import Sequence

from agtop_exporter.agents.opencode.events import Context, signal_of
from agtop_exporter.agents.opencode.queries import Queries
from agtop_exporter.model import SessionUpdate
from agtop_exporter.reading.decoding import seconds_of

FIRST_MESSAGES = 20  # number of first messages; one of them is the prompt with the effort


def conclude(
    session: SessionUpdate, context: Context, queries: Queries, tables: Sequence[str]
) -> None:
    """Set the activity signal and the reasoning effort of a session.

    The signal follows from the newest message. The effort follows from one of the first messages.
    `tables` names the message tables that are not empty.
    """
    newest = [
        (message, row)
        for table in tables
        for row, message in queries.ordered(table, session.session_id, "DESC", limit=1)
    ]
    if newest:
        message, row = max(newest, key=lambda pair: pair[0].created)
        parts = message.content if message.content is not None else queries.parts(row.id)
        session.signal = signal_of(message, parts)
        completed = seconds_of(message.time.completed if message.time else None) or 0.0
        time = max(message.created, completed)
        if time >= context.created and time:
            session.observe_time(time)
    for table in tables:
        first = queries.ordered(
            table, session.session_id, "ASC", limit=FIRST_MESSAGES, containing='"variant"'
        )
        for _, message in first:
            if message.role == "user" and message.effort:
                session.model_effort = message.effort
                return
