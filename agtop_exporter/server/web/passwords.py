"""Checks the user names and passwords of requests (basic authentication, RFC 7617)."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

KNOWN_MAX = 100
PASSWORD_BYTES_MAX = 72  # bcrypt ignores the rest
UNKNOWN_USER_HASH = "$2b$10$tByt8ZZYMp/HQHnDCq9Sie2gpo.t1bRRC1UFC2rX686BCmuclg0E2"
"""A hash that is checked for unknown users, so that the time does not reveal them."""

CHALLENGE = {"WWW-Authenticate": 'Basic realm="agtop-exporter", charset="UTF-8"'}


class BasicAuth:
    """Middleware that responds with 401 to requests without the password of a user.

    `users` returns the bcrypt hashes by user name. If there are none, every request is passed on.
    A check takes about 50 ms of CPU time. The digests of correct passwords are therefore kept in
    memory, and only one password is checked at a time.
    """

    def __init__(self, app: ASGIApp, users: Callable[[], Mapping[str, str]]) -> None:
        self._app = app
        self._users = users
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, None] = {}
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request with a correct password to the application; refuse other requests."""
        users = self._users()
        if scope["type"] == "http" and users:
            given = _credentials(Headers(scope=scope).get("authorization", ""))
            if given is None or not await self._is_correct(users, *given):
                refusal = PlainTextResponse("Unauthorized.\n", status_code=401, headers=CHALLENGE)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _is_correct(self, users: Mapping[str, str], user: str, password: bytes) -> bool:
        stored = users.get(user, UNKNOWN_USER_HASH)
        text = b"\0".join((user.encode(), stored.encode(), password))
        digest = hmac.digest(self._key, text, hashlib.sha256)
        if digest in self._known:
            return True
        async with self._turn:
            matches = await run_in_threadpool(_matches, password, stored)
        if matches and user in users:
            while len(self._known) >= KNOWN_MAX:
                self._known.pop(next(iter(self._known)))
            self._known[digest] = None
            return True
        return False


def _credentials(header: str) -> tuple[str, bytes] | None:
    """Return the user name and the password in an Authorization header."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _matches(password: bytes, stored: str) -> bool:
    import bcrypt  # noqa: PLC0415 - loaded with the first password

    if len(password) > PASSWORD_BYTES_MAX:
        return False
    try:
        return bcrypt.checkpw(password, stored.encode())
    except ValueError:  # a NUL byte
        return False
