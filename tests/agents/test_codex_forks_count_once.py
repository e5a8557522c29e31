"""Codex: a fork or a subagent may begin with records of its origin, which count once.

Each test names the public report that it is based on.
"""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from driving import batches, read_on
from transcripts import Codex, Told, usage

from agtop_exporter.agents import codex
from agtop_exporter.model import TokenCounts

DAY = "2026-09-14"
TEN = datetime(2026, 9, 14, 10, tzinfo=UTC)
OWN = TokenCounts(input=300, cache_read=100, output=40)
TOTAL = usage(3400, 1000, 160)
MINUTE = timedelta(minutes=1)


def uuid7(moment, number=1):
    """Return a UUID of version 7 with a given time."""
    stamp = f"{int(moment.timestamp() * 1000):012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7000-8000-{number:012x}"


ORIGIN, FORK, OTHER = (uuid7(TEN + n * MINUTE, n + 61) for n in (-60, 0, 1))
OLD_TURN, OWN_TURN = uuid7(TEN - 30 * MINUTE, 7), uuid7(TEN, 8)


def origin(tmp_path, turn=None):
    """Return a thread of two responses."""
    chat = Codex(tmp_path, ORIGIN, day=DAY, timestamp="2026-09-14T09:00:00Z")
    chat.event("user_message", message="Go")
    if turn and turn.get("started_at"):
        chat.event("task_started", **turn)
    chat.turn(**{key: value for key, value in (turn or {}).items() if key == "turn_id"})
    chat.answer("Done.").count(usage(1000, 0, 50), usage(1000, 0, 50))
    chat.answer("Cleaned.").count(usage(2000, 900, 70), usage(3000, 900, 120))
    for number, record in enumerate(chat.records):
        record["timestamp"] = at(number - 3600)
    return chat


