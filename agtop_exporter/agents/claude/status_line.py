"""The JSON document that Claude Code writes to the standard input of a status line command.

The member `rate_limits` exists since version 2.1.80, for users with a Claude.ai subscription, after
the first response in a session. Sources: see tests/agents/claude/README.
"""

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from agtop_exporter.agents.claude.limits import MAX_PERCENT, WINDOWS
from agtop_exporter.model import RateLimit, StatusLine, is_sane

SOURCE = "statusline"
FOLDERS_ABOVE = 2  # <configuration directory>/projects/<folder>/<session>.jsonl
CLOCK_SECONDS = 3600.0  # a reset is at most this much later than the end of a new window
NOTHING = msgspec.Raw(b"null")

T = TypeVar("T")


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
    """The members of the document that are read. A member of another type counts as missing."""

    transcript_path: str
    model: msgspec.Raw = NOTHING
    context_window: msgspec.Raw = NOTHING
    cost: msgspec.Raw = NOTHING
    rate_limits: msgspec.Raw = NOTHING


def read_status_line(
    data: bytes, now: float, *, agent: str, account: Callable[[Path], str]
) -> StatusLine | None:
    """Decode the document that Claude Code sends at `now` (unix seconds); None if malformed.

    `agent` is the name of the agent. `account` returns the account of a configuration directory.
    That directory is known from the path of the transcript.
    """
    document = _decoded(data, _Document)
    if document is None:
        return None
    folders = Path(document.transcript_path).parents
    named = account(folders[FOLDERS_ABOVE]) if len(folders) > FOLDERS_ABOVE else ""
    model = _decoded(document.model, _Model) or _Model()
    context = _decoded(document.context_window, _Context) or _Context()
    cost = _decoded(document.cost, _Cost) or _Cost()
    percent = _number(context.used_percentage)
    return StatusLine(
        agent=agent,
        account=named,
        rate_limits=tuple(_limits(document.rate_limits, agent, named, now)),
        model=model.display_name or model.id,
        context_used_ratio=None if percent is None else percent / 100,
        cost_usd=_number(cost.total_cost_usd),
    )


def _decoded(data: bytes | msgspec.Raw, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _limits(found: msgspec.Raw, agent: str, account: str, now: float) -> Iterator[RateLimit]:
    """Yield the rate limit of each known window with a valid percentage that has not ended.

    An idle session repeats the limits of its last response, whose windows may have ended.
    """
    members = _decoded(found, dict[str, msgspec.Raw]) or {}
    for member, (name, length) in WINDOWS.items():
        window = _decoded(members.get(member, NOTHING), _Window) or _Window()
        percent = _number(window.used_percentage)
        if percent is None or percent > MAX_PERCENT:
            continue
        resets_at = _seconds(window.resets_at)
        if resets_at is not None and resets_at > now + length + CLOCK_SECONDS:
            resets_at = None
        limit = RateLimit(
            agent=agent,
            window=name,
            used_ratio=percent / 100,
            observed_at=now,
            resets_at=resets_at,
            window_seconds=length,
            source=SOURCE,
            account=account,
        )
        if not limit.is_over(now):
            yield limit


def _number(value: float | None) -> float | None:
    """Return a number that is not negative; None for any other value."""
    return value if value is not None and 0 <= value < math.inf else None


def _seconds(time: float | datetime | None) -> float | None:
    """Return a time in unix seconds; None if it is missing, in milliseconds or has no time zone."""
    if isinstance(time, datetime):
        time = time.timestamp() if time.tzinfo else None
    return time if time is not None and is_sane(time) else None
