"""A response of Qwen Code has two records without a common id, and counts once in any order."""

import json

import pytest
from agent_files import counted, write_lines

from agtop_exporter.agents.qwen import AGENT
from agtop_exporter.reading import seen

CHATS = ".qwen/projects/-engine/chats"


def base(number, session="a", **more):
    moment = f"2026-04-02T09:00:{number:02}Z"
    return {"uuid": f"u{number}", "sessionId": session, "timestamp": moment, **more}


def telemetry(number, tokens=10, **more):
    figures = dict.fromkeys(("cached_content_token_count", "thoughts_token_count"), 0)
    figures |= {"input_token_count": tokens, "output_token_count": 1}
    event = {"event.name": "qwen-code.api_response", "model": "m", **figures}
    event["total_token_count"] = tokens + 1
    payload = {"systemPayload": {"uiEvent": event}}
    return base(number, type="system", subtype="ui_telemetry", **payload, **more)


def answer(number, tokens=10, **more):
    usage = {"promptTokenCount": tokens, "candidatesTokenCount": 1, "totalTokenCount": tokens + 1}
    return base(number, type="assistant", model="m", usageMetadata=usage, **more)


def requests(home):
    return sum(record.usage.requests for record in counted(home, AGENT).values())


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([telemetry(1), answer(2), answer(2)], 1),
        ([telemetry(1), answer(2), telemetry(3), answer(4), answer(2), telemetry(1)], 2),
        ([answer(1), telemetry(2), telemetry(2), answer(1)], 1),
        ([answer(1), answer(1), answer(3)], 2),
        ([telemetry(1), telemetry(1), answer(2), answer(3)], 2),  # the last one has no telemetry
    ],
)
def test_copies_add_nothing(tmp_path, records, expected):
    write_lines(tmp_path / CHATS / "a.jsonl", *records)
    assert requests(tmp_path) == expected


@pytest.mark.parametrize("own", ["a", "z"])
def test_an_answer_before_its_telemetry_is_the_response_of_a_fork_too(tmp_path, own):
    """The fork has the two records in the other order, and is read before or after."""
    fork = {"forkedFrom": {"sessionId": own}, "session": "m"}
    write_lines(
        tmp_path / CHATS / f"{own}.jsonl", answer(1, session=own), telemetry(2, session=own)
    )
    write_lines(tmp_path / CHATS / "m.jsonl", telemetry(2, **fork), answer(1, **fork))
    assert requests(tmp_path) == 1


def test_all_responses_of_a_file_that_is_appended_to_itself_count_once(tmp_path, monkeypatch):
    """There are more than the parser remembers."""
    monkeypatch.setattr(seen, "SEEN_MAX", 16)
    records = [
        make(number, tokens=number // 2 % 7)
        for number in range(1, 60)
        for make in (telemetry, answer)
    ]
    for at, record in enumerate(records):
        record["uuid"] = f"n{at}"
    path = write_lines(tmp_path / CHATS / "a.jsonl", *records)
    once = requests(tmp_path)
    path.write_text(path.read_text() + "".join(json.dumps(each) + "\n" for each in records))
    assert requests(tmp_path) == once == 59
