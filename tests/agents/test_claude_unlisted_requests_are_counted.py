"""Requests without a line in the transcript are counted from the sums in `cost-state` records.

No token counts twice, whatever the sums lack or contain in addition.
"""

import json
import shutil

import msgspec
import pytest
from driving import read_on
from hypothesis import given
from hypothesis import strategies as st
from looking import Look
from transcripts import SESSION, Claude, Told, tool, write

from agtop_exporter.agents import claude
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Cursor

FOLDER = ".claude/projects/-home-ada-engine"
OTHER = "22222222-2222-4222-8222-222222222222"
SONNET = "claude-sonnet-4-5"
HAIKU = "claude-haiku-4-5"


def add_sums(chat, **by_model):
    """Add a record with the sums (input, output) of some models."""
    usage = {
        name.replace("_", "-"): {
            "inputTokens": counts[0],
            "outputTokens": counts[1],
            "cacheReadInputTokens": 0,
            "cacheCreationInputTokens": 0,
            "webSearchRequests": 0,
            "costUSD": 0.25,
        }
        for name, counts in by_model.items()
    }
    return chat.untimed("cost-state", totalCostUSD=0.25, modelUsage=usage)


def sonnet(*counts):
    return {"claude_sonnet_4_5": counts}


def total(look):
    return sum(each["tokens"]["total"] for each in look.sessions().values())


def look_at(folder, **settings):
    return Look(folder, agents=(claude.AGENT,), **settings)


@pytest.fixture
def chat(tmp_path):
    """Return a session with one response of 15 tokens."""
    chat = Claude(tmp_path / FOLDER).user("Go").assistant("m1")
    chat.write()
    return chat


def add_subagent(chat, agent_id="a1", *, responses=1, stop="end_turn"):
    """Write the transcript of a subagent, with responses of 15 tokens, and add its result."""
    folder = chat.path.parent / SESSION / "subagents"
    own = Claude(folder, f"agent-{agent_id}")
    own.user("Look", agentId=agent_id, isSidechain=True, sessionId=SESSION)
    for number in range(responses):
        key = f"{agent_id}m{number}"
        own.assistant(key, stop=stop, agentId=agent_id, isSidechain=True, sessionId=SESSION)
    own.write()
    chat.assistant("call", tool("Agent"))
    chat.user(
        [{"tool_use_id": "toolu_1", "type": "tool_result", "content": "ok"}],
        toolUseResult={"status": "completed", "agentId": agent_id},
    )
    return own.path


def test_requests_of_other_models_are_counted(chat):
    add_sums(chat, **sonnet(10, 5), claude_haiku_4_5=(100, 20)).write()
    ledger = Told(claude.AGENT, chat.path)
    models = ledger.session(SESSION).models
    assert {model: usage.tokens.total for model, usage in models.items()} == {
        SONNET: 15,
        HAIKU: 120,
    }


def test_the_next_process_continues_the_sums(tmp_path, chat):
    add_sums(chat, **sonnet(110, 25))
    chat.user("Go on").assistant("m2")
    add_sums(chat, **sonnet(150, 37)).write()
    assert total(look_at(tmp_path)) == 187


def test_a_record_that_is_written_again_adds_nothing(tmp_path, chat):
    add_sums(chat, **sonnet(110, 25))
    add_sums(chat, **sonnet(110, 25)).write()
    assert total(look_at(tmp_path)) == 135


def test_sums_that_may_include_a_later_line_add_nothing(tmp_path, chat):
    for _ in range(2):
        add_sums(chat, **sonnet(22, 12))
    chat.assistant("late").write()
    assert total(look_at(tmp_path)) == 30


def test_the_mark_of_a_large_window_is_no_other_model(tmp_path, chat):
    add_sums(chat, **{f"{SONNET}[1m]": (12, 5)}).write()
    assert total(look_at(tmp_path)) == 17


def test_a_gateway_that_renames_the_model_adds_only_the_difference(tmp_path, chat):
    add_sums(chat, claude_opus_4_7=(12, 5)).write()
    assert total(look_at(tmp_path)) == 17


def test_sums_without_the_responses_of_a_killed_process_add_nothing(tmp_path, chat):
    chat.user("Killed").assistant("m2").user("Again").assistant("m3")
    add_sums(chat, **sonnet(22, 12)).write()
    assert total(look_at(tmp_path)) == 45


