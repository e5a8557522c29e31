"""The HTTP server. It sends the result of the last refresh; a request never starts a scan."""

from agtop_exporter.server.app import create_app
from agtop_exporter.server.connections import serve
from agtop_exporter.server.documents import Document
from agtop_exporter.server.endpoint import Endpoint
from agtop_exporter.server.guard import allowed_hosts
from agtop_exporter.server.page import render as render_overview
from agtop_exporter.server.pages import OwnProcess, Pages, render_pages
from agtop_exporter.server.scrapers import Scrapers

__all__ = [
    "Document",
    "Endpoint",
    "OwnProcess",
    "Pages",
    "Scrapers",
    "allowed_hosts",
    "create_app",
    "render_overview",
    "render_pages",
    "serve",
]
