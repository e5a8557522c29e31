"""Reads the plan or the provider account that pays for tokens, from credential and settings files.

The structs in this module have no fields for secrets, so the decoder drops secrets. The one
exception is an OpenAI identity token, because its claims contain the plan. The token is discarded
after its claims are decoded.

Code for a single agent is in the package of that agent.
"""

import base64
import binascii
from pathlib import Path
from typing import TypeVar

import msgspec

from agtop_exporter.reading.files import read_head

MAX_BYTES = 256 * 1024
OPENAI_CLAIM = "https://api.openai.com/auth"
SUBSCRIBED, KEYED = "oauth", ("api", "api_key")  # types of entries
ACCOUNTS = {  # provider -> name of a subscription, name of an account with an API key
    "anthropic": ("Claude (OAuth)", "Anthropic API key"),
    "openai": ("ChatGPT (OAuth)", "OpenAI API key"),
    "openai-codex": ("ChatGPT (OAuth)", "OpenAI API key"),
    "github-copilot": ("GitHub Copilot", "GitHub Copilot API key"),
}

T = TypeVar("T")


class _Entry(msgspec.Struct):
    type: str | None = None


class _OpenAIEntry(msgspec.Struct):
    type: str | None = None
    id_token: str | None = None
    access: str | None = None


class _OpenAIEntries(msgspec.Struct, rename="kebab"):
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


def provider_accounts(data: Path | str) -> dict[str, str]:
    """Return the name of the account that pays for each provider, from `auth.json` in `data`.

    `data` is the data directory of an agent. The file maps each provider to an entry with the
    `type` of the credentials. Several agents use this format.
    """
    path = f"{data}/auth.json"
    entries = decode_file(path, dict[str, _Entry]) or {}
    accounts = {
        provider: _account(provider, entry.type)
        for provider, entry in entries.items()
        if entry.type in (SUBSCRIBED, *KEYED)
    }
    for provider in ("openai", "openai-codex"):
        if entries.get(provider, _Entry()).type == SUBSCRIBED:
            accounts[provider] = _openai_plan(path, provider) or accounts[provider]
    return accounts


def _openai_plan(path: str, provider: str) -> str:
    found = decode_file(path, _OpenAIEntries)
    entry: _OpenAIEntry | None = getattr(found, provider.replace("-", "_"), None)
    return chatgpt_plan((entry.id_token or entry.access) if entry else None)


def selected_sign_in(path: Path | str) -> str:
    """Return the sign-in method that a `settings.json` file selects; "" if unknown.

    The method does not identify the user. The method is the value of `security.auth.selectedType`,
    or in older files of `selectedAuthType`.
    """
    found = decode_file(path, _Settings)
    if found is None:
        return ""
    auth = found.security.auth if found.security else None
    return (auth.selected_type if auth else None) or found.selected_auth_type or ""


def _account(provider: str, kind: str | None) -> str:
    name = " ".join(map(capitalized, provider.replace("_", "-").split("-")))
    subscribed, keyed = ACCOUNTS.get(provider, (f"{name} (OAuth)", f"{name} API key"))
    return subscribed if kind == SUBSCRIBED else keyed


def chatgpt_plan(token: str | None) -> str:
    """Return the ChatGPT plan in an OpenAI identity token, such as "ChatGPT Plus"; "" if none."""
    plan = claimed_plan(token) if token else ""
    return f"ChatGPT {plan}" if plan else ""


def claimed_plan(token: str) -> str:
    """Return the plan in an OpenAI identity token, such as "Plus"; "" if none."""
    parts = token.split(".")
    if len(parts) < 2:  # noqa: PLR2004 - header and claims
        return ""
    text = parts[1].replace("+", "-").replace("/", "_").rstrip("=")
    try:
        claims = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        auth = msgspec.json.decode(claims, type=_Claims).auth
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return ""
    return capitalized(auth.chatgpt_plan_type) if auth else ""


def decode_file(path: Path | str, kind: type[T]) -> T | None:
    """Decode a small JSON file as a value of a type; None if it is unreadable or invalid."""
    try:
        return msgspec.json.decode(read_head(path, MAX_BYTES), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def capitalized(name: str | None) -> str:
    """Return a name with its first letter in upper case; "" for no name."""
    return name[:1].upper() + name[1:] if name else ""