def test_the_sums_of_a_fork_add_nothing(tmp_path, chat):
    """They begin with the sums of the parent, which has counted its own requests."""
    add_sums(chat, **sonnet(110, 25)).write()
    fork = Claude(tmp_path / FOLDER, OTHER)
    fork.records = [
        {**record, "sessionId": OTHER, "requestSessionId": SESSION}
        for record in chat.records
        if record["type"] != "cost-state"
    ]
    fork.seconds = 10
    add_sums(fork.user("Fork").assistant("m2"), **sonnet(120, 30)).write()
    assert total(look_at(tmp_path)) == 135 + 15


def test_a_fork_without_a_copied_response_adds_nothing(tmp_path):
    """Copied prompts have no mark, and the sums of the parent may have its title."""
    chat = Claude(tmp_path / FOLDER).user("Go").user("Fork").assistant("m1")
    add_sums(chat, **sonnet(110, 25)).write()
    assert total(look_at(tmp_path)) == 15


def test_a_session_in_the_background_adds_nothing(tmp_path):
    chat = Claude(tmp_path / FOLDER).user("Go").assistant("m1", sessionKind="bg")
    add_sums(chat, **sonnet(110, 25)).write()
    assert total(look_at(tmp_path)) == 15


def test_subagents_are_counted_once(tmp_path, chat):
    add_subagent(chat, responses=2)
    add_sums(chat, **sonnet(10 + 10 + 20 + 100, 5 + 5 + 10 + 20)).write()
    assert total(look_at(tmp_path)) == 15 + 15 + 30 + 120


@pytest.mark.parametrize("first", [0, 1])
def test_the_order_of_the_files_changes_nothing(chat, first):
    paths = [chat.path, add_subagent(chat)]
    add_sums(chat, **sonnet(130, 35)).write()
    ledger = Ledger()
    for path in (paths[first], paths[1 - first]):
        read_on(ledger, claude.AGENT, str(path))
    assert tokens_in(ledger) == 165


def test_a_subagent_without_a_transcript_may_be_counted_already(tmp_path, chat):
    shutil.rmtree(add_subagent(chat).parent)
    add_sums(chat, **sonnet(130, 35)).write()
    assert total(look_at(tmp_path)) == 30


@pytest.mark.parametrize(("day", "expected"), [("2026-03-02", 60), ("2026-03-03", 180)])
def test_a_response_of_an_unfinished_subagent_may_be_written_later(tmp_path, chat, day, expected):
    """After `/clear`, it is even written in the folder of the next session."""
    add_subagent(chat, stop="tool_use")
    chat.day = day
    add_sums(chat.user("Go on").assistant("m3"), **sonnet(140, 40)).write()
    assert total(look_at(tmp_path)) == expected


def test_a_deleted_transcript_of_a_subagent_is_not_counted_again(chat):
    path = add_subagent(chat)
    add_sums(chat, **sonnet(130, 35)).write()
    ledger = Ledger()
    assert read_all(ledger, [chat.path, path]) == 165
    path.unlink()
    add_sums(chat.user("Go on").assistant("m3"), **sonnet(140, 40)).write()
    assert read_all(ledger, [chat.path]) == 180


def test_a_restart_changes_nothing(tmp_path, chat):
    state = tmp_path / "ledger.sqlite"
    path = add_subagent(chat)
    add_sums(chat, **sonnet(130, 35)).write()
    ledger = Ledger(state)
    assert read_all(ledger, [chat.path, path]) == 165
    ledger.commit()
    ledger.close()
    add_sums(chat.user("Go on").assistant("m3"), **sonnet(150, 45)).write()
    ledger = Ledger(state)
    assert read_all(ledger, [chat.path, path]) == 195
    ledger.forget_cursor(claude.AGENT.name, str(chat.path))
    assert read_all(ledger, [chat.path, path]) == 195
    ledger.close()


def test_usage_that_was_removed_is_not_counted_again(tmp_path, chat):
    """Cozempic removes the usage of responses."""
    look = look_at(tmp_path)
    assert total(look) == 15
    for record in chat.records:
        record.get("message", {}).pop("usage", None)
    add_sums(chat, **sonnet(110, 25)).write()
    assert total(look) == 15


def test_a_response_that_was_removed_is_not_counted_again(tmp_path, chat):
    """The ledger has its usage."""
    chat.user("Go on").assistant("m2").write()
    look = look_at(tmp_path)
    assert total(look) == 30
    del chat.records[3]
    add_sums(chat, **sonnet(20, 10)).write()
    assert total(look) == 30
    add_sums(chat.user("Go on").assistant("m3"), **sonnet(37, 15)).write()
    assert total(look) == 45 + 7


@pytest.mark.parametrize("parent", ["parentUuid", "logicalParentUuid"])
def test_a_transcript_without_its_first_message_adds_nothing(tmp_path, chat, parent):
    chat.records[0][parent] = "11111111-0"
    add_sums(chat, **sonnet(110, 25)).write()
    assert total(look_at(tmp_path)) == 15


