"""Stored event keys stay valid: otherwise a newer version counts old usage again.

`keys.json` of each agent has the event keys that any version gave to the golden home. A reader may
change a key if the new event has the old key among its `other_keys`. `pytest --update-golden` adds
new keys. Delete a key by hand if its event is no longer in the golden home, or no longer counts.
"""

import json

import pytest
from driving import batches, transcripts
from places import AGENT_FOLDERS

from agtop_exporter.agents import load_agents

AGENTS = load_agents()


def keys_and_other_keys(home, agent):
    """Return the keys of all events, and all keys under which these events may be stored."""
    events = [
        event
        for _, path in transcripts(home, [agent])
        for batch in batches(agent, path)
        for event in batch.events
    ]
    keys = {event.key for event in events}
    return keys, keys.union(*(event.other_keys for event in events))


@pytest.mark.slow
@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_every_stored_key_is_found(agent, home, request):
    keys, known = keys_and_other_keys(home, agent)
    path = AGENT_FOLDERS / agent.name / "keys.json"
    stored = set(json.loads(path.read_text())) if path.exists() else set()
    assert stored - known == set(), "the events with these keys would be counted again"
    if request.config.getoption("--update-golden"):
        path.write_text(json.dumps(sorted(stored | keys), indent=0) + "\n")
    else:
        assert keys - stored == set(), "run pytest --update-golden"
