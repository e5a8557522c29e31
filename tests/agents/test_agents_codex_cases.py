"""Codex: cases that readers of its rollouts are known to get wrong.

The ids are those of the acceptance list. Plans and credentials have tests of their own.
"""

from datetime import datetime

import pytest
from driving import read_on
from hypothesis import given
from hypothesis import strategies as st
from looking import Look
from transcripts import THREAD, Codex, Told, usage, write

from agtop_exporter.agents import codex
from agtop_exporter.agents.codex.records import TotalUsage
from agtop_exporter.agents.codex.usage import growth, vector
from agtop_exporter.model import Cursor, Signal, TokenCounts

CHILD = "019caa00-0000-7000-8000-000000000002"


@pytest.fixture
def chat(tmp_path):
    return Codex(tmp_path)


def read(chat):
    return codex.AGENT.read(str(chat.write()), Cursor()).events


def text(words):
    return [{"type": "input_text", "text": words}]


def test_x04_rate_limits(chat):
    chat.event(
        "token_count",
        info=None,
        rate_limits={
            "primary": {"used_percent": 45.2, "window_minutes": 300, "resets_at": 1_772_460_000},
            "secondary": {"used_percent": 12, "window_minutes": 10_080, "resets_in_seconds": 60},
            "plan_type": "pro",
        },
    )
    told = chat.told()
    five_hours = told.ledger.rate_limits["codex", "", "5h"]
    weekly = told.ledger.rate_limits["codex", "", "weekly"]
    assert (five_hours.used_ratio, five_hours.resets_at) == (0.452, 1_772_460_000)
    assert (weekly.used_ratio, weekly.resets_at) == (0.12, weekly.observed_at + 60)
    assert told.facts(THREAD).subscription == "ChatGPT Pro"


def test_x06_the_title_is_what_was_typed(chat):
    chat.item("message", role="user", content=text("<environment_context></environment_context>"))
    chat.item("message", role="user", content=text("# AGENTS.md instructions"))
    chat.event("user_message", message="Oil the engine")
    assert chat.told().facts(THREAD).title == "Oil the engine"


def test_x07_a_name_overrides_it(chat):
    chat.event("thread_name_updated", thread_name="Named").event("user_message", message="Typed")
    assert chat.told().facts(THREAD).title == "Named"


def test_x08_a_subagent_has_a_parent(tmp_path, chat):
    chat.turn().count(usage(100, output=10), usage(100, output=10))
    source = {"subagent": {"thread_spawn": {"parent_thread_id": THREAD, "depth": 1}}}
    child = Codex(tmp_path, CHILD, source=source)
    child.turn().count(usage(50, output=5), usage(50, output=5))
    told = Told(codex.AGENT, chat.write(), child.write())
    assert told.facts(CHILD).parent_session_id == THREAD
    assert told.facts(CHILD).subagent
    assert told.facts(THREAD).parent_session_id == ""
    assert told.total("requests", "gpt-5-codex") == 2
    assert told.total("sessions_started") == 1


@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call", "local_shell_call"])
def test_x09_a_call_is_running(chat, kind):
    assert chat.item(kind, name="shell", call_id="c").told().signal(THREAD) == Signal(
        "running", "", kind, "shell"
    )


def test_x10_an_answer_is_idle(chat):
    signal = chat.answer("Done.", phase="final_answer").told().signal(THREAD)
    assert signal == Signal("idle", "", "assistant-final")


def test_x11_a_question_waits(chat):
    signal = chat.answer("Which one?", phase="final_answer").told().signal(THREAD)
    assert signal == Signal("waiting", "input", "assistant-question")


def test_x12_effort(chat):
    mode = {"mode": "default", "settings": {"reasoning_effort": "low"}}
    chat.turn(effort="high", collaboration_mode=mode).item("function_call", name="x", call_id="c")
    told = chat.told()
    assert (told.facts(THREAD).model_effort, told.signal(THREAD).kind) == ("high", "running")
    chat.turn(collaboration_mode=mode).turn()
    assert chat.told().facts(THREAD).model_effort == "low"


