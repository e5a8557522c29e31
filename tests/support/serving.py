"""Builds HTTP applications for tests, and asks them."""

import asyncio
import contextlib

import httpx

from agtop_exporter.server import Document, Scrapers, create_app


def rendered_at_once(render):
    """Return a document that is rendered in the thread that asks for it, if that is possible."""

    def wake():
        with contextlib.suppress(Exception):  # the daemon logs it
            document.render_if_wanted()

    document = Document(render, wake=wake)
    return document


def make_app(pages, *, overview=lambda: b"<p>page</p>", snapshot=lambda: b"{}", **more):
    """Return the application that serves `pages` and the results of two functions."""
    more = {"progress": lambda: (0, 0), "scrapers": Scrapers(now=0.0), "version": "1.2.3", **more}
    return create_app(
        lambda: pages,
        overview=rendered_at_once(overview),
        snapshot=rendered_at_once(snapshot),
        **more,
    )


def ask(app, path="/", *, method="GET", **headers):
    """Return the response of an application. In names of headers, `_` stands for `-`."""
    headers = {"accept": "", "accept-encoding": "", **headers}

    async def request():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(
                method, path, headers={k.replace("_", "-"): v for k, v in headers.items()}
            )

    return asyncio.run(request())
