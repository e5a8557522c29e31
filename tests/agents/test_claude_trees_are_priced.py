"""Claude Code: subagents add to the cost of a session, each at the price of its own model."""

import json

import pytest
from looking import Look
from transcripts import SESSION, Claude, tool

OTHER = "22222222-2222-4222-8222-222222222222"
SONNET = {"input": 3.0, "output": 15.0, "cache_read": 0.3, "cache_write_5m": 3.75}
HAIKU = {"input": 1.0, "output": 5.0, "cache_read": 0.1, "cache_write_5m": 1.25}
PROJECT = ".claude/projects/-home-ada-engine"


def figures(input_tokens, output, read=0, written=0):
    return {
        "input_tokens": input_tokens,
        "output_tokens": output,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
    }


def write_main(home):
    """Write two responses, one of them in two lines."""
    chat = Claude(home / PROJECT)
    chat.user("Go").assistant("mA", usage=figures(200, 10, 40, 10), stop=None)
    chat.assistant("mA", tool("Task"), usage=figures(200, 40, 40, 10), stop="tool_use")
    chat.assistant("mB", usage=figures(100, 80, 30, 5)).write()


def write_subagents(home, *, parent=SESSION):
    folder = home / PROJECT / parent / "subagents"
    for name, tokens in (("agent-aaaa", 50), ("agent-bbbb", 30)):
        child = Claude(folder, name, model="claude-haiku-4-5")
        child.session = parent
        child.assistant(name, usage=figures(tokens, 7, 11, 3), isSidechain=True, agentId=name[6:])
        child.write()


def usd(prices, counts):
    return sum(prices[kind] * counts[kind] for kind in prices) / 1e6


OWN = {"input": 300, "output": 120, "cache_read": 70, "cache_write_5m": 15}
CHILDREN = {"input": 80, "output": 14, "cache_read": 22, "cache_write_5m": 6}


@pytest.mark.slow
def test_c18_r07_a_tree(tmp_path):
    write_main(tmp_path)
    write_subagents(tmp_path)
    sessions = Look(tmp_path).sessions()
    parent = sessions[SESSION]
    assert {kind: parent["tokens"][kind] for kind in OWN} == OWN
    assert parent["tokens"]["cache_write_1h"] == 0
    assert parent["tokens"]["total"] == sum(OWN.values())
    assert parent["cost"]["total_usd"] == pytest.approx(usd(SONNET, OWN), rel=1e-12)
    assert parent["cost"]["included"] is False
    assert (parent["subagent_file_count"], parent["agent_turns"]) == (2, 2)
    assert parent["children"] == ["agent-aaaa", "agent-bbbb"]
    tree = {kind: OWN[kind] + CHILDREN[kind] for kind in OWN}
    assert {kind: parent["tree"]["tokens"][kind] for kind in tree} == tree
    both = usd(SONNET, OWN) + usd(HAIKU, CHILDREN)
    assert parent["tree"]["cost"]["total_usd"] == pytest.approx(both, rel=1e-12)
    assert set(parent["tree"]["models"]) == {"claude-sonnet-4-5", "claude-haiku-4-5"}


@pytest.mark.slow
def test_c13_subagents_are_sessions_with_the_account_of_their_parent(tmp_path):
    write_main(tmp_path)
    write_subagents(tmp_path)
    credentials = {"claudeAiOauth": {"rateLimitTier": "default_claude_max_5x"}}
    (tmp_path / ".claude/.credentials.json").write_text(json.dumps(credentials))
    sessions = Look(tmp_path).sessions()
    for name in ("agent-aaaa", "agent-bbbb"):
        child = sessions[name]
        assert child["parent_session_id"] == SESSION
        assert child["subscription"] == "Claude Max 5x" == sessions[SESSION]["subscription"]
        assert (child["model"], child["cwd"]) == ("claude-haiku-4-5", "/home/ada/engine")
        assert child["data_path"].endswith(f"/{SESSION}/subagents/{name}.jsonl")


@pytest.mark.slow
def test_c12_c19_the_subagents_of_another_session_are_not_its_own(tmp_path):
    write_main(tmp_path)
    write_subagents(tmp_path, parent=OTHER)
    parent = Look(tmp_path).sessions()[SESSION]
    assert {kind: parent["tokens"][kind] for kind in OWN} == OWN
    assert (parent["subagent_file_count"], parent["children"]) == (0, [])
    assert parent["tree"]["tokens"] == parent["tokens"]
    assert parent["tree"]["cost"] == parent["cost"]


@pytest.mark.slow
def test_totals_count_the_tree_once(tmp_path):
    write_main(tmp_path)
    write_subagents(tmp_path)
    totals = Look(tmp_path).document()["totals"]
    assert totals["tokens"]["total"] == sum(OWN.values()) + sum(CHILDREN.values())
    both = usd(SONNET, OWN) + usd(HAIKU, CHILDREN)
    assert totals["cost"]["total_usd"] == pytest.approx(both, rel=1e-12)


@pytest.mark.slow
def test_the_plan_changes_what_is_billed_alone(tmp_path):
    write_main(tmp_path)
    cost = Look(tmp_path, plan="max").sessions()[SESSION]["cost"]
    assert (cost["billed_usd"], cost["included"]) == (0.0, True)
    assert cost["total_usd"] == pytest.approx(usd(SONNET, OWN), rel=1e-12)
