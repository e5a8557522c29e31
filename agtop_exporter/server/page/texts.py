"""Texts of names and times on the page."""

from datetime import UTC, datetime, tzinfo

from agtop_exporter.render.table.columns import MISSING

TEXT_MAX = 48  # characters of a name
WEEKDAY_DAYS = 6  # in more days, the name of a weekday is ambiguous


def short(text: str | None) -> str:
    """Return a name with at most TEXT_MAX characters; `-` if it is unknown."""
    if not text:
        return MISSING
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"


def clock(time: float, timezone: tzinfo | None) -> str:
    """Return the time of day of a time in unix seconds, such as `12:04:31`."""
    return f"{_local(time, timezone):%H:%M:%S}"


def moment(time: float, now: float, timezone: tzinfo | None) -> str:
    """Return the local time: `14:00` today, `Thu 14:00` within 6 days, else `2026-11-30`.

    The result is `-` if the time is impossible.
    """
    try:
        local = _local(time, timezone)
    except (OverflowError, ValueError, OSError):  # a record may contain any number
        return MISSING
    days = abs(local.date() - _local(now, timezone).date()).days
    if days > WEEKDAY_DAYS:
        return f"{local:%Y-%m-%d}"
    return f"{local:%a %H:%M}" if days else f"{local:%H:%M}"


def _local(time: float, timezone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(time, UTC).astimezone(timezone)
