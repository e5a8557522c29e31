"""Defines the rows of the session store, and converts their values. Only `has_rows` does I/O."""

from agtop_exporter.agents.copilot.records import NanoCredits
from agtop_exporter.model import Cursor, TokenCounts
from agtop_exporter.reading.databases import Database
from agtop_exporter.reading.decoding import Count, Errors
from agtop_exporter.reading.files import NotAFileError
from agtop_exporter.reading.rows import TableRow

STORE = "session-store.db"
AUTO = "auto"  # the tool selects the model
TABLE, SESSIONS = "assistant_usage_events", "sessions"


class UsageRow(TableRow):
    """A row of `assistant_usage_events`, which is one request to a model.

    Input tokens include cached input tokens. Output tokens include reasoning tokens.
    """

    id: int = 0
    session_id: str = ""
    agent_id: str = ""
    model: str = ""
    copilot_usage_model: str = ""
    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = 0
    reasoning_tokens: Count = 0
    total_nano_aiu: NanoCredits = 0
    initiator: str = ""
    reasoning_effort: str = ""
    created_at: str = ""


class SessionRow(TableRow):
    """A row of `sessions`, which is one session."""

    id: str = ""
    cwd: str = ""
    branch: str = ""
    summary: str = ""
    created_at: str = ""


def model_of(row: UsageRow) -> str:
    """Return the model of the request in a row; "" if the model is unknown.

    If the row has the model "auto" or none, the model that the tool selected is returned.
    """
    selected = row.copilot_usage_model if row.model in ("", AUTO) else row.model
    return "" if selected == AUTO else selected


def token_counts(row: UsageRow) -> TokenCounts:
    """Convert the tokens in a row to token counts in which input excludes cached input.

    The cache lifetime of cache writes is not recorded. All cache writes count as 5-minute writes.
    """
    read, written = row.cache_read_tokens, row.cache_write_tokens
    return TokenCounts(
        input=max(0, row.input_tokens - read - written),
        cache_read=read,
        cache_write_5m=written,
        output=row.output_tokens,
        reasoning=min(row.reasoning_tokens, row.output_tokens),
    )


def has_rows(path: str, session_id: str) -> bool:
    """Return whether the session store at `path` has requests of a session.

    Returns False if the store does not exist. Raises OSError if the store cannot be read.
    """
    try:
        with Database(path, Cursor(), errors=Errors(path)) as database:
            where, values = "session_id = ?", (session_id,)
            rows = database.find(TABLE, UsageRow, where=where, values=values, limit=1)
            return next(rows, None) is not None
    except (FileNotFoundError, NotAFileError):
        return False
