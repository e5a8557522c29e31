"""Reads rate limits from the headers of failed responses. Does no I/O."""

from collections.abc import Iterator, Mapping

from agtop_exporter.agents.opencode.records import Message
from agtop_exporter.model import RateLimit

HEADER = "anthropic-ratelimit-unified-"
WINDOWS = {"5h": ("5h", 18_000.0), "7d": ("weekly", 604_800.0)}  # by part of the header's name
CLAIMS = {"five_hour": "5h", "seven_day": "weekly", "weekly": "weekly"}  # by prefix of the header
SOURCE = "response-headers"


def rate_limits(agent: str, message: Message) -> tuple[RateLimit, ...]:
    """Return the rate limits in the headers of a failed response.

    `agent` is the name of the agent. If a limit was exceeded, that limit is added as the last item,
    with the window `last_hit`.
    """
    data = message.error.data if message.error else None
    if data is None or not data.response_headers:
        return ()
    headers = {name.lower(): value for name, value in data.response_headers.items()}
    windows = tuple(_windows(agent, headers, message.created))
    return (*windows, *_hit(agent, headers, windows, message.created))


def _windows(agent: str, headers: Mapping[str, str], observed_at: float) -> Iterator[RateLimit]:
    for name, (window, length) in WINDOWS.items():
        used = number(headers.get(f"{HEADER}{name}-utilization"))
        resets_at = number(headers.get(f"{HEADER}{name}-reset"))
        if used is not None or resets_at is not None:
            yield RateLimit(
                agent=agent,
                window=window,
                used_ratio=used,
                observed_at=observed_at,
                resets_at=resets_at,
                window_seconds=length,
                source=SOURCE,
            )


def _hit(
    agent: str, headers: Mapping[str, str], windows: tuple[RateLimit, ...], observed_at: float
) -> Iterator[RateLimit]:
    """Yield the rate limit that was exceeded; yield nothing if no limit was exceeded.

    A response that failed for another reason can have the same headers.
    """
    rejected = headers.get(f"{HEADER}status") == "rejected"
    if not rejected and all((limit.used_ratio or 0) < 1 for limit in windows):
        return
    claim = headers.get(f"{HEADER}representative-claim", "")
    window = next((name for begin, name in CLAIMS.items() if claim.startswith(begin)), "")
    resets = {limit.window: limit.resets_at for limit in windows}
    yield RateLimit(
        agent=agent,
        window="last_hit",
        used_ratio=None,
        observed_at=observed_at,
        resets_at=resets.get(window),
        source=SOURCE,
        hint=window,
    )


def number(text: str | None) -> float | None:
    """Return the number in a header; None if the header is missing, invalid or out of range."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None  # noqa: PLR2004 - no time and no ratio is so large
