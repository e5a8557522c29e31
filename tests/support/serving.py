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
    """Return the response of an application.

    In names of headers, `_` stands for `-`. A tuple is a header that is sent more than once.
    """
    headers = {"accept": "", "accept-encoding": "", **headers}

    async def request():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            lines = [
                (name.replace("_", "-"), value)
                for name, values in headers.items()
                for value in (values if isinstance(values, tuple) else (values,))
            ]
            return await client.request(method, path, headers=lines)

    return asyncio.run(request())
