"""Every session of every agent is listed once and included in the sums, even old or empty ones."""

import pytest
from looking import EVENING, EVERY_AGENT, Look
from transcripts import Claude, Codex, usage

from agtop_exporter.agents import Agent, walk
from agtop_exporter.model import Batch, Cursor, SessionUpdate, TokenCounts, UsageEvent

DAY = 86_400.0
NAMES = [f"{digit * 8}-1111-4111-8111-111111111111" for digit in "1234"]
PRICES = {"a-model": {"input": 100.0, "output": 100.0}}  # 1,000 tokens are 0.10 USD


def claude(home, name, tokens, *, day="2026-03-02", model="a-model"):
    chat = Claude(home / ".claude/projects/-engine", name, day=day, model=model)
    chat.assistant(f"m-{name}", usage={"input_tokens": tokens, "output_tokens": 0})
    return chat.write()


def codex(home, tokens):
    chat = Codex(home / ".codex/sessions/2026/03/02")
    return chat.turn("a-model").count(usage(tokens), usage(tokens)).write()


def test_s01_the_agents():
    names = [agent.name for agent in EVERY_AGENT]
    assert names == sorted(names)
    seven = {"claude", "codex", "opencode", "copilot", "gemini", "cursor", "antigravity"}
    assert seven <= set(names)
    assert len({agent.title for agent in EVERY_AGENT}) == len(names)


def test_l01_without_agents_there_is_nothing(tmp_path):
    claude(tmp_path, NAMES[0], 1_000)
    document = Look(tmp_path, agents=()).document()
    assert (document["sessions"], document["agents"]) == ([], [])
    assert document["totals"]["tokens"]["total"] == document["totals"]["sessions"] == 0


def test_l02_an_agent_with_one_session(tmp_path):
    """For every agent, the listed session equals the result of its reader."""
    (tmp_path / "one.log").write_text("x")

    def read(path, _cursor):
        event = UsageEvent("k", "s-1", EVENING, "a-model", TokenCounts(input=42), requests=1)
        update = SessionUpdate(session_id="s-1", data_path=path, last_active=EVENING)
        place = (tmp_path / "one.log").stat()
        cursor = Cursor(place.st_dev, place.st_ino, place.st_size, place.st_mtime_ns, 1)
        return Batch("one", path, cursor, events=(event,), sessions=(update,))

    one = Agent(
        name="one",
        title="One",
        roots=lambda home, _environment: (home,),
        files=lambda root: walk(root, suffix=".log", depth=0),
        read=read,
    )
    look = Look(tmp_path, agents=[one])
    for _ in range(2):
        ((session_id, session),) = look.sessions().items()
        assert (session["agent"], session_id, session["tokens"]["total"]) == ("one", "s-1", 42)


@pytest.mark.slow
@pytest.mark.parametrize("files", [0, 3])
def test_c09_c11_x05_looked_at_twice_it_is_the_same(tmp_path, files):
    for name in NAMES[:files]:
        claude(tmp_path, name, 1_000)
    look = Look(tmp_path)
    first = look.document()
    assert (len(first["sessions"]), first["rate_limits"]) == (files, [])
    again = look.document()
    for document in (first, again):
        for agent in document["agents"]:
            agent.pop("scan_duration_seconds")
    assert again == first


@pytest.mark.slow
def test_r12_what_comes_later_is_added_and_what_grows_replaces_itself(tmp_path):
    look = Look(tmp_path)
    claude(tmp_path, NAMES[0], 1_000)
    assert list(look.sessions()) == [NAMES[0]]
    claude(tmp_path, NAMES[1], 500)
    claude(tmp_path, NAMES[0], 1_700)
    sessions = look.sessions()
    assert sorted(sessions) == NAMES[:2]
    assert sessions[NAMES[0]]["tokens"]["total"] == 1_700


def by_agent(samples, name):
    """Sum a metric by its first label."""
    sums = {}
    for (metric, *labels), value in samples.items():
        if metric == name:
            sums[labels[0]] = sums.get(labels[0], 0) + value
    return {agent: value for agent, value in sums.items() if value}


@pytest.mark.slow
def test_a01_what_a_day_adds_is_known_by_agent(tmp_path):
    """The counters include the history, and their increase is the usage of the day."""
    claude(tmp_path, NAMES[0], 9_000, day="2026-02-28")
    look = Look(tmp_path, prices=PRICES)
    before = look.samples()
    claude(tmp_path, NAMES[1], 1_000)
    claude(tmp_path, NAMES[2], 500)
    codex(tmp_path, 2_000)
    after = look.samples()
    for name, grown in (
        ("agtop_tokens_total", {"claude": 1_500, "codex": 2_000}),
        ("agtop_cost_usd_total", {"claude": 0.15, "codex": 0.2}),
        ("agtop_sessions_started_total", {"claude": 2, "codex": 1}),
    ):
        old, new = by_agent(before, name), by_agent(after, name)
        assert {agent: new[agent] - old.get(agent, 0) for agent in new} == pytest.approx(grown)


@pytest.mark.slow
def test_a02_a_session_that_cost_nothing_is_summed_with_the_others(tmp_path):
    claude(tmp_path, NAMES[0], 1_000)
    claude(tmp_path, NAMES[1], 0)
    document = Look(tmp_path, prices=PRICES).document()
    assert document["totals"]["sessions"] == 2
    assert document["totals"]["cost"]["total_usd"] == 0.1
    costs = {s["session_id"]: s["cost"]["total_usd"] for s in document["sessions"]}
    assert costs == {NAMES[0]: 0.1, NAMES[1]: 0.0}


@pytest.mark.slow
def test_a03_a_session_of_a_year_ago_is_in_the_sums(tmp_path):
    claude(tmp_path, NAMES[0], 1_000, day="2025-03-02")
    claude(tmp_path, NAMES[1], 500)
    look = Look(tmp_path, prices=PRICES)
    totals = look.document()["totals"]
    assert (totals["sessions"], totals["tokens"]["total"]) == (2, 1_500)
    assert by_agent(look.samples(), "agtop_tokens_total") == {"claude": 1_500}


@pytest.mark.slow
def test_s13_a_model_without_a_price_is_named_with_its_agent(tmp_path):
    claude(tmp_path, NAMES[0], 1_000, model="a-model-of-tomorrow")
    look = Look(tmp_path)
    samples = look.samples()
    assert samples["agtop_unpriced_tokens_total", "claude", "a-model-of-tomorrow"] == 1_000
    assert look.sessions()[NAMES[0]]["cost"]["total_usd"] is None
