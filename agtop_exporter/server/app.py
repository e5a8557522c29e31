"""Defines the routes of the HTTP server, checks host names and adds security headers.

GET /            page with the active and recent sessions
GET /metrics     text format 0.0.4, or OpenMetrics 1.0.0 if the client asks for it
GET /-/healthy   200 while the process runs
GET /-/ready     200 while refreshes succeed, otherwise 503 with the reason: the first scan has not
                 ended, a part of the last refresh failed, or the next refresh is overdue
"""

import base64
import hashlib
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agtop_exporter.loopback import LOOPBACK_NAMES
from agtop_exporter.render.prometheus import OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE
from agtop_exporter.server import index
from agtop_exporter.server.negotiation import accepts_gzip, wants_openmetrics
from agtop_exporter.server.pages import Page, Pages
from agtop_exporter.server.scrapers import Scrapers, scraper_of

STYLE_HASH = base64.b64encode(hashlib.sha256(index.STYLE.encode()).digest()).decode()
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def create_app(
    current: Callable[[], Pages | None],
    *,
    scrapers: Scrapers,
    trouble: Callable[[], str] = lambda: "",
    hosts: frozenset[str] | None = LOOPBACK_NAMES,
    version: str = "",
) -> Starlette:
    """Return the HTTP application.

    `current` returns the pages to serve, or None before the first scan. `scrapers` remembers the
    publication that each scraper received. `trouble` returns a sentence about why the pages may be
    out of date, or "". `hosts` are the accepted host names in the Host header; None accepts all
    names. IP addresses are always accepted. See `allowed_hosts`.
    """

    async def home(_request: Request) -> Response:
        pages = current()
        snapshot = pages.snapshot if pages else None
        return HTMLResponse(index.render(snapshot, version=version, trouble=trouble()))

    async def metrics(request: Request) -> Response:
        pages = current()
        if pages is None:
            return _unavailable()
        scraper = scraper_of(request.client.host if request.client else "", request.headers)
        response = _metrics(pages.after(scrapers.last(scraper)), request.headers)
        if scraper and request.method == "GET":
            response.background = BackgroundTask(received, scraper, pages)
        return response

    # A coroutine runs in the event loop; a plain function would run in another thread.
    async def received(scraper: str, pages: Pages) -> None:
        scrapers.note(scraper, pages.generation, at=pages.snapshot.generated_at)

    async def healthy(_request: Request) -> Response:
        return PlainTextResponse("agtop-exporter is healthy.\n")

    async def ready(_request: Request) -> Response:
        pages = current()
        reason = trouble()
        if reason:
            return _unavailable(reason)
        if pages is None or not pages.ready:
            return _unavailable()
        return PlainTextResponse("agtop-exporter is ready.\n")

    app = Starlette(
        routes=[
            Route("/", home),
            Route("/metrics", metrics),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
    )
    app.router.redirect_slashes = False
    return app


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
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
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


def _metrics(page: Page, headers: Headers) -> Response:
    compressed = accepts_gzip(",".join(headers.getlist("accept-encoding")))
    if wants_openmetrics(",".join(headers.getlist("accept"))):
        content_type = OPENMETRICS_CONTENT_TYPE
        body = page.openmetrics_gzip if compressed else page.openmetrics
    else:
        content_type = TEXT_CONTENT_TYPE
        body = page.text_gzip if compressed else page.text
    response = Response(body, headers={"Vary": "Accept, Accept-Encoding"})
    response.headers["Content-Type"] = content_type
    if compressed:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _unavailable(reason: str = "The first scan has not ended yet.") -> Response:
    return PlainTextResponse(f"{reason}\n", status_code=503, headers={"Retry-After": "1"})


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
