"""Codex: rollouts that Codex rewrites or imports, and ids that are not unique.

Each test names the public report that it is based on.
"""

from datetime import UTC, datetime, timedelta

import pytest
from driving import read_on
from transcripts import THREAD, Codex, Told, usage

from agtop_exporter.agents import codex
from agtop_exporter.model import Cursor

OTHER = "019caa00-0000-7000-8000-000000000002"
FORK = "019cab00-0000-7000-8000-000000000003"


def old(folder, thread=THREAD, **meta):
    """Return a thread of two responses, as 0.80 wrote it: without ids of turns and items."""
    chat = Codex(folder, thread, **meta)
    for total in (1, 2):
        chat.event("user_message", message=f"Oil part {total}").turn()
        chat.answer("Oiled.").count(usage(100, 20, 10), usage(100 * total, 20 * total, 10 * total))
    return chat


def rewrite(chat):
    """Give a rollout the form in which 0.153 stores the history of older versions."""
    head, *records = chat.records
    chat.records, number = [head], 0
    for line, record in enumerate(records):
        payload = record["payload"]
        if record["type"] == "session_meta":
            continue
        if payload.get("type") == "user_message":
            number += 1
            begun = {"type": "task_started", "turn_id": f"rollout-{line}"}
            began = int(datetime.fromisoformat(record["timestamp"]).timestamp())
            content = [{"type": "text", "text": payload["message"]}]
            item = {"type": "UserMessage", "id": f"item-{number}", "content": content}
            payload = {"type": "item_completed", "turn_id": begun["turn_id"], "item": item}
            chat.records.append({**record, "payload": {**begun, "started_at": began}})
        chat.records.append({**record, "payload": payload})
    for ordinal, record in enumerate(chat.records):
        record["ordinal"] = ordinal
    return chat


def figures(told, thread=THREAD):
    session = told.session(thread)
    return session.usage.requests, session.usage.tokens.total, session.turns


def test_a_rewritten_rollout_adds_nothing(tmp_path):
    """openai/codex 37175 and 45203: at its start, Codex rewrites the rollouts of old versions."""
    chat = old(tmp_path)
    told = chat.told()
    assert figures(told) == (2, 220, 2)
    read_on(told.ledger, codex.AGENT, str(rewrite(chat).write()))
    assert figures(told) == (2, 220, 2)
    assert figures(chat.told()) == (2, 220, 2)


def test_rewritten_rollouts_have_the_same_ids(tmp_path):
    """The numbers of added turns and items begin again in every rollout."""
    paths = [rewrite(old(tmp_path, thread)).write() for thread in (THREAD, OTHER)]
    told = Told(codex.AGENT, *paths)
    assert figures(told, THREAD) == figures(told, OTHER) == (2, 220, 2)


@pytest.mark.parametrize("backwards", [False, True], ids=["origin first", "fork first"])
@pytest.mark.parametrize("rewritten", ["both", "fork", "origin"])
def test_a_rewritten_fork_repeats_its_origin(tmp_path, rewritten, backwards):
    """Codex removes the second `session_meta` of a fork, and keeps the copied records."""
    origin = old(tmp_path)
    fork = Codex(tmp_path, FORK, day="2026-03-03", forked_from_id=THREAD)
    fork.records += [{**each, "timestamp": fork.records[0]["timestamp"]} for each in origin.records]
    later = datetime(2026, 3, 3, 10, 5, tzinfo=UTC)
    begin = len(fork.records)
    fork.event("user_message", message="Oil part 3").turn()
    fork.answer("Oiled.").count(usage(100, 20, 10), usage(300, 60, 30))
    for number, record in enumerate(fork.records[begin:]):
        record["timestamp"] = (later + timedelta(seconds=number)).isoformat()
    for chat, name in ((origin, "origin"), (fork, "fork")):
        if rewritten in ("both", name):
            rewrite(chat)
    paths = [origin.write(), fork.write()]
    told = Told(codex.AGENT, *(reversed(paths) if backwards else paths))
    assert figures(told)[:2] == (2, 220)
    assert figures(told, FORK)[:2] == (1, 110)


@pytest.mark.parametrize("stages", [1, 2])
def test_an_imported_conversation_is_no_usage(tmp_path, stages):
    """pacphi/agentic-kit 221: its token count is an estimate of the context, without tokens."""
    chat = Codex(tmp_path)
    turn = {"turn_id": "external-import-turn-1"}
    chat.event("task_started", **turn).event("user_message", message="Oil it").answer("Oiled.")
    estimate = {**usage(0), "total_tokens": 5000}
    chat.count(estimate, estimate).event("task_complete", **turn)
    told = chat.told() if stages == 2 else None
    if told is not None:
        assert figures(told) == (0, 0, 0)
        assert told.facts(THREAD).title == "Oil it"
    own = {"turn_id": "019caa00-0001-7000-8000-000000000009"}
    chat.event("task_started", **own).event("user_message", message="Again").turn(**own)
    chat.count(usage(100, 0, 10), {**usage(100, 0, 10), "total_tokens": 5110}).write()
    told = told or Told(codex.AGENT)
    read_on(told.ledger, codex.AGENT, str(chat.path))
    assert figures(told) == (1, 110, 1)


def test_an_estimate_before_the_first_response_is_no_request(tmp_path):
    """A count with a total alone is the size of the context."""
    estimate = {**usage(0), "total_tokens": 5000}
    chat = Codex(tmp_path).turn().count(estimate, usage(0)).count(usage(100), usage(100))
    assert figures(chat.told()) == (1, 100, 0)


PROXY = "resp_ocx_0b1c2d3e4f5a4b6c8d7e9f0a1b2c3d4e"


@pytest.mark.parametrize("names", [("resp_1", "resp_2"), ("chatcmpl-7",) * 2, (PROXY,) * 2])
def test_ids_of_several_responses(tmp_path, names):
    """maximhq/bifrost 5319, lidge-jun/opencodex 940: numbered ids, and one id for a connection."""
    chats = [Codex(tmp_path, thread).turn(turn_id=thread) for thread in (THREAD, OTHER)]
    if names == (PROXY,) * 2:
        chats.pop()
    for chat in chats:
        for number, name in enumerate(names, 1):
            own = {"thread_id": chat.thread, "turn_id": chat.thread, "usage": usage(100, 0, 10)}
            total = usage(100 * number, 0, 10 * number)
            chat.add("token_usage_record", response_id=name, thread_token_usage=total, **own)
    copy = Codex(tmp_path, FORK, day="2026-03-03", forked_from_id=THREAD)
    copy.records += chats[0].records
    told = Told(codex.AGENT, *(chat.write() for chat in (copy, *chats)))
    assert {figures(told, chat.thread)[:2] for chat in chats} == {(2, 220)}
    assert told.total("tokens", "gpt-5-codex", "output") == 20 * len(chats)


def test_what_an_earlier_version_counted_is_not_counted_again(tmp_path):
    """It used the id of the response as the key."""
    chat = Codex(tmp_path).turn()
    chat.add("token_usage_record", response_id="resp_1", usage=usage(100))
    batch = codex.AGENT.read(str(chat.write()), Cursor())
    assert batch.events[0].other_keys == ("response:resp_1",)
