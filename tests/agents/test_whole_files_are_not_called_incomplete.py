"""`doctor` calls a file incomplete only if its last record is."""

import json
from pathlib import Path

import pytest
from driving import batches, transcripts

from agtop_exporter.agents import load_agents
from agtop_exporter.reading.sources import is_at_end

every_agent = pytest.mark.parametrize("agent", load_agents(), ids=lambda agent: agent.name)


def ends_within_a_record(path):
    last = Path(path).read_bytes().rpartition(b"\n")[2] if path.endswith("l") else b""
    try:
        json.loads(last or Path(path).read_bytes())
    except ValueError:
        return not path.endswith("l") or bool(last)
    return False


@pytest.mark.slow
@every_agent
def test_a_file_that_ends_with_a_record_is_read_to_its_end(agent, home):
    for _, path in transcripts(home, [agent]):
        if path.endswith((".json", ".jsonl")) and not ends_within_a_record(path):
            assert is_at_end(path, batches(agent, path)[-1].cursor), path