def test_x13_counts_without_a_running_total(chat):
    chat.turn().count(usage(100, 20, 50, 0)).count(usage(80, 10, 30, 5))
    assert chat.told().tokens(THREAD) == TokenCounts(150, 30, 0, 0, 80, 5)


def test_x14_calls_count_by_their_ids(chat):
    for call in ("c1", "c2", "c2"):
        chat.item("function_call", name="shell", call_id=call)
    chat.item("function_call", name="mcp__gears__turn", call_id="c3")
    assert chat.told().session(THREAD).tools == {"shell": 2, "mcp:gears": 1}


def test_x15_its_times(tmp_path):
    chat = Codex(tmp_path / ".codex/sessions")
    for _ in range(60):
        chat.event("agent_message", message="…")
    chat.write()
    session = Look(tmp_path).sessions()[THREAD]
    assert (session["started_at"], session["duration_seconds"]) == ("2026-03-02T10:00:01.000Z", 60)


def test_x16_it_costs_what_it_costs_at_retail(tmp_path):
    chat = Codex(tmp_path / ".codex/sessions").turn("gpt-5-codex")
    chat.count(usage(100, 20, 50, 0)).count(usage(80, 10, 30, 5)).write()
    cost = Look(tmp_path).sessions()[THREAD]["cost"]
    assert cost["total_usd"] == pytest.approx((150 * 1.25 + 30 * 0.125 + 80 * 10) / 1e6, rel=1e-12)
    assert (cost["billed_usd"], cost["included"]) == (cost["total_usd"], False)


def test_x18_a_repeated_total_counts_once(chat):
    first, both = usage(100, 20, 50), usage(300, 20, 90)
    chat.turn()
    for _ in range(3):
        chat.count(first, first)
    for _ in range(3):
        chat.count(usage(200, 0, 40), both)
    told = chat.told()
    assert told.tokens(THREAD) == TokenCounts(input=280, cache_read=20, output=90)
    assert told.session(THREAD).usage.requests == 2


def test_x18_the_same_figures_twice_are_two_requests(chat):
    figures = usage(100, 20, 50)
    chat.turn().count(figures, figures).count(figures, usage(200, 40, 100))
    assert chat.told().session(THREAD).usage.requests == 2


def test_x18_a_total_that_begins_again(chat):
    chat.turn().count(usage(900, 0, 90), usage(900, 0, 90))
    chat.count(usage(100, 0, 10), usage(100, 0, 10)).count(usage(50, 0, 5), usage(150, 0, 15))
    assert chat.told().tokens(THREAD) == TokenCounts(input=1_050, output=105)


def test_x18_totals_alone(chat):
    chat.turn()
    for total in (usage(100, 20, 10), usage(100, 20, 10), usage(160, 30, 15)):
        chat.count(None, total)
    told = chat.told()
    assert told.tokens(THREAD) == TokenCounts(input=130, cache_read=30, output=15)
    assert told.session(THREAD).usage.requests == 2


@pytest.mark.parametrize("fork_first", [False, True])
def test_x18_a_replayed_parent_adds_nothing(tmp_path, chat, fork_first):
    chat.event("user_message", message="Go").turn()
    chat.item("function_call", name="shell", call_id="c1")
    chat.count(usage(100, 20, 50), usage(100, 20, 50)).count(usage(80, 0, 30), usage(180, 20, 80))
    fork = Codex(tmp_path, CHILD, day="2026-03-03", forked_from_id=THREAD)
    moment = fork.records[0]["timestamp"]
    fork.records += [{**record, "timestamp": moment} for record in chat.records]
    fork.seconds = 30
    fork.event("user_message", message="Go elsewhere").turn("gpt-5-mini")
    fork.item("function_call", name="shell", call_id="c2")
    fork.count(usage(10, 0, 1), usage(190, 20, 81))
    paths = [chat.write(), fork.write()]
    told = Told(codex.AGENT, *(reversed(paths) if fork_first else paths))
    assert told.tokens(THREAD) == TokenCounts(input=160, cache_read=20, output=80)
    assert told.tokens(CHILD) == TokenCounts(input=10, output=1)
    assert told.total("tool_calls", "shell") == 2
    assert told.total("turns") == 2


