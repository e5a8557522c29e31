"""Defines the routes of the HTTP server, checks host names and adds security headers.

GET /                  page with usage, limits and sessions
GET /api/v1/snapshot   JSON document of `agtop json`
GET /metrics           text format 0.0.4, or OpenMetrics 1.0.0 if the client asks for it
GET /-/healthy         200 while the process runs
GET /-/ready           200 while refreshes succeed, otherwise 503 with the reason: the first scan has
                       not ended, a part of the last refresh failed, or the next refresh is overdue
"""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agtop_exporter.loopback import LOOPBACK_NAMES
from agtop_exporter.render.prometheus import OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE
from agtop_exporter.server import page
from agtop_exporter.server.documents import Document, Rendering
from agtop_exporter.server.negotiation import accepts_gzip, has_etag, wants_openmetrics
from agtop_exporter.server.pages import Pages

WAIT_SECONDS = 2.0  # for the rendering of a document, if no refresh has requested it before
HTML_CONTENT_TYPE = "text/html; charset=utf-8"
JSON_CONTENT_TYPE = "application/json"
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


def create_app(  # noqa: PLR0913 - the sources of the responses
    current: Callable[[], Pages | None],
    *,
    overview: Document,
    snapshot: Document,
    progress: Callable[[], tuple[int, int]],
    on_scrape: Callable[[Pages], None],
    trouble: Callable[[], str] = lambda: "",
    hosts: frozenset[str] | None = LOOPBACK_NAMES,
    version: str = "",
) -> Starlette:
    """Return the HTTP application.

    `current` returns the pages to serve, or None before the first scan. `overview` is the page at
    `/`, and `snapshot` is the JSON document. `progress` returns how many bytes the present scan has
    read, and how many it reads in total. `on_scrape` is called after
    a response to `/metrics`, with the pages that were sent. These pages may be older than the
    current pages. `trouble` returns a sentence about why the pages may be out of date, or "".
    `hosts` are the accepted host names in the Host header; None accepts all names. IP addresses are
    always accepted. See `allowed_hosts`.
    """

    def is_ready() -> bool:
        pages = current()
        return pages is not None and pages.ready

    async def home(request: Request) -> Response:
        reason = trouble()
        if not is_ready():
            body = page.render_scan(*progress(), version=version)
        elif found := await _rendering(overview):
            if not reason:
                return _document(found, HTML_CONTENT_TYPE, request)
            body = found.body
        else:
            body = page.render_unavailable(version=version)
        return _response(page.with_notice(body, reason), HTML_CONTENT_TYPE)

    async def document(request: Request) -> Response:
        if not is_ready():
            return _unavailable()
        found = await _rendering(snapshot)
        if found is None:
            return _unavailable("A refresh is running.")
        return _document(found, JSON_CONTENT_TYPE, request)

    async def metrics(request: Request) -> Response:
        pages = current()
        if pages is None:
            return _unavailable()
        response = _page(pages, request.headers)
        if request.method == "GET":
            response.background = BackgroundTask(scraped, pages)
        return response

    # A coroutine runs in the event loop; a plain function would run in another thread.
    async def scraped(pages: Pages) -> None:
        on_scrape(pages)

    async def healthy(_request: Request) -> Response:
        return PlainTextResponse("agtop-exporter is healthy.\n")

    async def ready(_request: Request) -> Response:
        reason = trouble()
        if reason:
            return _unavailable(reason)
        if not is_ready():
            return _unavailable()
        return PlainTextResponse("agtop-exporter is ready.\n")

    app = Starlette(
        routes=[
            Route("/", home),
            Route("/api/v1/snapshot", document),
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


async def _rendering(document: Document) -> Rendering | None:
    """Return the rendering of the last refresh, or an earlier one, or None."""
    return document.current or await run_in_threadpool(document.wait, WAIT_SECONDS)


def _document(found: Rendering, content_type: str, request: Request) -> Response:
    """Return a rendering, or 304 without content if the client has it already."""
    headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
    if has_etag(",".join(request.headers.getlist("if-none-match")), found.etag):
        return Response(status_code=304, headers=headers)
    return _response(found.body, content_type, headers)


def _response(body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, headers={"Content-Type": content_type, **(headers or {})})


def _page(pages: Pages, headers: Headers) -> Response:
    compressed = accepts_gzip(",".join(headers.getlist("accept-encoding")))
    if wants_openmetrics(",".join(headers.getlist("accept"))):
        content_type = OPENMETRICS_CONTENT_TYPE
        body = pages.openmetrics_gzip if compressed else pages.openmetrics
    else:
        content_type = TEXT_CONTENT_TYPE
        body = pages.text_gzip if compressed else pages.text
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
