"""Checks the host names of requests, and adds headers to responses."""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import structlog
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agtop_exporter.loopback import LOOPBACK_NAMES, is_loopback
from agtop_exporter.server import page

DEFAULT_HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": (
        f"default-src 'none'; style-src {page.policy_hash(page.STYLE)}; "
        f"script-src {page.policy_hash(page.SCRIPT)}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ).encode(),
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}
"""Headers of every response that has no such header itself."""

ALL_HOSTS = frozenset({"*"})
NAME_MAX = 253  # characters of a host name (RFC 1035)
LOGGED_MAX = 20  # refused names; a client can send any name

log = structlog.get_logger()


def allowed_hosts(
    listen_hosts: Collection[str], *, allowed: Collection[str] = (), external: str = ""
) -> frozenset[str]:
    """Return the host names that are accepted in requests; `ALL_HOSTS` accepts all names.

    `listen_hosts` are the hosts that the server listens on, `allowed` are names from the settings,
    and `external` is the name that a reverse proxy has, or "".

    The check of host names prevents DNS rebinding: a web page can let its own host name resolve to
    127.0.0.1, to read the responses of local servers. Such requests contain the host name of the
    web page. A server that listens on a network address accepts all names unless the settings have
    names, because the names of the machine are not known.
    """
    names = {host.strip("[]").rstrip(".").lower() for host in listen_hosts}
    if not allowed and not all(_is_name(name) or is_loopback(name) for name in names):
        return ALL_HOSTS
    return LOOPBACK_NAMES.union(filter(_is_name, names), allowed, [external] if external else ())


class Guard:
    """Middleware that refuses unknown host names, and adds headers to responses.

    `hosts` are the accepted names. `*` accepts all names, and `*.lan` all names that end with
    `.lan`. IP addresses are always accepted. `headers` returns headers from the settings.
    """

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str], headers: Callable[[], Mapping[str, str]]
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._headers = headers
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request with an unknown host name; pass other requests to the application."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = dict(message["headers"])
                configured = _encoded(tuple(self._headers().items()))
                message["headers"] = list({**DEFAULT_HEADERS, **own, **configured}.items())
            await send(message)

        hosts = Headers(scope=scope).getlist("host") if scope["type"] == "http" else []
        unknown = [host for host in hosts if not self._is_known(host)]
        if not unknown:
            await self._app(scope, receive, send_guarded)
            return
        self._log(unknown[0])
        refusal = PlainTextResponse(
            "Unknown host name in the request; see --web-allowed-host.\n", status_code=403
        )
        await refusal(scope, receive, send_guarded)

    def _is_known(self, host: str) -> bool:
        if self._hosts >= ALL_HOSTS or not host:  # browsers always send the Host header
            return True
        name = _name_in(host)
        if len(name) > NAME_MAX:
            return False
        domains = (f"*.{name.split('.', part)[part]}" for part in range(1, name.count(".") + 1))
        return (
            name in self._hosts or _address(name) is not None or not self._hosts.isdisjoint(domains)
        )

    def _log(self, host: str) -> None:
        name = _name_in(host)[:100]
        if name not in self._logged and len(self._logged) < LOGGED_MAX:
            self._logged.add(name)
            log.warning("request refused", host=name, help="see --web-allowed-host")


@lru_cache(1)
def _encoded(headers: tuple[tuple[str, str], ...]) -> dict[bytes, bytes]:
    """Return headers as ASGI has them: in bytes, with the names in lower case."""
    return {name.lower().encode("latin-1"): text.encode("latin-1") for name, text in headers}


def _name_in(host: str) -> str:
    """Return the host name or the address in a Host header, in lower case and without the port."""
    name = host.rpartition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.strip("[").rstrip(".").lower()


def _is_name(name: str) -> bool:
    return bool(name) and _address(name) is None


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
