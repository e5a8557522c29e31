"""Copilot: totals at a shutdown that have decreased add their value, and never subtract."""

import json

import msgspec
import pytest
from driving import read_on
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from agtop_exporter.agents.copilot import AGENT
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import TokenCounts

SESSION = "99999999-9999-4999-8999-999999999999"
SONNET, HAIKU = "claude-sonnet-4.6", "claude-haiku-4.5"
PER_REQUEST = {"inputTokens": 1000, "cacheReadTokens": 600, "cacheWriteTokens": 100}


def totals(**requests):
    """Return the totals of some requests: 300 input, 600 read, 100 written, 10 output each."""
    return {
        model: {
            "requests": {"count": count},
            "usage": {name: count * each for name, each in PER_REQUEST.items()}
            | {"outputTokens": count * 10},
        }
        for model, count in requests.items()
    }


def shutdown(sonnet=0, haiku=0, *, snapshot=False):
    used = {SONNET: sonnet, HAIKU: haiku}
    metrics = totals(**{model: count for model, count in used.items() if count})
    told = {"accountingSnapshot": {"modelMetrics": metrics}} if snapshot else {}
    return [("session.shutdown", {"modelMetrics": metrics, **told})]


def answers(count, call=""):
    return [
        ("assistant.message", {"apiCallId": f"{call}{n}"} if call else {}) for n in range(count)
    ]


def recorded(count, call):
    """Return requests with usage records, each before the message that answers it."""
    usage = {"model": SONNET, **PER_REQUEST, "outputTokens": 10}
    records = [
        ("session.usage_record", {"usage": {**usage, "apiCallId": f"{call}{number}"}})
        for number in range(count)
    ]
    pairs = zip(records, answers(count, call), strict=True)
    return [record for pair in pairs for record in pair]


START, RESUME = [("session.start", {})], [("session.resume", {})]
COMPACTION = [("session.compaction_complete", {"success": True})]
FAILED_COMPACTION = [("session.compaction_complete", {"success": False})]


def lines(records):
    return [
        json.dumps(
            {
                "type": kind,
                "data": data,
                "id": f"id-{number}",
                "timestamp": f"2026-05-01T10:{number // 60:02}:{number % 60:02}Z",
            }
        )
        + "\n"
        for number, (kind, data) in enumerate(records)
    ]


def log(home):
    path = home / ".copilot" / "session-state" / SESSION / "events.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path


def requests_of(home, *steps, change="".join):
    """Return the requests of a log by model, and check that all their tokens are counted.

    `change` makes the text of the log from its lines.
    """
    path = log(home)
    path.write_text(change(lines([record for step in steps for record in step])))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    usage = ledger.sessions["copilot", SESSION].models
    for used in usage.values():
        counts, count = used.tokens, used.requests
        figures = (counts.input, counts.cache_read, counts.cache_write_5m, counts.output)
        assert figures == (count * 300, count * 600, count * 100, count * 10)
    return {model: used.requests for model, used in usage.items()}


