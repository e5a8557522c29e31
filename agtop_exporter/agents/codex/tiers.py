"""Service tiers of requests, from the settings of a thread.

Codex records the selected tier, but requests the priority tier only of models that have the tier in
the catalog of Codex. They are models of OpenAI. This was seen in the requests of 0.140 to 0.171,
and is described in openai/codex 31284. The tier `flex` is requested of every model since 0.160.
"""

import re

STANDARD = frozenset({"", "auto", "default", "standard"})
PRIORITY = "priority"
NAMES = {"fast": PRIORITY}  # the name in the settings, and the name in the request

_OPENAI = re.compile(r"(?:.*/)?(?:chatgpt-|codex|gpt-(?!oss)|o[0-9])", re.IGNORECASE)


def speed_of(service_tier: str | None) -> str:
    """Return the name of a service tier in price lists; "" for the standard tier."""
    tier = (service_tier or "").strip().lower()
    return "" if tier in STANDARD else NAMES.get(tier, tier)


def requested(speed: str, model: str) -> str:
    """Return the service tier that Codex requests of a model if `speed` is selected."""
    return speed if speed != PRIORITY or not model or _OPENAI.match(model) else ""
