"""What a price depends on beside the tokens: service tier, speed, region and web searches.

Claude Code: `usage` of the API (https://platform.claude.com/docs/en/api/messages). Its fees:
langfuse/langfuse 15856. Codex: the items `web_search_call` of the Responses API, and the provider
of the thread (pacphi/agentic-kit pull request 103).
"""

import pytest
from driving import batches
from transcripts import Claude, Codex, usage

from agtop_exporter.agents import claude, codex
from agtop_exporter.ledger import Ledger
from agtop_exporter.pricing import PriceBook

FIGURES = {"input_tokens": 10, "output_tokens": 5}


def events(agent, path):
    return [event for each in batches(agent, str(path)) for event in each.events]


def response(folder, *lines):
    """Return the event of one response that has several lines."""
    chat = Claude(folder)
    for line in lines:
        chat.assistant("m1", usage={**FIGURES, **line})
    (event,) = events(claude.AGENT, chat.write())
    return event


@pytest.mark.parametrize(
    ("recorded", "speed"),
    [
        ({"speed": "standard", "service_tier": "standard"}, ""),
        ({"speed": "fast", "service_tier": "standard"}, "fast"),
        ({"speed": "standard", "service_tier": "batch"}, "batch"),
        ({"service_tier": "priority"}, "priority"),
        ({"speed": None, "service_tier": None}, ""),
    ],
)
def test_speed_and_service_tier_of_claude(tmp_path, recorded, speed):
    assert response(tmp_path, recorded).speed == speed


@pytest.mark.parametrize(
    ("geo", "region"),
    [("us", "us"), ("US", "us"), ("global", ""), ("not_available", ""), (None, ""), ("eu", "eu")],
)
def test_region_of_claude(tmp_path, geo, region):
    assert response(tmp_path, {"inference_geo": geo}).region == region


def test_searches_of_claude_are_those_of_the_response(tmp_path):
    lines = [
        {"server_tool_use": {"web_search_requests": n, "web_fetch_requests": 9}} for n in (1, 3)
    ]
    assert response(tmp_path, *lines).web_searches == 3
    assert response(tmp_path / "b", *reversed(lines)).web_searches == 3
    assert response(tmp_path / "c", *lines, {"server_tool_use": None}).web_searches == 3


def test_a_search_in_a_copy_adds_nothing(tmp_path):
    line = {**FIGURES, "server_tool_use": {"web_search_requests": 2}}
    first = Claude(tmp_path).assistant("m1", usage=line)
    other = "22222222-2222-4222-8222-222222222222"
    copy = Claude(tmp_path, other).assistant("m1", usage=line, forkedFrom={"sessionId": "x"})
    ledger, book = Ledger(), PriceBook()
    for path in (copy.write(), first.write()):
        for each in batches(claude.AGENT, str(path)):
            ledger.record(each, price=book.cost, project=lambda _cwd: "")
            ledger.commit()
    fees = [
        value for key, value in ledger.totals.items() if key[-2:] == ("web_search", "estimated")
    ]
    assert fees == [20_000_000_000]


def test_searches_of_codex(tmp_path):
    chat = Codex(tmp_path).turn("gpt-5.5")
    chat.item("web_search_call", id="ws_1", action={"type": "search", "query": "q"})
    chat.item("web_search_call", id="ws_2", action={"type": "open_page", "url": "u"})
    chat.item("web_search_call", id="ws_3", action={"type": "find_in_page", "pattern": "p"})
    chat.item("web_search_call", id="ws_4")
    chat.item("web_search_call", id="ws_5", action="search")
    chat.item("web_search_call", id="ws_6", action=None)
    chat.item("local_shell_call", call_id="c_5", action={"type": "exec", "command": ["ls"]})
    chat.count(usage(100, output=5), usage(100, output=5))
    found = events(codex.AGENT, chat.write())
    assert [event.key for event in found if event.web_searches] == [
        f"call:ws_{number}" for number in (1, 4, 5, 6)
    ]
    assert {event.model for event in found if event.web_searches} == {"gpt-5.5"}
    assert sum(len(event.tools) for event in found) == 7


def test_fees_of_codex_are_a_cost_of_their_own(tmp_path):
    chat = Codex(tmp_path).turn("gpt-5.5")
    chat.item("web_search_call", id="ws_1", action={"type": "search", "query": "q"})
    chat.count(usage(100, output=5), usage(100, output=5))
    ledger, book = Ledger(), PriceBook()
    for each in batches(codex.AGENT, str(chat.write())):
        ledger.record(each, price=book.cost, project=lambda _cwd: "")
    ledger.commit()
    ((_, record),) = ledger.sessions.items()
    assert record.usage.requests == 1
    assert record.usage.cost.web_search == 10_000_000_000
    assert record.usage.cost.input == 100 * 5_000_000


def test_provider_of_codex(tmp_path):
    chat = Codex(tmp_path, model_provider="lmstudio").turn("openai/gpt-oss-20b")
    chat.count(usage(100, output=5), usage(100, output=5))
    settings = {"model": "gpt-5.5", "model_provider_id": "openai"}
    chat.event("thread_settings_applied", thread_settings=settings).turn("gpt-5.5")
    chat.item("web_search_call", id="ws_1", action={"type": "search", "query": "q"})
    chat.count(usage(200, output=5), usage(300, output=10))
    found = events(codex.AGENT, chat.write())
    priced = [event for event in found if event.tokens.total or event.web_searches]
    assert [event.provider for event in priced] == ["lmstudio", "openai", "openai"]
    costs = [PriceBook().cost(event) for event in priced]
    assert costs[0] is None  # a local model
    assert None not in costs[1:]
