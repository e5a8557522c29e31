"""The HTTP server. It sends pages that are already rendered; it never scans files."""

from agtop_exporter.server.app import allowed_hosts, create_app
from agtop_exporter.server.listen import serve
from agtop_exporter.server.pages import OwnProcess, Pages, render_pages

__all__ = ["OwnProcess", "Pages", "allowed_hosts", "create_app", "render_pages", "serve"]
