"""Rate limits that Codex records in `token_count` records."""

from agtop_exporter.agents.codex.records import RateLimits, Window
from agtop_exporter.model import RateLimit

OWN_LIMITS = (None, "codex")  # limit ids of the account; other ids are limits of single models
# names of windows by length in minutes
WINDOW_NAMES = {300: "5h", 1440: "daily", 10080: "weekly", 43200: "monthly"}


def rate_limits(agent: str, limits: RateLimits, observed_at: float) -> tuple[RateLimit, ...]:
    """Return the rate limits of the windows whose used share is recorded.

    `agent` is the name of the agent. `observed_at` is the time of the record in unix seconds.
    """
    return tuple(
        rate_limit(agent, window, observed_at)
        for window in (limits.primary, limits.secondary)
        if window is not None and window.used_percent is not None
    )


def rate_limit(agent: str, window: Window, observed_at: float) -> RateLimit:
    """Convert a recorded window to a rate limit.

    `agent` is the name of the agent. `observed_at` is the time of the record in unix seconds.
    """
    resets_at = window.resets_at
    if resets_at is None and window.resets_in_seconds is not None:
        resets_at = observed_at + window.resets_in_seconds
    return RateLimit(
        agent=agent,
        window=window_name(window.window_minutes),
        used_ratio=(window.used_percent or 0) / 100,
        observed_at=observed_at,
        resets_at=resets_at,
        window_seconds=window.window_minutes * 60 if window.window_minutes else None,
        source="rollout",
    )


def window_name(minutes: int | None) -> str:
    """Return the name of a rate-limit window from its length in minutes.

    The position of the window in the record varies, so the position does not identify the window.
    """
    if not minutes:
        return "other"
    return WINDOW_NAMES.get(minutes) or (
        f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
    )
