"""The current protection of the server. A reload replaces it without a restart."""

import os
import ssl
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from agtop_exporter.settings import SettingsError


class _State(NamedTuple):
    tls: ssl.SSLContext | None = None
    requires_certificate: bool = False
    names: Collection[str] = ()  # names of certificates of clients; () allows all
    users: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}


class Protection:
    """TLS, passwords and headers of the server, from the web configuration file.

    One thread calls `load`, and another thread reads the properties.
    """

    def __init__(self, path: str = "") -> None:
        """Read the file, or start without protection if `path` is "". Raises SettingsError."""
        self._state = _State()
        self.load(path)

    def load(self, path: str) -> None:
        """Read the file again. New connections get the new protection.

        Raises SettingsError with all mistakes. The protection then stays as it was. A file without
        TLS and users is a mistake if there was protection: an editor may have truncated it.
        """
        state = _read(Path(os.path.expanduser(path))) if path else _State()  # noqa: PTH111 - the method of Path raises RuntimeError for an unknown user
        was_protected = self._state.tls or self._state.users
        if path and was_protected and not (state.tls or state.users):
            why = "the file has no TLS and no users any more; restart to serve without protection"
            raise SettingsError(f"{path}: {why}")
        self._state = state

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The TLS context for a new connection; None means no TLS."""
        return self._state.tls

    @property
    def names(self) -> Collection[str]:
        """The names of which the certificate of a client must have one; () allows all."""
        return self._state.names

    @property
    def users(self) -> Mapping[str, str]:
        """The bcrypt hashes of passwords by user name; none means that no password is needed."""
        return self._state.users

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of every response."""
        return self._state.headers

    @property
    def missing(self) -> tuple[str, ...]:
        """The protection that is missing: "TLS", "authentication", both, or ().

        Clients on other machines can then connect without it.
        """
        is_known = self._state.users or self._state.requires_certificate
        return (() if self.tls else ("TLS",)) + (() if is_known else ("authentication",))


def _read(path: Path) -> _State:
    # YAML is loaded only if there is a file.
    from agtop_exporter.server.web.config import read  # noqa: PLC0415
    from agtop_exporter.server.web.tls import TlsError, context_of  # noqa: PLC0415

    config, places = read(path)
    tls = config.tls_server_config
    try:
        context = context_of(tls, path.parent) if tls else None
    except TlsError as error:
        keys = ("tls_server_config", error.key)
        raise SettingsError(places.message(keys, str(error))) from error
    return _State(
        tls=context,
        requires_certificate=bool(tls and tls.client_auth_type == "RequireAndVerifyClientCert"),
        names=tuple(tls.client_allowed_sans) if tls else (),
        users=config.basic_auth_users,
        headers={str(name): text for name, text in config.http_server_config.headers.items()},
    )
