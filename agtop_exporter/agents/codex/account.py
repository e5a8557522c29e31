"""The plan of a ChatGPT account, from the credential file of Codex."""

from pathlib import Path

import msgspec

from agtop_exporter.credentials import chatgpt_plan, decode_file


class _Tokens(msgspec.Struct):
    id_token: str | None = None


class _Credentials(msgspec.Struct):
    tokens: _Tokens | None = None


def account_plan(folder: Path) -> str:
    """Return the ChatGPT plan in `auth.json` of a Codex home directory; "" if unknown."""
    credentials = decode_file(folder / "auth.json", _Credentials)
    return chatgpt_plan(credentials.tokens.id_token if credentials and credentials.tokens else None)