FIRST_RUN = [*START, *answers(4), *shutdown(4), *RESUME]
CASES = {
    "totals go on": ([*FIRST_RUN, *answers(2), *shutdown(6)], {SONNET: 6}),
    "totals of each run": ([*FIRST_RUN, *answers(2), *shutdown(2)], {SONNET: 6}),
    "totals of each run, by chance equal": ([*FIRST_RUN, *answers(4), *shutdown(4)], {SONNET: 8}),
    "nothing was asked": ([*FIRST_RUN, *shutdown(4)], {SONNET: 4}),
    "requests without answers": ([*FIRST_RUN, *COMPACTION, *shutdown(3)], {SONNET: 7}),
    "a compaction begins them again": (
        [*FIRST_RUN, *answers(3), *COMPACTION, *answers(2), *shutdown(2)],
        {SONNET: 6},
    ),
    "after a compaction they pass the last": (
        [*FIRST_RUN, *answers(1), *COMPACTION, *answers(9), *shutdown(9)],
        {SONNET: 13},
    ),
    "and go on from there": (
        [
            *(*FIRST_RUN, *answers(3), *COMPACTION, *answers(2), *shutdown(2)),
            *(*RESUME, *answers(3), *shutdown(5)),
        ],
        {SONNET: 9},
    ),
    "a compaction that failed": (
        [*FIRST_RUN, *answers(1), *FAILED_COMPACTION, *answers(1), *shutdown(6)],
        {SONNET: 6},
    ),
    "one model falls, another goes on": (
        [*START, *answers(6), *shutdown(4, 2), *RESUME, *answers(4), *shutdown(3, 5)],
        {SONNET: 7, HAIKU: 5},
    ),
    "one model falls, another is new": (
        [*FIRST_RUN, *answers(1), *shutdown(1, 2)],
        {SONNET: 5, HAIKU: 2},
    ),
    "one model falls, another is gone and comes back": (
        [
            *(*START, *answers(6), *shutdown(4, 2), *RESUME, *COMPACTION, *answers(1)),
            *(*shutdown(1), *RESUME, *answers(4), *shutdown(3, 2)),
        ],
        {SONNET: 7, HAIKU: 4},
    ),
    "a model is missing once": (
        [
            *(*START, *answers(6), *shutdown(4, 2), *RESUME, *answers(2), *shutdown(6)),
            *(*RESUME, *answers(3), *shutdown(8, 3)),
        ],
        {SONNET: 8, HAIKU: 3},
    ),
    "a process was killed": (
        [*FIRST_RUN, *answers(5), *RESUME, *answers(2), *shutdown(6)],
        {SONNET: 6},
    ),
    "two processes, the larger first": (
        [*FIRST_RUN, *RESUME, *answers(5), *shutdown(7), *shutdown(6)],
        {SONNET: 9},
    ),
    "two processes, the smaller first": (
        [*FIRST_RUN, *RESUME, *answers(5), *shutdown(6), *shutdown(7)],
        {SONNET: 9},
    ),
    "two processes, and one after them": (
        [
            *(*FIRST_RUN, *RESUME, *answers(5), *shutdown(7), *shutdown(6)),
            *(*RESUME, *answers(1), *shutdown(7)),
        ],
        {SONNET: 10},
    ),
    "records, and totals that repeat them": (
        [*START, *recorded(3, "a"), *shutdown(3, snapshot=True)],
        {SONNET: 3},
    ),
    "two processes with records": (
        [
            *(*START, *recorded(3, "a"), *shutdown(3, snapshot=True), *RESUME, *RESUME),
            *(*recorded(4, "b"), *recorded(2, "c")),
            *(*shutdown(7, snapshot=True), *shutdown(5, snapshot=True)),
        ],
        {SONNET: 9},
    ),
    "the same, with totals of no kind told": (
        [
            *(*START, *recorded(3, "a"), *shutdown(3), *RESUME, *RESUME),
            *(*recorded(4, "b"), *shutdown(5), *shutdown(7)),
        ],
        {SONNET: 7},
    ),
    "an older version began": (
        [*FIRST_RUN, *recorded(2, "a"), *shutdown(6, snapshot=True)],
        {SONNET: 6},
    ),
    "an older version goes on": (
        [
            *START,
            *recorded(3, "a"),
            *shutdown(3, snapshot=True),
            *RESUME,
            *answers(2),
            *shutdown(5),
        ],
        {SONNET: 5},
    ),
}


@pytest.mark.parametrize(("records", "counted"), CASES.values(), ids=CASES)
def test_every_request_counts_once(tmp_path, records, counted):
    assert requests_of(tmp_path, records) == counted


