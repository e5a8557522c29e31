"""Defines the routes of the HTTP server.

GET /                  page with usage, limits and sessions
GET /api/v1/snapshot   JSON document of `agtop json`
GET /metrics           text format 0.0.4, or OpenMetrics 1.0.0 if the client asks for it
GET /-/healthy         200 while the process runs
GET /-/ready           200 while refreshes succeed, otherwise 503 with the reason: the first scan
                       has not ended, a part of the last refresh failed, or the next one is overdue

The setting `web_route_prefix` puts a path before all of them.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from agtop_exporter.loopback import LOOPBACK_NAMES
from agtop_exporter.render.prometheus import OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE
from agtop_exporter.server import page
from agtop_exporter.server.documents import Document, Rendering
from agtop_exporter.server.guard import Guard
from agtop_exporter.server.negotiation import accepts_gzip, has_etag, wants_openmetrics
from agtop_exporter.server.pages import Page, Pages
from agtop_exporter.server.scrapers import Scrapers, scraper_of
from agtop_exporter.server.web import BasicAuth, Protection

PAGE_WAIT_SECONDS = 2.0  # for the rendering of the page
DOCUMENT_WAIT_SECONDS = 30.0  # for the JSON document, which may have many sessions
HTML_CONTENT_TYPE = "text/html; charset=utf-8"
JSON_CONTENT_TYPE = "application/json"


def create_app(  # noqa: PLR0913 - the sources of the responses
    current: Callable[[], Pages | None],
    *,
    overview: Document,
    snapshot: Document,
    progress: Callable[[], tuple[int, int]],
    scrapers: Scrapers,
    trouble: Callable[[], str] = lambda: "",
    hosts: frozenset[str] = LOOPBACK_NAMES,
    protection: Protection | None = None,
    prefix: str = "",
    version: str = "",
) -> Router:
    """Return the HTTP application.

    `current` returns the metrics pages to serve, or None before the first scan. `overview` is the
    page at `/`, and `snapshot` is the JSON document. `progress` returns how many bytes the present
    scan has read, and how many it reads in total. `scrapers` stores which version of the metrics
    each scraper received last. `trouble` returns a sentence about why the pages may be out of date,
    or "". `hosts` are the accepted host names; see `allowed_hosts`. `protection` has the users and
    the headers. `prefix` is a path such as `/agtop`, below which all routes are.
    """
    shown = _Overview(current, overview, progress, trouble, version)

    async def document(request: Request) -> Response:
        if not _is_ready(current()):
            return _unavailable()
        found = await _rendering(snapshot, DOCUMENT_WAIT_SECONDS)
        if found is None:
            return _unavailable("A refresh is running.")
        return _document(found, JSON_CONTENT_TYPE, request)

    async def healthy(_request: Request) -> Response:
        return PlainTextResponse("agtop-exporter is healthy.\n")

    async def ready(_request: Request) -> Response:
        reason = trouble()
        if reason:
            return _unavailable(reason)
        if not _is_ready(current()):
            return _unavailable()
        return PlainTextResponse("agtop-exporter is ready.\n")

    protection = protection or Protection()
    # A router costs a scrape less time than an application, whose error pages are not needed.
    return Router(
        _below(
            prefix,
            [
                Route("/", shown.respond),
                Route("/api/v1/snapshot", document),
                Route("/metrics", _Metrics(current, scrapers), methods=["GET"]),
                Route("/-/healthy", healthy),
                Route("/-/ready", ready),
            ],
        ),
        redirect_slashes=False,
        middleware=[
            Middleware(Guard, hosts=hosts, headers=lambda: protection.headers),
            Middleware(BasicAuth, users=lambda: protection.users),
        ],
    )


def _below(prefix: str, routes: list[Route]) -> list[BaseRoute]:
    """Return the routes with `prefix` before their paths.

    The path `prefix` without a slash at its end is redirected.
    """
    if not prefix:
        return [*routes]

    async def redirect(_request: Request) -> Response:
        return RedirectResponse(f"{prefix}/", status_code=308)

    return [Route(prefix, redirect), Mount(prefix, routes=routes)]


class _Overview(NamedTuple):
    """Responds with the page at `/`. The fields are arguments of `create_app`."""

    current: Callable[[], Pages | None]
    document: Document
    progress: Callable[[], tuple[int, int]]
    trouble: Callable[[], str]
    version: str

    async def respond(self, request: Request) -> Response:
        reason = self.trouble()
        if not _is_ready(self.current()):
            body = page.render_scan(*self.progress(), version=self.version)
        elif found := await _rendering(self.document, PAGE_WAIT_SECONDS):
            if not reason:
                return _document(found, HTML_CONTENT_TYPE, request)
            body = found.body
        else:
            body = page.render_unavailable(version=self.version)
        return _response(page.with_notice(body, reason), HTML_CONTENT_TYPE)


class _Metrics:
    """Responds with the metrics. This is an ASGI application, which costs less time."""

    def __init__(self, current: Callable[[], Pages | None], scrapers: Scrapers) -> None:
        """Take two arguments of `create_app`."""
        self._current = current
        self._scrapers = scrapers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pages = self._current()
        if pages is None:
            await _unavailable()(scope, receive, send)
            return
        headers = Headers(scope=scope)
        client = scope.get("client")
        scraper = scraper_of(client[0] if client else "", headers)
        response = _metrics(pages.after(self._scrapers.last(scraper)), headers)
        await response(scope, receive, send)
        if scraper and scope["method"] == "GET":
            self._scrapers.note(scraper, pages.generation, at=pages.snapshot.generated_at)


def _is_ready(pages: Pages | None) -> bool:
    return pages is not None and pages.ready


async def _rendering(document: Document, seconds: float) -> Rendering | None:
    """Return the current rendering of a document, and wait for it up to `seconds`.

    If there is none after this time, return an earlier rendering or None.
    """
    return document.current or await run_in_threadpool(document.wait, seconds)


def _document(found: Rendering, content_type: str, request: Request) -> Response:
    """Return a rendering, or 304 without content if the client has it already."""
    headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
    if has_etag(",".join(request.headers.getlist("if-none-match")), found.etag):
        return Response(status_code=304, headers=headers)
    return _response(found.body, content_type, headers)


def _response(body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, headers={"Content-Type": content_type, **(headers or {})})


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