def test_a_transcript_of_which_an_earlier_version_read_a_part_adds_nothing(chat):
    cursor = claude.AGENT.read(str(chat.path), Cursor()).cursor
    state = msgspec.msgpack.decode(cursor.state)
    assert state.pop("tally")
    cursor = msgspec.structs.replace(cursor, state=msgspec.msgpack.encode(state))
    add_sums(chat, **sonnet(110, 25)).write()
    assert not claude.AGENT.read(str(chat.path), cursor).events


@pytest.mark.parametrize("sums", ["{}", '{"a":3}', "null", '{"a":{"inputTokens":"x"}}'])
def test_damaged_sums_add_nothing(tmp_path, chat, sums):
    add_sums(chat, **sonnet(10, 5))
    chat.records[-1]["modelUsage"] = json.loads(sums)
    chat.write()
    assert total(look_at(tmp_path)) == 15


def test_requests_beside_a_service_tier_have_no_price(tmp_path):
    usage = {"input_tokens": 10, "output_tokens": 5, "service_tier": "priority"}
    chat = Claude(tmp_path / FOLDER).user("Go").assistant("m1", usage=usage)
    add_sums(chat, **sonnet(110, 25)).write()
    events = claude.AGENT.read(str(chat.path), Cursor()).events
    assert [event.speed for event in events if event.tokens.total] == ["priority", "unknown"]


def tokens_in(ledger):
    """Return the tokens in all totals of a ledger."""
    return sum(number for series, number in ledger.totals.items() if series[0] == "tokens")


counts = st.tuples(st.integers(0, 9), st.integers(0, 9))
runs = st.lists(
    st.fixed_dictionaries(
        {
            "responses": st.lists(counts, max_size=3),
            "unlisted": counts,
            "subagent": st.none() | counts,
            "is_killed": st.booleans(),
        }
    ),
    min_size=1,
    max_size=4,
)


class Session:
    """A session of several processes, of which some are killed."""

    def __init__(self, folder, steps):
        self.chat = Claude(folder).user("Go")
        self.listed = self.unlisted = 0  # tokens
        self.sums = (0, 0)
        self.subagents = []
        for number, step in enumerate(steps):
            self._run(number, step)

    def _run(self, number, step):
        spent = [*step["responses"], step["unlisted"]]
        for place, each in enumerate(step["responses"]):
            self._answer(self.chat, f"m{number}-{place}", each)
        if step["subagent"] is not None:
            spent.append(step["subagent"])
            name = f"agent-a{number}"
            own = Claude(self.chat.path.parent / SESSION / "subagents", name)
            own_fields = {"agentId": name[6:], "isSidechain": True, "sessionId": SESSION}
            self._answer(own, f"s{number}", step["subagent"], **own_fields)
            self.subagents.append(own.write())
        self.listed += sum(map(sum, spent)) - sum(step["unlisted"])
        self.unlisted += sum(step["unlisted"])
        if not step["is_killed"]:
            columns = zip(self.sums, *spent, strict=True)
            self.sums = tuple(sum(column) for column in columns)
            add_sums(self.chat, **sonnet(*self.sums))

    @staticmethod
    def _answer(chat, key, spent, **fields):
        usage = {"input_tokens": spent[0], "output_tokens": spent[1]}
        chat.assistant(key, usage=usage, **fields)


@pytest.mark.slow
@given(steps=runs, cuts=st.lists(st.floats(0, 1), max_size=3), main_first=st.booleans())
def test_all_requests_count_at_most_once(tmp_path_factory, steps, cuts, main_first):
    folder = tmp_path_factory.mktemp("home")
    session = Session(folder, steps)
    data = write(session.chat.path, *session.chat.records).read_bytes()
    grown = Ledger()
    if not main_first:
        read_all(grown, session.subagents)
    for cut in [*sorted(cuts), 1]:
        session.chat.path.write_bytes(data[: int(cut * len(data))])
        read_all(grown, [session.chat.path])
    read_all(grown, session.subagents)
    whole = read_all(Ledger(), [session.chat.path, *session.subagents])
    assert session.listed <= whole <= session.listed + session.unlisted
    assert tokens_in(grown) == whole
    if not any(step["is_killed"] for step in steps):
        assert whole == session.listed + session.unlisted
    shutil.rmtree(folder)


def read_all(ledger, paths):
    """Read files into a ledger, and return its tokens."""
    for path in paths:
        read_on(ledger, claude.AGENT, str(path))
    return tokens_in(ledger)
