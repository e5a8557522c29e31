"""A step of kimi-cli that repeats the usage of its request counts once."""

from agent_files import counted, write_lines

from agtop_exporter.agents import kimi
from agtop_exporter.model import TokenCounts

FOLDER = ".kimi/sessions/9593fdb00644cc11627749e014ed528d/3f0c0000-0000-4000-8000-00000000000e"
STEP = ("StepBegin", {"n": 1})


def usage(request, output):
    tokens = {"input_other": 100, "output": output}
    return "StatusUpdate", {"token_usage": tokens, "message_id": request}


def counts(home, *events):
    """Write events, one a second; return the tokens and the requests that are counted."""
    records = (
        {"timestamp": 1777000000.5 + second, "message": {"type": kind, "payload": payload}}
        for second, (kind, payload) in enumerate(events)
    )
    write_lines(home / FOLDER / "wire.jsonl", *records)
    (session,) = counted(home, kimi.AGENT).values()
    (model,) = session.models.values()
    return model.tokens, model.requests


def test_usage_that_grows_in_a_step_counts_once(tmp_path):
    found = counts(tmp_path, STEP, usage("chatcmpl-1", 40), usage("chatcmpl-1", 90))
    assert found == (TokenCounts(input=100, output=90), 1)


def test_usage_without_an_id_counts_each_time(tmp_path):
    found = counts(tmp_path, STEP, usage(None, 40), usage(None, 40))
    assert found == (TokenCounts(input=200, output=80), 2)


def test_a_router_uses_an_id_for_all_requests(tmp_path):
    found = counts(tmp_path, STEP, usage("id", 40), STEP, usage("id", 40))
    assert found == (TokenCounts(input=200, output=80), 2)