def test_x18_a_fork_begins_at_its_parents_total(chat):
    """It repeats no records, but its running total continues that of the parent."""
    chat.turn().count(usage(10, 0, 1), usage(5_010, 0, 501))
    assert chat.told().tokens(THREAD) == TokenCounts(input=10, output=1)


def test_x18_an_estimate_after_a_compaction_is_no_request(chat):
    first = usage(100, 0, 10)
    chat.turn().count(first, first).add("compacted", message="")
    chat.count({**usage(0), "total_tokens": 12_792}, first)
    told = chat.told()
    assert told.session(THREAD).usage.requests == 1
    assert told.session(THREAD).compactions == 1
    assert told.facts(THREAD).context_used_tokens == 12_792


@pytest.mark.parametrize("count_first", [False, True])
def test_a_response_counts_by_its_record_or_its_count(chat, count_first):
    figures = usage(100, 20, 50)

    def record():
        chat.add(
            "token_usage_record",
            thread_id=THREAD,
            turn_id="t",
            response_id="r1",
            usage=figures,
            thread_token_usage=figures,
        )

    chat.turn(turn_id="t")
    if not count_first:
        record()
    chat.count(figures, figures)
    if count_first:
        record()
    told = chat.told()
    assert told.session(THREAD).usage.requests == 1
    assert told.tokens(THREAD) == TokenCounts(input=80, cache_read=20, output=50)


def test_x18_totals_alone_that_begin_again(chat):
    chat.turn()
    for total in (usage(900, 100, 90), usage(100, 0, 10), usage(150, 0, 15)):
        chat.count(None, total)
    assert chat.told().tokens(THREAD) == TokenCounts(input=950, cache_read=100, output=105)


@given(totals=st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), max_size=6))
def test_a_running_total_grows_by_what_it_adds(totals):
    """If any figure of a total decreases, a new total has started, and all of it counts."""
    before = ()
    for total in totals:
        grown = vector(growth(TotalUsage(*total), before))
        fallen = any(new < old for new, old in zip(total, before, strict=False))
        added = (
            total if fallen or not before else [n - o for n, o in zip(total, before, strict=True)]
        )
        assert grown == tuple(added)
        assert min(grown) >= 0
        before = vector(TotalUsage(*total))


def test_another_rollout_in_the_place_of_one_is_read_from_nothing(tmp_path, chat):
    """The state of the old file, such as its running total, is not used for the new file."""
    told = chat.turn().count(usage(10), usage(10)).told()
    other = Codex(tmp_path, CHILD, day="2026-03-01").turn("gpt-5").count(usage(10), usage(10))
    other.path = chat.path
    read_on(told.ledger, codex.AGENT, str(other.write()))
    assert told.session(CHILD).usage.requests == told.session(THREAD).usage.requests == 1
    assert told.session(CHILD).facts.started_at < told.session(THREAD).facts.started_at


def record(chat, response, figures, **fields):
    return chat.add("token_usage_record", response_id=response, usage=figures, **fields)


def test_a_record_without_the_threads_total_counts_once(chat):
    chat.turn(turn_id="t")
    record(chat, "r1", usage(100, 20, 50)).count(usage(100, 20, 50), usage(100, 20, 50))
    record(chat, "r2", usage(200, 20, 50)).count(usage(200, 20, 50), usage(300, 40, 100))
    told = chat.told()
    assert told.session(THREAD).usage.requests == 2
    assert told.tokens(THREAD) == TokenCounts(input=260, cache_read=40, output=100)


def test_counts_that_come_after_the_next_record(chat):
    """Codex writes the counts after the tools have run."""
    first, both = usage(100, 20, 50), usage(300, 40, 100)
    chat.turn(turn_id="t")
    record(chat, "r1", first, thread_token_usage=first)
    record(chat, "r2", usage(200, 20, 50), thread_token_usage=both)
    chat.count(first, first).count(usage(200, 20, 50), both)
    told = chat.told()
    assert told.session(THREAD).usage.requests == 2
    assert told.tokens(THREAD) == TokenCounts(input=260, cache_read=40, output=100)


