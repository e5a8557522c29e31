"""Reads which plan an account has from an agent's credential file, and nothing else of it.

The decoders below know only the members named here: a token is never decoded into a value. The one
exception are OpenAI's tokens, whose claims are the plan; they are dropped as soon as they are read.
"""

import base64
import binascii
from pathlib import Path
from typing import TypeVar

import msgspec

from agtop_exporter.reading.files import read_head

MAX_BYTES = 256 * 1024
CLAUDE_TIERS = {  # `rateLimitTier`, as Claude Code writes it
    "default_claude_pro": "Pro",
    "default_claude_max_5x": "Claude Max 5x",
    "default_claude_max_20x": "Claude Max 20x",
}
OPENAI_CLAIM = "https://api.openai.com/auth"
SUBSCRIBED, KEYED = "oauth", ("api", "api_key")  # types of entries that name an account
ACCOUNTS = {  # by provider, as OpenCode and pi call it: subscribed, with a key
    "anthropic": ("Claude (OAuth)", "Anthropic API key"),
    "openai": ("ChatGPT (OAuth)", "OpenAI API key"),
    "openai-codex": ("ChatGPT (OAuth)", "OpenAI API key"),
    "github-copilot": ("GitHub Copilot", "GitHub Copilot API key"),
}

T = TypeVar("T")


class _ClaudeAccount(msgspec.Struct, rename="camel"):
    rate_limit_tier: str | None = None
    subscription_type: str | None = None


class _ClaudeCredentials(msgspec.Struct, rename="camel"):
    claude_ai_oauth: _ClaudeAccount | None = None


class _Tokens(msgspec.Struct):
    id_token: str | None = None


class _CodexCredentials(msgspec.Struct):
    tokens: _Tokens | None = None


class _Entry(msgspec.Struct):
    type: str | None = None


class _OpenAIEntry(msgspec.Struct):
    type: str | None = None
    id_token: str | None = None
    access: str | None = None


class _OpenCodeCredentials(msgspec.Struct, rename="kebab"):
    openai: _OpenAIEntry | None = None
    openai_codex: _OpenAIEntry | None = None


class _SignIn(msgspec.Struct, rename="camel"):
    selected_type: str | None = None


class _Security(msgspec.Struct):
    auth: _SignIn | None = None


class _Settings(msgspec.Struct, rename="camel"):
    security: _Security | None = None
    selected_auth_type: str | None = None


class _Auth(msgspec.Struct):
    chatgpt_plan_type: str | None = None


class _Claims(msgspec.Struct, rename={"auth": OPENAI_CLAIM}):
    auth: _Auth | None = None


def claude_plan(home: Path) -> str:
    """Return the plan in `.credentials.json` of a Claude Code directory; "" if unknown."""
    found = _decoded(home / ".credentials.json", _ClaudeCredentials)
    account = found.claude_ai_oauth if found else None
    if account is None:
        return ""
    return CLAUDE_TIERS.get(account.rate_limit_tier or "") or _named(account.subscription_type)


def codex_plan(home: Path) -> str:
    """Return the ChatGPT plan in `auth.json` of a Codex directory; "" if unknown."""
    found = _decoded(home / "auth.json", _CodexCredentials)
    token = found.tokens.id_token if found and found.tokens else None
    plan = claimed_plan(token) if token else ""
    return f"ChatGPT {plan}" if plan else ""


def opencode_accounts(data: Path | str) -> dict[str, str]:
    """Return what pays for each provider in `auth.json` of a data directory of OpenCode or pi."""
    path = f"{data}/auth.json"
    entries = _decoded(path, dict[str, _Entry]) or {}
    accounts = {
        provider: _account(provider, entry.type)
        for provider, entry in entries.items()
        if entry.type in (SUBSCRIBED, *KEYED)
    }
    for provider in ("openai", "openai-codex"):
        if entries.get(provider, _Entry()).type == SUBSCRIBED:
            accounts[provider] = _chatgpt_plan(path, provider) or accounts[provider]
    return accounts


def _chatgpt_plan(path: str, provider: str) -> str:
    found = _decoded(path, _OpenCodeCredentials)
    entry: _OpenAIEntry | None = getattr(found, provider.replace("-", "_"), None)
    token = (entry.id_token or entry.access) if entry else None
    plan = claimed_plan(token) if token else ""
    return f"ChatGPT {plan}" if plan else ""


def selected_sign_in(path: Path | str) -> str:
    """Return how the user of Gemini CLI or Qwen Code signs in, by `settings.json`; "" if unknown.

    It says nothing of who that is.
    """
    found = _decoded(path, _Settings)
    if found is None:
        return ""
    auth = found.security.auth if found.security else None
    return (auth.selected_type if auth else None) or found.selected_auth_type or ""


def _account(provider: str, kind: str | None) -> str:
    name = " ".join(map(_named, provider.replace("_", "-").split("-")))
    subscribed, keyed = ACCOUNTS.get(provider, (f"{name} (OAuth)", f"{name} API key"))
    return subscribed if kind == SUBSCRIBED else keyed


def claimed_plan(token: str) -> str:
    """Return the plan that an OpenAI identity token claims; "" if it claims none."""
    parts = token.split(".")
    if len(parts) < 2:  # noqa: PLR2004 - header and claims
        return ""
    text = parts[1].replace("+", "-").replace("/", "_").rstrip("=")
    try:
        claims = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        auth = msgspec.json.decode(claims, type=_Claims).auth
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return ""
    return _named(auth.chatgpt_plan_type) if auth else ""


def _decoded(path: Path | str, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(read_head(path, MAX_BYTES), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _named(plan: str | None) -> str:
    return plan[:1].upper() + plan[1:] if plan else ""
