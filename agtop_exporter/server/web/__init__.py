"""Protects the HTTP server: TLS, passwords and headers, as a web configuration file defines them.

The file has the format of Prometheus' exporter-toolkit:
<https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>.
"""

from agtop_exporter.server.web.passwords import BasicAuth
from agtop_exporter.server.web.protection import Protection

__all__ = ["BasicAuth", "Protection"]