CHANGES = {
    "the log follows itself": lambda texts: "".join(texts) * 2,
    "each record twice": lambda texts: "".join(text * 2 for text in texts),
    "two copies, one behind": lambda texts: "".join(
        a + b for a, b in zip([*texts, "", ""], ["", "", *texts], strict=True)
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(("records", "counted"), CASES.values(), ids=CASES)
def test_every_record_counts_once(tmp_path, records, counted, change):
    assert requests_of(tmp_path, records, change=change) == counted


@pytest.mark.slow
def test_a_long_log_that_follows_itself(tmp_path):
    """It has more records than are remembered, and then it goes on."""
    runs = [[*answers(300), *shutdown(300 * number), *RESUME] for number in (1, 2, 3)]
    records = [*START, *(record for run in runs for record in run), *answers(5)]
    texts = lines([*records, *answers(5), *shutdown(910)])
    path, ledger = log(tmp_path), Ledger()
    path.write_text("".join(texts[: len(records)] * 2 + texts[len(records) :]))
    read_on(ledger, AGENT, str(path))
    usage = ledger.sessions["copilot", SESSION].models[SONNET]
    assert (usage.requests, usage.tokens.output) == (910, 9100)


def test_totals_without_requests(tmp_path):
    """Decreasing tokens alone show that a new total has started."""
    records = []
    for count in (4, 3, 5):
        [(kind, data)] = shutdown(count)
        del data["modelMetrics"][SONNET]["requests"]
        records.append((kind, data))
    path = log(tmp_path)
    path.write_text("".join(lines(records)))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    assert ledger.sessions["copilot", SESSION].models[SONNET].tokens.output == 90


def test_a_cache_that_outweighs_its_input_is_no_fall(tmp_path):
    """Uncached input is a difference of running totals, so it may decrease while both grow."""
    first, second = shutdown(4), shutdown(6)
    second[0][1]["modelMetrics"][SONNET]["usage"]["cacheReadTokens"] = 5_300
    path = log(tmp_path)
    path.write_text("".join(lines([*START, *answers(4), *first, *RESUME, *answers(2), *second])))
    ledger = Ledger()
    read_on(ledger, AGENT, str(path))
    usage = ledger.sessions["copilot", SESSION].models[SONNET]
    counts = usage.tokens
    assert (usage.requests, counts.input, counts.cache_read, counts.output) == (6, 1200, 5300, 60)


def test_a_compaction_tells_how_many_requests_it_took(tmp_path):
    spent = {"model": SONNET, "inputTokens": 2000, "cacheReadTokens": 1200, "cacheWriteTokens": 200}
    told = {"success": True, "compactionTokensUsed": {**spent, "outputTokens": 20}}
    for count, counted in ((2, 2), (1, 1), (0, 1), (None, 1)):
        told["compactionTokensUsed"]["requestCount"] = count
        path = log(tmp_path)
        path.write_text("".join(lines([("session.compaction_complete", told)])))
        ledger = Ledger()
        read_on(ledger, AGENT, str(path))
        record = ledger.sessions["copilot", SESSION]
        assert (record.models[SONNET].requests, record.compactions) == (counted, 1)


def test_the_state_of_an_earlier_version_is_continued(tmp_path):
    """It stored the totals of the last shutdown, and the counts of answers."""
    path, ledger = log(tmp_path), Ledger()
    records = [*START, *answers(4), *shutdown(4), *RESUME, *answers(2), *shutdown(6)]
    path.write_text("".join(lines(records[:6])))
    read_on(ledger, AGENT, str(path))
    tokens = TokenCounts(input=1200, cache_read=2400, cache_write_5m=400, output=40)
    remembered = (SONNET, "", {}, {}, {}, False, 0, 4, {SONNET: (4, tokens)})
    state = msgspec.msgpack.encode(remembered)
    cursor = msgspec.structs.replace(ledger.cursor("copilot", str(path)), state=state)
    ledger.set_cursor("copilot", str(path), cursor)
    path.write_text("".join(lines(records)))
    read_on(ledger, AGENT, str(path))
    assert ledger.sessions["copilot", SESSION].models[SONNET].requests == 6


# --- whatever the tool did ------------------------------------------------------------------

KINDS = ("own", "all", "all since a compaction")
steps = st.lists(st.integers(1, 5) | st.sampled_from(["compaction", "resume"]), max_size=12)


@pytest.mark.slow
@given(kind=st.sampled_from(KINDS), steps=steps)
def test_all_that_totals_tell_is_counted(tmp_path, kind, steps):
    """Processes run one at a time, and each request has an answer. The totals are arbitrary."""
    records, running, base, lost = list(START), 0, 0, 0
    shut_down = 0
    for step in [*steps, "resume"]:
        if step == "compaction":
            records += COMPACTION
            if kind == "all since a compaction":
                lost += running
                base = running = 0
        elif step == "resume":
            records += shutdown(running if kind == "own" else base + running)
            shut_down += running
            base, running = base + running, 0
            records += RESUME
        else:
            records += answers(step)
            running += step
    counted = requests_of(tmp_path, records) if shut_down else {SONNET: 0}
    assert counted == {SONNET: shut_down}
    assert shut_down + lost == sum(step for step in steps if isinstance(step, int))


figures = st.integers(0, 5)
anything = st.one_of(
    st.sampled_from([START, RESUME, COMPACTION, FAILED_COMPACTION]),
    figures.map(answers),
    st.builds(recorded, figures, st.sampled_from("abc")),
    st.builds(shutdown, figures, figures, snapshot=st.booleans()),
)


@pytest.mark.slow
@given(found=st.lists(anything, max_size=15), data=st.data())
def test_no_total_ever_falls(tmp_path, found, data):
    """Reading in any parts and in any order only adds usage."""
    texts = lines([record for step in found for record in step])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=3)))
    path, ledger, before = log(tmp_path), Ledger(), {}
    for begin, end in zip([0, *cuts], [*cuts, len(texts)], strict=True):
        with path.open("a") as file:
            file.writelines(texts[begin:end])
        read_on(ledger, AGENT, str(path))
        ledger.commit()
        assert all(ledger.totals[series] >= value for series, value in before.items())
        before = dict(ledger.totals)
        for record in ledger.sessions.values():
            for usage in record.models.values():
                assert min(usage.requests, *astuple(usage.tokens)) >= 0
    whole = Ledger()
    read_on(whole, AGENT, str(path))
    assert [r.models for r in whole.sessions.values()] == [
        r.models for r in ledger.sessions.values()
    ]
