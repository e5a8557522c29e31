"""Service tiers of the requests of a pi session.

An entry `service_tier_change` has the tier of later requests: a name, or in Oh My Pi a name for
each family of models. Source: `packages/ai/src/types.ts` of https://github.com/can1357/oh-my-pi.
"""

import re
from collections.abc import Collection, Mapping

OPENAI, ANTHROPIC, GOOGLE = "openai", "anthropic", "google"
STANDARD = frozenset({"", "auto", "default", "standard"})
PRIORITY = "priority"
UNTIERED = frozenset({"github-copilot"})  # providers that accept no service tier

_OPENAI = re.compile(r"(?:gpt|o[0-9]|codex|chatgpt)[-.0-9a-z]*")


def tiers_of(given: Mapping[str, str | None] | str | None) -> dict[str, str]:
    """Return the service tiers in an entry by family of models; a single name is OpenAI's."""
    found = given if isinstance(given, Mapping) else {OPENAI: given}
    return {family: tier for family, tier in found.items() if tier and tier not in STANDARD}


def speed_of(provider: str, model: str, tiers: Mapping[str, str], dropped: Collection[str]) -> str:
    """Return the service tier of a response as in price lists; "" for the standard tier.

    `tiers` are the selected tiers by family of models. `dropped` are the features that the provider
    has refused for this response. The priority tier of Claude models is the fast mode of their
    maker; they have no other tiers.
    """
    family = _family(model.rpartition("/")[2].lower())
    tier = tiers.get(family, "")
    if tier in dropped or provider in UNTIERED:
        return ""
    if family == ANTHROPIC:
        return "fast" if tier == PRIORITY and provider == ANTHROPIC else ""
    return tier


def _family(model: str) -> str:
    if "claude" in model:
        return ANTHROPIC
    if "gemini" in model:
        return GOOGLE
    return OPENAI if _OPENAI.match(model) else ""
