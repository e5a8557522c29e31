"""Adds rate limits to those that the ledger stores, and deletes old and wrong ones."""

from agtop_exporter.model import RateLimit

LONGEST_WINDOW_SECONDS = 7 * 86_400.0  # the longest rate-limit window
WINDOWS_MAX = 8  # rate-limit windows of one account
ACCOUNTS_MAX = 16  # accounts of one agent whose rate limits are stored

Key = tuple[str, str, str]  # agent, account, window


def add(limits: dict[Key, RateLimit], limit: RateLimit) -> bool:
    """Store a record of a rate-limit window in `limits`, unless a later record is stored.

    If an account has more than WINDOWS_MAX windows, delete the window with the oldest record. If an
    agent has more than ACCOUNTS_MAX accounts, delete the account with the oldest record. Return
    whether `limits` was changed.
    """
    agent, account = limit.agent, limit.account
    known = limits.get((agent, account, limit.window))
    if known is not None and limit.observed_at < known.observed_at:
        return False
    limits[agent, account, limit.window] = limit
    windows = [key for key in limits if key[:2] == (agent, account)]
    if len(windows) > WINDOWS_MAX:
        del limits[min(windows, key=lambda key: limits[key].observed_at)]
    latest: dict[str, float] = {}
    for (owner, name, _), each in limits.items():
        if owner == agent:
            latest[name] = max(each.observed_at, latest.get(name, each.observed_at))
    if len(latest) > ACCOUNTS_MAX:
        oldest = min(latest, key=lambda name: latest[name])
        for key in [key for key in limits if key[:2] == (agent, oldest)]:
            del limits[key]
    return True


def forget_future(limits: dict[Key, RateLimit], now: float) -> bool:
    """Delete rate limits that were recorded more than LONGEST_WINDOW_SECONDS after `now`.

    `now` is in unix seconds. Return whether any rate limit was deleted.
    """
    wrong = [k for k, each in limits.items() if each.observed_at > now + LONGEST_WINDOW_SECONDS]
    for key in wrong:
        del limits[key]
    return bool(wrong)