def test_a_total_that_begins_again_may_come_by_the_same_figures(chat):
    once, twice = usage(100, 0, 10), usage(200, 0, 20)
    chat.turn().count(once, once).count(once, twice).count(once, once).count(once, twice)
    assert chat.told().session(THREAD).usage.requests == 4


def test_counts_without_a_total_in_the_same_moment(chat):
    """Equal figures are another response at another time; an equal record is the same response."""
    chat.turn().count(usage(100, 0, 10)).count(usage(200, 0, 10)).count(usage(200, 0, 10))
    chat.records[-2]["timestamp"] = chat.records[-3]["timestamp"]
    chat.records.append(chat.records[-1])
    assert chat.told().session(THREAD).usage.requests == 3


SPAWNED = {"subagent": {"thread_spawn": {"parent_thread_id": THREAD}}}


@pytest.mark.parametrize("meta", [{"forked_from_id": THREAD}, {"source": SPAWNED}])
@pytest.mark.parametrize("turn", [{"turn_id": "t1"}, {}], ids=["turn id", "no turn id"])
@pytest.mark.parametrize("times", ["new", "old"])
def test_a_replay_without_the_parents_first_record(tmp_path, chat, meta, turn, times):
    chat.turn(**turn).item("function_call", name="shell", call_id="c1")
    chat.count(usage(100, 20, 50), usage(100, 20, 50)).count(usage(80, 0, 30), usage(180, 20, 80))
    fork = Codex(tmp_path, CHILD, day="2026-03-03", **meta)
    moment = {"timestamp": fork.records[0]["timestamp"]} if times == "new" else {}
    fork.records += [{**each, **moment} for each in chat.records[1:]]
    fork.seconds = 30
    fork.turn(turn_id="t2").item("function_call", name="shell", call_id="c2")
    fork.count(usage(10, 0, 1), usage(190, 20, 81))
    for paths in ([chat.write(), fork.write()], [fork.write(), chat.write()]):
        told = Told(codex.AGENT, *paths)
        assert told.tokens(THREAD) == TokenCounts(input=160, cache_read=20, output=80)
        assert told.tokens(CHILD) == TokenCounts(input=10, output=1)


def test_a_thread_that_names_only_its_session(tmp_path):
    chat = Codex(tmp_path, begun=False).add("session_meta", session_id=CHILD)
    told = chat.turn().count(usage(10), usage(10)).told()
    assert told.session(CHILD).usage.requests == 1


def test_x18_a_question_mark_in_a_url(chat):
    assert chat.answer("See https://example.org/?q=1 for it.").told().signal(THREAD).kind == "idle"


@pytest.mark.parametrize(
    ("kind", "fields", "signal"),
    [
        ("task_started", {}, ("running", "")),
        ("turn_started", {}, ("running", "")),
        ("task_complete", {"last_agent_message": "Done."}, ("idle", "")),
        ("task_complete", {"last_agent_message": "Which?"}, ("waiting", "input")),
        ("task_complete", {"last_agent_message": None}, ("idle", "")),
        (
            "task_complete",
            {"error": {"codex_error_info": "usage_limit_exceeded"}},
            ("error", "usage_limit_exceeded"),
        ),
        ("task_complete", {"error": {"codex_error_info": {"http": 500}}}, ("error", "error")),
        ("turn_aborted", {"reason": "interrupted"}, ("idle", "")),
        ("exec_approval_request", {}, ("waiting", "permission")),
        ("apply_patch_approval_request", {}, ("waiting", "permission")),
        ("request_user_input", {}, ("waiting", "input")),
        ("error", {"message": "x"}, ("error", "error")),
        ("user_message", {"message": "x"}, ("running", "")),
    ],
)
def test_states(chat, kind, fields, signal):
    found = chat.event(kind, **fields).told().signal(THREAD)
    assert (found.kind, found.reason, found.detail) == (*signal, kind)


ESCALATED = '{"cmd": "touch x", "sandbox_permissions": "require_escalated"}'


