"""Commands that print once do not load the HTTP server, which would double the time to start."""

import pytest
from loaded import assert_not_loaded

SERVERS = {"uvicorn", "starlette", "agtop_exporter.server"}


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.parametrize("words", [["list"], ["json"], ["today"], ["daily"]], ids=str)
def test_commands_load_no_server(words, tmp_path):
    assert_not_loaded(SERVERS, "agtop", words, home=tmp_path)
