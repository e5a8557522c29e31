"""The daemon imports no package that it does not use, because each takes memory until its end."""

import re

import pytest
from running import daemon
from small_homes import claude_file, claude_turns

pytestmark = pytest.mark.integration

# packages of commands and of optional features, with the memory that they take beside the daemon
UNUSED = {
    "bcrypt",  # 0.3 MB; passwords of --web-config-file
    "google",  # with opentelemetry
    "grpc",  # 10 MB; --otlp by gRPC
    "httpx",  # 4 MB; the download of prices
    "opentelemetry",  # 3 MB and more; --otlp
    "pygments",  # with rich
    "requests",  # --otlp by HTTP
    "rich.console",  # 6 MB; the table
    "shtab",  # completion
    "textual",  # 2 MB and more; the interactive view
    "tomli_w",  # check-config
    "yaml",  # 0.9 MB; --web-config-file
    "agtop_exporter.doctor",
    "agtop_exporter.top",
}


@pytest.mark.long
def test_the_daemon_loads_only_what_it_uses(tmp_path):
    """Python itself logs every import. The daemon scans, and answers all kinds of requests."""
    claude_file(tmp_path).write_text(claude_turns(1, range(3)))
    with daemon(tmp_path, "--no-state", PYTHONPROFILEIMPORTTIME="1") as running:
        running.until_ready()
        for path in ("/", "/metrics", "/api/v1/snapshot"):
            assert running.get(path)[0] == 200
        running.end()
    loaded = set(re.findall(r"import time:.*\| +([\w.]+)$", "".join(running.log), re.MULTILINE))
    assert {"agtop_exporter.daemon", "starlette.routing"} <= loaded
    assert loaded & UNUSED == set()