def test_a_call_that_asks_for_permission_waits_until_it_is_made(chat):
    chat.event("task_started", turn_id="t")
    chat.item("function_call", name="exec_command", call_id="c", arguments=ESCALATED)
    chat.add("token_usage_record", response_id="r", usage=usage(10))
    found = chat.told().signal(THREAD)
    assert (found.kind, found.reason) == ("waiting", "permission")
    chat.event("item_completed", item={"type": "CommandExecution", "id": "i", "exit_code": 0})
    chat.item("function_call_output", call_id="c", output="done")
    assert chat.told().signal(THREAD).kind == "running"


def test_a_session_waits_while_its_subagent_must_ask(tmp_path):
    folder = tmp_path / ".codex" / "sessions" / "2026" / "03" / "02"
    parent = Codex(folder).turn().event("task_started")
    parent.item("function_call", name="spawn_agent", call_id="p").write()
    source = {"subagent": {"thread_spawn": {"parent_thread_id": THREAD, "depth": 1}}}
    child = Codex(folder, CHILD, source=source)
    for _ in range(4):
        child.turn()
    child.item("function_call", name="exec_command", call_id="c", arguments=ESCALATED).write()
    now = datetime.fromisoformat("2026-03-02T10:00:08Z").timestamp()
    look = Look(tmp_path, agents=(codex.AGENT,))
    states = {id_: session["state"] for id_, session in look.sessions(now).items()}
    assert {state["kind"] for state in states.values()} == {"waiting"}
    assert states[THREAD]["reason"] == "permission"
    parent.item("function_call_output", call_id="p", output="done").answer("Go on.")
    parent.event("agent_message", message="Go on.").write()
    assert look.sessions(now)[THREAD]["state"]["kind"] == "running"


def test_a_permission_that_was_refused_is_not_waited_for(chat):
    chat.event("task_started", turn_id="t")
    chat.item("custom_tool_call", name="exec", call_id="c", input=ESCALATED)
    assert chat.told().signal(THREAD).kind == "waiting"
    chat.item("custom_tool_call_output", call_id="c", output="refused").count(None)
    assert chat.told().signal(THREAD).kind == "running"
    chat.event("turn_aborted", reason="interrupted").count(None)
    assert chat.told().signal(THREAD).kind == "idle"


def test_an_answer_in_the_middle_of_a_turn_is_not_its_end(chat):
    chat.event("task_started", turn_id="t").answer("I will look.")
    assert chat.told().signal(THREAD).kind == "running"


def test_the_model_of_each_turn(chat):
    chat.turn("gpt-5").count(usage(10), usage(10)).turn("gpt-5-mini").count(usage(5), usage(15))
    models = chat.told().session(THREAD).models
    assert {name: used.tokens.input for name, used in models.items()} == {
        "gpt-5": 10,
        "gpt-5-mini": 5,
    }


def test_the_fullest_context_is_kept(chat):
    told = chat.turn().count(usage(900, output=50)).count(usage(100, output=5)).told()
    facts = told.facts(THREAD)
    assert (facts.context_used_tokens, facts.context_peak_tokens) == (105, 950)


@pytest.mark.parametrize(("tier", "speed"), [("fast", "priority"), ("default", ""), (None, "")])
def test_a_more_expensive_tier_is_recorded(chat, tier, speed):
    settings = {"model": "gpt-5-codex", "service_tier": tier, "reasoning_effort": "high"}
    chat.turn().event("thread_settings_applied", thread_settings=settings)
    batch = codex.AGENT.read(str(chat.count(usage(10, output=5)).write()), Cursor())
    assert [event.speed for event in batch.events] == [speed]
    assert batch.sessions[0].model_effort == "high"


def test_the_limits_of_single_models_do_not_hide_the_accounts(chat):
    window = {"used_percent": 40.0, "window_minutes": 300}
    chat.event("token_count", rate_limits={"limit_id": "codex", "primary": window})
    other = {**window, "used_percent": 90.0}
    chat.event("token_count", rate_limits={"limit_id": "codex_mini", "primary": other})
    (limit,) = codex.AGENT.read(str(chat.write()), Cursor()).rate_limits
    assert (limit.window, limit.used_ratio) == ("5h", 0.4)


