"""The plan of a Claude account, from the credential file of Claude Code.

Only the members of the file that have a field in this module are decoded. Tokens are not decoded.
"""

from pathlib import Path

import msgspec

from agtop_exporter.credentials import capitalized, decode_file

TIERS = {  # `rateLimitTier`
    "default_claude_pro": "Pro",
    "default_claude_max_5x": "Claude Max 5x",
    "default_claude_max_20x": "Claude Max 20x",
}


class _Account(msgspec.Struct, rename="camel"):
    rate_limit_tier: str | None = None
    subscription_type: str | None = None


class _Credentials(msgspec.Struct, rename="camel"):
    claude_ai_oauth: _Account | None = None


def account_plan(folder: Path) -> str:
    """Return the plan in `.credentials.json` of a configuration directory; "" if unknown."""
    credentials = decode_file(folder / ".credentials.json", _Credentials)
    account = credentials.claude_ai_oauth if credentials else None
    if account is None:
        return ""
    return TIERS.get(account.rate_limit_tier or "") or capitalized(account.subscription_type)
