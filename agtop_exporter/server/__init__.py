"""The HTTP server. It shows the result of the last refresh; a request never starts a scan."""

from agtop_exporter.server.app import allowed_hosts, create_app
from agtop_exporter.server.connections import serve
from agtop_exporter.server.pages import OwnProcess, Pages, render_pages
from agtop_exporter.server.scrapers import Scrapers

__all__ = [
    "OwnProcess",
    "Pages",
    "Scrapers",
    "allowed_hosts",
    "create_app",
    "render_pages",
    "serve",
]