def test_a_thread_without_its_first_record_is_named_by_its_file(tmp_path):
    chat = Codex(tmp_path, begun=False).turn().count(usage(10), usage(10))
    assert chat.told().session(THREAD).usage.requests == 1


def test_archived(tmp_path, chat):
    """`codex archive` moves a rollout. Its records are not counted again."""
    told = chat.turn().count(usage(10), usage(10)).told()
    before = dict(told.ledger.totals)
    moved = chat.path.rename(tmp_path / "archived.jsonl")
    read_on(told.ledger, codex.AGENT, str(moved))
    assert told.total("requests", "gpt-5-codex") == 1
    assert told.ledger.totals["tokens", "codex", "gpt-5-codex", "input"] == 10
    assert set(told.ledger.totals) == set(before)


def test_running_totals_may_be_large(chat):
    """The total of a long thread exceeds the size of any single request."""
    total = usage(5_000_000_000, 4_000_000_000, 9)
    chat.turn().count(usage(10, 0, 9), total).count(usage(10, 0, 9), total)
    told = chat.told()
    assert told.session(THREAD).usage.requests == 1
    assert told.ledger.totals.get(("parse_errors", "codex", "schema")) is None


def test_roots(tmp_path):
    found = codex.AGENT.roots(tmp_path, {"CODEX_HOME": "/a, /b"})
    assert [str(root) for root in found if tmp_path not in root.parents] == [
        "/a/sessions",
        "/a/archived_sessions",
        "/b/sessions",
        "/b/archived_sessions",
        "/a/multica-sessions",
        "/b/multica-sessions",
    ]
    assert codex.AGENT.roots(tmp_path, {})[0] == tmp_path / ".codex" / "sessions"


def test_a_rollout_without_its_head_is_that_of_its_name(tmp_path):
    """Codex creates a deleted rollout again, starting with the next record."""
    chat = Codex(tmp_path, begun=False).turn(cwd="/home/ada/engine").count(usage(10), usage(10))
    told = chat.told()
    assert told.session(THREAD).usage.requests == 1
    assert told.facts(THREAD).cwd == "/home/ada/engine"


@pytest.mark.parametrize("end", [" (1)", " 2", ".sync-conflict-20260302-100000-ABCDEFG", "-old"])
def test_a_copy_of_a_rollout_without_its_head_adds_nothing(tmp_path, end):
    """Names that file managers and Syncthing give to copies have the id of the thread too."""
    chat = Codex(tmp_path, begun=False).turn().count(usage(10), usage(10))
    original = chat.write()
    copy = original.with_name(f"{original.stem}{end}.jsonl")
    copy.write_bytes(original.read_bytes())
    told = Told(codex.AGENT, original, copy)
    assert told.total("requests", "gpt-5-codex") == 1
    assert [session.session_id for session in told.ledger.sessions.values()] == [THREAD]


def test_a_renamed_rollout_without_its_head_has_the_id_of_its_records(tmp_path):
    chat = Codex(tmp_path, begun=False).turn()
    chat.path = tmp_path / "saved.jsonl"
    record(chat, "r1", usage(10), thread_id=THREAD).count(usage(10), usage(10))
    told = chat.told()
    assert told.session(THREAD).usage.requests == 1


def test_a_first_record_that_comes_late_is_used(tmp_path):
    chat = Codex(tmp_path, begun=False).turn().count(usage(10), usage(10))
    chat.add("session_meta", id=THREAD, cwd="/home/ada/engine", cli_version="0.80.0")
    facts = chat.told().facts(THREAD)
    assert (facts.cwd, facts.agent_version) == ("/home/ada/engine", "0.80.0")


def test_counts_before_the_model_are_those_of_the_first_one_that_is_named(chat):
    """junhoyeo/tokscale#490: a continued thread writes counts before it names its model."""
    chat.count(usage(10), usage(10)).count(usage(20), usage(30))
    chat.turn("gpt-5").turn("gpt-5-mini").count(usage(5), usage(35))
    models = chat.told().session(THREAD).models
    assert {name: used.tokens.input for name, used in models.items()} == {
        "gpt-5": 30,
        "gpt-5-mini": 5,
    }


