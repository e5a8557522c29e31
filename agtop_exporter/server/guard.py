"""Checks the host names of requests, and adds security headers to responses."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agtop_exporter.loopback import LOOPBACK_NAMES
from agtop_exporter.server import page

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {page.policy_hash(page.STYLE)}; "
        f"script-src {page.policy_hash(page.SCRIPT)}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def allowed_hosts(listen_host: str) -> frozenset[str] | None:
    """Return the host names that are accepted in requests; None accepts all names.

    `listen_host` is the host that the server listens on. The check of host names prevents DNS
    rebinding: a web page can let its own host name resolve to 127.0.0.1, to read the responses of
    local servers. Such requests contain the host name of the web page. A server that listens on a
    network address accepts all names, because the names of the machine are not known.
    """
    name = listen_host.strip("[]").lower()
    if name in LOOPBACK_NAMES:
        return LOOPBACK_NAMES
    address = _address(name)
    if not name or (address and not address.is_loopback):
        return None
    return LOOPBACK_NAMES | {name}


class Guard:
    """Middleware that rejects unknown host names and adds the security headers to responses."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request with an unknown host name; pass other requests to the application."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if scope["type"] == "http" and not self._is_known(Headers(scope=scope).get("host", "")):
            refusal = PlainTextResponse("Unknown host name in the request.\n", status_code=403)
            await refusal(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)

    def _is_known(self, host: str) -> bool:
        if self._hosts is None or not host:  # browsers always send the Host header
            return True
        name = host.rpartition("]")[0] if host.startswith("[") else host.partition(":")[0]
        name = name.strip("[").rstrip(".").lower()
        return name in self._hosts or _address(name) is not None


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