def at(seconds):
    """Return the time some seconds after ten o'clock."""
    return (TEN + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def fork(tmp_path, copies, *, thread=FORK, gap=None, meta=None):
    """Return a fork that repeats records, `gap` seconds apart or with their own times."""
    meta = {"forked_from_id": ORIGIN} if meta is None else meta
    chat = Codex(tmp_path, thread, day=DAY, timestamp=at(0), **meta)
    chat.records[0]["timestamp"] = at(0)
    times = {} if gap is None else {n: {"timestamp": at(n * gap)} for n in range(1, 99)}
    chat.records += [{**each, **times.get(n, {})} for n, each in enumerate(copies, 1)]
    return chat


def work(chat, seconds, *, turn=None, total=TOTAL, started=False):
    """Add a turn of the fork itself, which starts some seconds after ten o'clock."""
    begin = len(chat.records)
    if started:
        chat.event("task_started", **turn)
    chat.event("user_message", message="Go on")
    chat.turn(**{key: value for key, value in (turn or {}).items() if key == "turn_id"})
    chat.answer("Went on.").count(usage(400, 100, 40), total)
    if started:
        chat.event("task_complete", last_agent_message="Went on.", **turn)
    for number, record in enumerate(chat.records[begin:]):
        record["timestamp"] = at(seconds + number / 10)
    return chat


def told(*chats, backwards=False):
    paths = [chat.write() for chat in chats]
    return Told(codex.AGENT, *(reversed(paths) if backwards else paths))


def assert_own(known, thread=FORK, *, turns=1):
    session = known.session(thread)
    assert session.usage.tokens == OWN
    assert session.usage.requests == 1
    assert session.turns == turns
    assert session.facts.context_peak_tokens == 440
    assert known.signal(thread).kind == "idle"


both_orders = pytest.mark.parametrize(
    "backwards", [False, True], ids=["origin first", "fork first"]
)


@both_orders
@pytest.mark.parametrize("gap", [0.001, 0.4, 2.5])
def test_a_replay_with_new_times_over_many_seconds(tmp_path, gap, backwards):
    """ccusage/ccusage#1349."""
    source = origin(tmp_path)
    replayed = fork(tmp_path, source.records, gap=gap)
    known = told(source, work(replayed, 60), backwards=backwards)
    assert_own(known)
    assert known.session(ORIGIN).usage.requests == 2
    assert known.total("turns") == 2


def test_a_replay_does_not_change_the_provider(tmp_path):
    source = origin(tmp_path)
    source.records[0]["payload"]["model_provider"] = "ollama"
    settings = {"model": "gpt-5-codex", "model_provider_id": "lmstudio"}
    source.event("thread_settings_applied", thread_settings=settings)
    source.records[-1]["timestamp"] = source.records[-2]["timestamp"]
    meta = {"forked_from_id": ORIGIN, "model_provider": "azure"}
    path = work(fork(tmp_path, source.records, gap=0.4, meta=meta), 60).write()
    events = [event for each in batches(codex.AGENT, str(path)) for event in each.events]
    assert [event.provider for event in events if event.requests and not event.copied] == ["azure"]


def test_a_replay_whose_origin_is_gone(tmp_path):
    """chattymin/PokeTokenBar#128: the origin may have been deleted."""
    source = origin(tmp_path)
    assert_own(told(work(fork(tmp_path, source.records, gap=0.4), 60)))


@both_orders
@pytest.mark.parametrize("seconds", [0.2, 1.5, 40])
def test_a_replay_that_keeps_its_times(tmp_path, seconds, backwards):
    """ccusage/ccusage#1460: copied times span minutes; the first own turn follows at once."""
    source = origin(tmp_path)
    known = told(source, work(fork(tmp_path, source.records), seconds), backwards=backwards)
    assert_own(known)


@both_orders
@pytest.mark.parametrize("seconds", [0.1, 90])
@pytest.mark.parametrize("gap", [0.001, 2.5])
def test_turns_with_dated_ids(tmp_path, gap, seconds, backwards):
    """kenn-io/agentsview#657, junhoyeo/tokscale#734: an own turn may start in the same ms."""
    turn = {"turn_id": OLD_TURN, "started_at": 1}
    source = origin(tmp_path, turn)
    replayed = fork(tmp_path, source.records, gap=gap)
    after = max(seconds, 10 * gap)
    known = told(
        source, work(replayed, after, turn={"turn_id": OWN_TURN}, started=True), backwards=backwards
    )
    assert_own(known)
    assert known.session(ORIGIN).usage.requests == 2
    assert known.total("turns") == 2


@both_orders
def test_a_rewritten_replay_without_the_origins_first_record(tmp_path, backwards):
    """0.171, `codex migrate-rollouts`: prompts of the origin were counted again in the fork."""
    source = origin(tmp_path, {"turn_id": OLD_TURN, "started_at": 1})
    prompt, begun, *rest = source.records[1:]
    replayed = fork(tmp_path, [begun, prompt, *rest], gap=0.001)
    own = work(replayed, 0.1, turn={"turn_id": OWN_TURN}, started=True)
    known = told(source, own, backwards=backwards)
    assert_own(known)
    assert known.session(ORIGIN).usage.requests == 2


def test_turns_with_undated_ids_that_say_when_they_began(tmp_path):
    """junhoyeo/tokscale#895."""
    old = {"turn_id": "8b7a9b1e-3c52-4e0c-9e0e-0d5c3a5b7f10", "started_at": 1_789_000_000}
    new = {"turn_id": "8b7a9b1e-3c52-4e0c-9e0e-0d5c3a5b7f11", "started_at": int(TEN.timestamp())}
    source = origin(tmp_path, old)
    replayed = fork(tmp_path, source.records, gap=0.01)
    assert_own(told(source, work(replayed, 0.2, turn=new, started=True)))


def test_the_threads_own_first_record_once_more_ends_the_replay(tmp_path):
    """farion1231/cc-switch#5235, junhoyeo/tokscale#719."""
    source = origin(tmp_path)
    replayed = fork(tmp_path, source.records, gap=0.01)
    replayed.records.append({**replayed.records[0], "timestamp": at(0.2)})
    assert_own(told(source, work(replayed, 0.3)))


def test_a_subagent_that_repeats_its_parents_first_record_only(tmp_path):
    """chattymin/PokeTokenBar#137: its running total starts at zero, and its first turn at once."""
    spawn = {"subagent": {"thread_spawn": {"parent_thread_id": ORIGIN}}}
    source = origin(tmp_path, {"turn_id": OLD_TURN, "started_at": 1})
    child = fork(tmp_path, source.records[:1], gap=0.001, meta={"source": spawn})
    own = {"turn": {"turn_id": OWN_TURN}, "total": usage(400, 100, 40), "started": True}
    known = told(source, work(child, 0.1, **own))
    assert_own(known)
    assert known.facts(FORK).parent_session_id == ORIGIN


def test_ids_that_only_look_as_if_they_had_a_time_tell_nothing(tmp_path):
    """A fork repeats the first record of its origin, and its turn ids look older."""
    source = origin(tmp_path, {"turn_id": OLD_TURN})
    thread = uuid7(TEN - 24 * 60 * MINUTE, 9)
    chat = fork(tmp_path, source.records, thread=thread, gap=0.01)
    known = told(source, work(chat, 60, turn={"turn_id": uuid7(TEN - 24 * 60 * MINUTE, 8)}))
    assert_own(known, thread)


@both_orders
@pytest.mark.parametrize("gap", [None, 0.1])
def test_a_fork_of_a_fork(tmp_path, gap, backwards):
    source = origin(tmp_path)
    first = work(fork(tmp_path, source.records, gap=gap), 20)
    again = fork(tmp_path, first.records, thread=OTHER, gap=gap, meta={"forked_from_id": FORK})
    shift = timedelta(minutes=1)
    if gap is not None:
        for record in again.records:
            time = datetime.fromisoformat(record["timestamp"]) + shift
            record["timestamp"] = time.isoformat().replace("+00:00", "Z")
    again.records[0]["timestamp"] = at(60)
    again.records[0]["payload"]["timestamp"] = at(60)
    known = told(source, first, work(again, 90, total=usage(3800, 1100, 200)), backwards=backwards)
    assert_own(known)
    assert_own(known, OTHER)
    assert known.total("requests", "gpt-5-codex") == 4


def test_forks_of_the_same_size_are_two(tmp_path):
    """junhoyeo/tokscale#679."""
    source = origin(tmp_path)
    chats = [
        work(fork(tmp_path, source.records, gap=0.001, thread=thread), 60)
        for thread in (FORK, OTHER)
    ]
    known = told(source, *chats)
    assert_own(known)
    assert_own(known, OTHER)


def test_limits_of_a_copy_are_not_the_latest(tmp_path):
    source = origin(tmp_path)
    limits = {"primary": {"used_percent": 50, "window_minutes": 300}, "plan_type": "pro"}
    source.event("token_count", info=None, rate_limits=limits)
    source.records[-1]["timestamp"] = at(-600)
    replayed = fork(tmp_path, source.records, gap=0.01)
    known = told(source, replayed)
    assert (
        known.ledger.rate_limits["codex", "", "5h"].observed_at == (TEN - 10 * MINUTE).timestamp()
    )
    assert known.facts(FORK).subscription == "ChatGPT Pro"


def test_a_review_without_a_parent_belongs_to_its_root(tmp_path):
    review = {"id": FORK, "session_id": ORIGIN, "source": {"subagent": "review"}}
    chat = Codex(tmp_path, FORK, begun=False).add("session_meta", **review)
    chat.turn().count(usage(10, 0, 1), usage(10, 0, 1))
    known = told(chat)
    assert known.facts(FORK).parent_session_id == ORIGIN
    assert known.session(FORK).usage.requests == 1


@both_orders
def test_a_later_part_of_a_thread_goes_on_with_its_total(tmp_path, backwards):
    """farion1231/cc-switch#6905."""
    source = origin(tmp_path, {"turn_id": OLD_TURN, "started_at": 1})
    base = {"thread_id": ORIGIN, "end_ordinal_exclusive": 9, "end_byte_offset": 900}
    part = Codex(tmp_path, ORIGIN, day=DAY, history_base=base)
    part.path = tmp_path / f"rollout-2026-09-14T10-00-00-{ORIGIN}_{FORK}.jsonl"
    part.event("task_started", turn_id=OWN_TURN)
    part.turn(turn_id=OWN_TURN).count(usage(2000, 900, 70), usage(3000, 900, 120))
    part.answer("Went on.").count(usage(400, 100, 40), TOTAL).count(usage(400, 100, 40), TOTAL)
    known = told(source, part, backwards=backwards)
    assert known.session(ORIGIN).usage.requests == 3
    assert known.session(ORIGIN).usage.tokens.input == 1000 + 1100 + 300


def test_a_later_part_without_its_head_has_the_id_of_its_thread(tmp_path):
    part = Codex(tmp_path, begun=False).turn().count(usage(10), usage(10))
    part.path = tmp_path / f"rollout-2026-09-14T10-00-00-{ORIGIN}_{FORK}.jsonl"
    assert told(part).session(ORIGIN).usage.requests == 1


def test_a_subagent_that_is_called_a_fork_and_begins_at_zero(tmp_path):
    """steipete/CodexBar#2193."""
    chat = fork(tmp_path, [], meta={"forked_from_id": ORIGIN, "parent_thread_id": ORIGIN})
    own = {"turn": {"turn_id": OWN_TURN}, "total": usage(400, 100, 40), "started": True}
    assert_own(told(work(chat, 0.1, **own)))


@both_orders
@pytest.mark.parametrize("gap", [None, 0.01])
def test_a_subagent_repeats_the_counts_of_a_parent_that_has_records(tmp_path, gap, backwards):
    """getagentseal/codeburn#1383: the counts are copied, but not the records."""
    spawn = {"subagent": {"thread_spawn": {"parent_thread_id": ORIGIN}}}
    source = origin(tmp_path, {"turn_id": OLD_TURN, "started_at": 1})
    copies = [source.records[0], *source.records[2:]]
    record = {"response_id": "r1", "turn_id": OLD_TURN, "thread_id": ORIGIN}
    figures = {"usage": usage(1000, 0, 50), "thread_token_usage": usage(1000, 0, 50)}
    payload = {"timestamp": at(-3590), "type": "token_usage_record", "payload": record | figures}
    source.records.insert(5, payload)
    again = {"usage": usage(2000, 900, 70), "thread_token_usage": usage(3000, 900, 120)}
    payload = {**payload, "payload": record | again | {"response_id": "r2"}}
    source.records.insert(8, payload)
    child = fork(tmp_path, copies, gap=gap, meta={"source": spawn})
    own = {"turn": {"turn_id": OWN_TURN}, "total": usage(400, 100, 40), "started": True}
    known = told(source, work(child, 0.3, **own), backwards=backwards)
    assert_own(known)
    assert known.session(ORIGIN).usage.requests == 2
    assert known.total("requests", "gpt-5-codex") == 3


@pytest.mark.parametrize("gap", [None, 0.01])
def test_a_fork_that_does_nothing_has_no_usage(tmp_path, gap):
    """farion1231/cc-switch#5433: settings between copied counts do not end the copied part."""
    source = origin(tmp_path)
    settings = {"model": "gpt-5-codex", "service_tier": "default"}
    source.event("thread_settings_applied", thread_settings=settings)
    source.records.insert(-4, {**source.records.pop(), "timestamp": at(-3595)})
    known = told(source, fork(tmp_path, source.records, gap=gap))
    assert not known.session(FORK).usage.requests
    assert known.session(ORIGIN).usage.requests == 2


def test_a_fork_that_an_older_version_began_to_read_goes_on(tmp_path):
    """Its stored state lacks the newer fields, and its copied part has been read."""
    source = origin(tmp_path)
    replayed = work(fork(tmp_path, source.records, gap=0.001), 60)
    known = told(source, replayed)
    path = str(replayed.path)
    cursor = known.ledger.cursor("codex", path)
    state = msgspec.msgpack.decode(cursor.state)
    for field in ("version", "has_meta", "created", "is_own", "keeps_times", "previous"):
        state.pop(field, None)
    old = msgspec.structs.replace(cursor, state=msgspec.msgpack.encode(state))
    known.ledger.set_cursor("codex", path, old)
    replayed.records.append({**replayed.records[0], "timestamp": at(90)})
    replayed.seconds = 100
    replayed.count(usage(5, 0, 1), usage(3405, 1000, 161)).write()
    read_on(known.ledger, codex.AGENT, path)
    assert known.session(FORK).usage.requests == 2
    assert known.signal(FORK).kind == "idle"
