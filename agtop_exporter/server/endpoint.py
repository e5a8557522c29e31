"""The addresses of the server, the clients that can reach them, and their protection."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from starlette.types import ASGIApp

from agtop_exporter.loopback import is_loopback
from agtop_exporter.server.connections import serve
from agtop_exporter.server.guard import allowed_hosts
from agtop_exporter.server.listen import address_of, close, hosts_of, listen, only_local
from agtop_exporter.server.web import Protection
from agtop_exporter.settings import Settings

log = structlog.get_logger()


class Endpoint:
    """Listening sockets, and the protection (TLS, passwords, headers) of the responses."""

    def __init__(
        self,
        settings: Settings,
        *,
        descriptors: int | None = None,
        inherited: Sequence[socket.socket] = (),
    ) -> None:
        """Listen on the addresses of the settings.

        `descriptors` is how many files this process may open; connections get at most half of them.
        `inherited` are listening sockets that a service manager has opened. If there are any, the
        addresses of the settings have no effect.

        Raises:
            AgtopError: An address cannot be bound, or the web configuration file has mistakes.

        """
        self.protection = Protection(settings.web_config_file)
        self._settings = settings
        self._connections_max = settings.web_max_connections
        if descriptors is not None:
            self._connections_max = min(self._connections_max, descriptors // 2)
        self._listeners = list(inherited) or listen(settings.listen)
        names = [] if inherited else [host for host, _ in settings.listen]
        self.hosts = allowed_hosts(
            names or hosts_of(inherited),
            allowed=settings.web_allowed_host,
            external=settings.external_host,
        )
        """The host names that requests may contain; see `Guard`."""

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine get responses, as far as this process can know."""
        names = (*self._settings.web_allowed_host, self._settings.external_host or "localhost")
        return not self._is_exposed and all(map(is_loopback, names))

    @property
    def is_unprotected(self) -> bool:
        """Whether other machines can connect without TLS or without authentication."""
        return self._is_exposed and bool(self.protection.missing)

    @property
    def _is_exposed(self) -> bool:
        return not only_local(self._listeners)

    @property
    def urls(self) -> list[str]:
        """The URLs of the server; the path of a Unix domain socket."""
        return self._urls_of(self._listeners)

    def _urls_of(self, listeners: Sequence[socket.socket]) -> list[str]:
        scheme, prefix = "https" if self.protection.tls else "http", self._settings.route_prefix
        addresses = map(address_of, listeners)
        return [one if "/" in one else f"{scheme}://{one}{prefix}/" for one in addresses]

    @contextmanager
    def serving(self, app: ASGIApp) -> Iterator[None]:
        """Serve `app` in a separate thread until the context ends."""
        with serve(
            app,
            self._listeners,
            protection=self.protection,
            connections_max=self._connections_max,
        ):
            yield

    def reload(self, settings: Settings) -> None:
        """Read the web configuration file again. Raises SettingsError; nothing changes then."""
        self.protection.load(settings.web_config_file)

    def close(self) -> None:
        """Close the listening sockets."""
        close(self._listeners)

    def warn(self) -> None:
        """Log a warning if the server is not protected."""
        if self.is_unprotected:
            exposed = [one for one in self._listeners if not only_local([one])]
            log.warning(
                "other machines can read this exporter",
                urls=" ".join(self._urls_of(exposed)),
                missing=" and ".join(self.protection.missing),
                help="see --web-config-file, or listen on 127.0.0.1",
            )
