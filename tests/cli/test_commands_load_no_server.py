"""Commands that print once do not load the HTTP server, which would double the time to start."""

import subprocess
import sys

import pytest
from running import PATIENCE_SECONDS, environment

SERVERS = {"uvicorn", "starlette", "agtop_exporter.server"}
CODE = """
import atexit, sys
import agtop_exporter.cli.output as output
output.leave = sys.exit
atexit.register(lambda: print("LOADED", *sorted({servers} & set(sys.modules))))
import agtop_exporter.cli as cli
cli.agtop({words})
"""


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.parametrize("words", [["list"], ["json"], ["today"], ["daily"]], ids=str)
def test_commands_load_no_server(words, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(servers=SERVERS, words=words)],
        env=environment(tmp_path, AGTOP_NO_PRICING_REFRESH="true"),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["LOADED"], done.stderr
