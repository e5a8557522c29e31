"""The JSON document that Claude Code writes to the standard input of a status line command.

The member `rate_limits` exists since version 2.1.80, for users with a Claude.ai subscription, after
the first response in a session. Sources: see tests/agents/claude/README.
"""

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from agtop_exporter.agents.claude.limits import MAX_PERCENT, NAME, WINDOWS
from agtop_exporter.model import RateLimit, StatusLine, is_sane

SOURCE = "statusline"
FOLDERS_ABOVE = 2  # <configuration directory>/projects/<folder>/<session>.jsonl


class _Window(msgspec.Struct):
    used_percentage: float | None = None
    resets_at: float | datetime | None = None


class _Model(msgspec.Struct):
    display_name: str | None = None
    id: str | None = None


class _Context(msgspec.Struct):
    used_percentage: float | None = None


class _Cost(msgspec.Struct):
    total_cost_usd: float | None = None


class _Document(msgspec.Struct):
    """The members of the document that are read. Prompts and titles are not in the document."""

    transcript_path: str
    model: _Model | None = None
    context_window: _Context | None = None
    cost: _Cost | None = None
    rate_limits: dict[str, msgspec.Raw] | None = None


def read_status_line(
    data: bytes, now: float, *, account: Callable[[Path], str]
) -> StatusLine | None:
    """Decode the document that Claude Code sends at `now` (unix seconds); None if malformed.

    `account` returns the account of a configuration directory. That directory is known from the
    path of the transcript.
    """
    try:
        document = msgspec.json.decode(data, type=_Document)
    except (msgspec.MsgspecError, RecursionError):
        return None
    folders = Path(document.transcript_path).parents
    named = account(folders[FOLDERS_ABOVE]) if len(folders) > FOLDERS_ABOVE else ""
    model, context, cost = document.model, document.context_window, document.cost
    percent = _number(context.used_percentage if context else None)
    return StatusLine(
        agent=NAME,
        account=named,
        rate_limits=tuple(_limits(document.rate_limits or {}, named, now)),
        model=(model.display_name or model.id) if model else None,
        context_used_ratio=None if percent is None else percent / 100,
        cost_usd=_number(cost.total_cost_usd if cost else None),
    )


def _limits(found: dict[str, msgspec.Raw], account: str, now: float) -> Iterator[RateLimit]:
    """Yield the rate limit of each known window with a valid percentage."""
    for member, (name, length) in WINDOWS.items():
        try:
            window = msgspec.json.decode(found.get(member, b"null"), type=_Window | None)
        except (msgspec.MsgspecError, RecursionError):
            continue
        percent = _number(window.used_percentage if window else None)
        if window is None or percent is None or percent > MAX_PERCENT:
            continue
        yield RateLimit(
            agent=NAME,
            window=name,
            used_ratio=percent / 100,
            observed_at=now,
            resets_at=_seconds(window.resets_at),
            window_seconds=length,
            source=SOURCE,
            account=account,
        )


def _number(value: float | None) -> float | None:
    """Return a number that is not negative; None for any other value."""
    return value if value is not None and 0 <= value < math.inf else None


def _seconds(time: float | datetime | None) -> float | None:
    """Return a time in unix seconds; None if it is missing, in milliseconds or has no time zone."""
    if isinstance(time, datetime):
        time = time.timestamp() if time.tzinfo else None
    return time if time is not None and is_sane(time) else None