def test_a_model_that_is_named_in_a_later_read(chat):
    told = chat.count(usage(10), usage(10)).told()
    assert list(told.session(THREAD).models) == [""]
    chat.turn("gpt-5").count(usage(20), usage(30)).write()
    read_on(told.ledger, codex.AGENT, str(chat.path))
    assert list(told.session(THREAD).models) == ["gpt-5"]
    assert told.total("tokens", "unknown", "input") == 10
    assert told.total("tokens", "gpt-5", "input") == 20


def test_a_rollout_that_never_names_a_model_is_of_an_unknown_one(chat):
    told = chat.count(usage(10), usage(10)).told()
    assert told.session(THREAD).models[""].requests == 1


@pytest.mark.parametrize(
    ("tier", "speed"),
    [
        ("fast", "priority"),
        ("priority", "priority"),
        ("flex", "flex"),
        ("UltraFast", "ultrafast"),
        *((standard, "") for standard in ("default", "auto", None)),
    ],
)
def test_the_service_tier_is_that_of_the_settings(chat, tier, speed):
    chat.event("thread_settings_applied", thread_settings={"model": "gpt-5", "service_tier": tier})
    chat.count(usage(10), usage(10))
    batch = codex.AGENT.read(str(chat.write()), Cursor())
    assert [event.speed for event in batch.events if event.model] == [speed]


@pytest.mark.parametrize(
    ("model", "tier", "speed"),
    [
        ("openai/gpt-5.5", "fast", "priority"),
        ("codex-auto-review", "fast", "priority"),
        ("deepseek-v4", "fast", ""),
        ("openai/gpt-oss-20b", "priority", ""),
        ("deepseek-v4", "flex", "flex"),
    ],
)
def test_the_priority_tier_is_requested_of_openais_models_only(chat, model, tier, speed):
    """openai/codex#31284: Codex omits a tier that the catalog of models does not have."""
    chat.turn(model)
    chat.event("thread_settings_applied", thread_settings={"model": model, "service_tier": tier})
    chat.count(usage(10), usage(10))
    assert [event.speed for event in read(chat) if event.requests] == [speed]


def test_a_model_that_is_selected_without_a_turn_is_the_sessions(chat):
    chat.turn("gpt-5").count(usage(10), usage(10))
    chat.event("thread_settings_applied", thread_settings={"model": "gpt-5-mini"})
    told = chat.told()
    assert told.facts(THREAD).model == "gpt-5-mini"
    assert list(told.session(THREAD).models) == ["gpt-5"]


@pytest.mark.parametrize(
    ("attribution", "compaction"), [({"turn_attribution": {}}, "gpt-5"), ({}, "gpt-5-mini")]
)
def test_settings_that_change_in_a_turn_are_those_of_the_next_turn(chat, attribution, compaction):
    """0.171: the turn goes on as it began. A compaction before the next turn has the old model."""
    chat.event("task_started", turn_id="one", turn_attribution={}).turn("gpt-5")
    chat.count(usage(10), usage(10))
    selected = {"model": "gpt-5-mini", "service_tier": "priority"}
    chat.event("thread_settings_applied", thread_settings=selected)
    chat.count(usage(20), usage(30))
    chat.turn("gpt-5").event("thread_settings_applied", thread_settings=selected)  # compacted
    chat.count(usage(30), usage(60)).event("task_complete", turn_id="one")
    chat.event("task_started", turn_id="two", **attribution)
    chat.count(usage(40), usage(100)).turn("gpt-5-mini").count(usage(50), usage(150))
    events = [event for event in read(chat) if event.requests]
    expected = ["gpt-5", "gpt-5", "gpt-5", compaction, "gpt-5-mini"]
    assert [event.model for event in events] == expected
    assert [event.speed for event in events] == ["", "", "", "priority", "priority"]
    growing = Told(codex.AGENT)
    for end in range(1, len(chat.records) + 1):
        read_on(growing.ledger, codex.AGENT, str(write(chat.path, *chat.records[:end])))
    assert growing.session(THREAD).models == chat.told().session(THREAD).models
