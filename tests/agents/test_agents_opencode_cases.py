"""OpenCode: the cases of the acceptance list, for its database and its older JSON files.

Rows and files that change have tests in test_opencode_counts_once.
"""

import json

import pytest
from agent_files import write_document
from looking import Look
from opencode_homes import OpenCode, data_directory, write_database, write_files

from agtop_exporter.agents.opencode import AGENT

CANARY = "canary-of-a-credential"
BOTH = pytest.mark.parametrize("write", [write_database, write_files])


def seen(home):
    """Return the only session of a home."""
    (session,) = Look(home, agents=[AGENT]).sessions().values()
    return session


def accounts(home, **kinds):
    """Write `auth.json` from a mapping of providers to entry types."""
    entries = {
        name.replace("_", "-"): {"type": kind, "access": CANARY, "refresh": CANARY, "key": CANARY}
        for name, kind in kinds.items()
    }
    write_document(data_directory(home) / "auth.json", entries, indent=2)


def subscriptions(home):
    """Return the subscription of each session, and check that no credential is shown."""
    document = Look(home, agents=[AGENT]).document()
    assert CANARY not in json.dumps(document)
    return {one["session_id"]: one["subscription"] for one in document["sessions"]}


# --- effort and state -----------------------------------------------------------------------


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize(("variant", "effort"), [("max", "max"), ("", None), (None, None)])
def test_o01_o02_o03_o04_the_effort_is_that_of_the_prompt(tmp_path, write, variant, effort):
    prompt = {} if variant is None else {"variant": variant}
    write(tmp_path, OpenCode().user(**prompt).assistant(modelID="gpt-5.4", providerID="openai"))
    session = seen(tmp_path)
    assert session["model_effort"] == effort
    detail = "message.variant or model.variant" if effort else None
    assert session["model_effort_detail"] == detail


@pytest.mark.slow
def test_o05_o06_msg_2_comes_before_msg_10(tmp_path):
    chat = OpenCode().assistant().user("first", variant="low")
    for _ in range(7):
        chat.assistant()
    write_files(tmp_path, chat.user("last", variant="high"))
    session = seen(tmp_path)
    assert session["model_effort"] == "low"
    assert session["state"]["detail"] == "user.message"  # of msg_10


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize(("finish", "kind"), [("tool-calls", "running"), ("stop", "idle")])
def test_o12_o13_the_state_is_that_of_the_last_finish(tmp_path, write, finish, kind):
    write(tmp_path, OpenCode().user().assistant(finish=finish))
    now = 1_772_445_915.0  # a few seconds after its last change
    (session,) = Look(tmp_path, agents=[AGENT]).sessions(now).values()
    assert (session["state"]["kind"], session["state"]["detail"]) == (kind, f"finish={finish}")


# --- usage ----------------------------------------------------------------------------------


def two_answers():
    chat = OpenCode().user().assistant((200, 80, 0, 40, 10), finish="tool-calls").call("bash")
    return chat.assistant((150, 60, 5, 30, 5), finish="tool-calls").call("read")


def tokens(*, output):
    counts = {"input": 350, "cache_read": 70, "cache_write_5m": 15, "cache_write_1h": 0}
    return {**counts, "output": output, "reasoning": 5, "total": 435 + output}


@pytest.mark.slow
@pytest.mark.parametrize(("write", "output"), [(write_database, 145), (write_files, 140)])
def test_o25_o30_two_answers_add_up(tmp_path, write, output):
    """Reasoning is not part of `output`, except in versions up to 1.1."""
    write(tmp_path, two_answers())
    assert seen(tmp_path)["tokens"] == tokens(output=output)


@pytest.mark.slow
@pytest.mark.parametrize(("write", "output"), [(write_database, 145), (write_files, 140)])
def test_o28_o33_o36_they_cost_what_they_cost_at_retail_with_their_reasoning(
    tmp_path, write, output
):
    write(tmp_path, two_answers())
    cost = seen(tmp_path)["cost"]
    per_million = 350 * 3 + 70 * 0.3 + 15 * 3.75 + output * 15
    assert cost["total_usd"] == pytest.approx(per_million / 1e6, rel=1e-12)
    assert cost["output_usd"] == pytest.approx(output * 15 / 1e6, rel=1e-12)
    assert cost["included"] is False


@BOTH
def test_o26_o31_calls_are_counted_by_their_parts(tmp_path, write):
    write(tmp_path, two_answers().call("read"))
    assert seen(tmp_path)["tools"] == {"bash": 1, "read": 2}


def test_o26_without_parts_a_message_that_ends_with_calls_is_one(tmp_path):
    write_database(tmp_path, two_answers().assistant(), parts=False)
    session = seen(tmp_path)
    assert (session["tool_calls"], session["tools"]) == (2, {"unknown": 2})


@BOTH
def test_o27_the_duration_is_the_sessions_own(tmp_path, write):
    write(tmp_path, two_answers())
    assert seen(tmp_path)["duration_seconds"] == 300


@BOTH
def test_o32_a_prompt_is_no_answer(tmp_path, write):
    tokens_of_a_prompt = {"input": 999, "output": 999}
    write(tmp_path, two_answers().user("again", tokens=tokens_of_a_prompt))
    session = seen(tmp_path)
    assert (session["agent_turns"], session["user_turns"]) == (2, 2)
    assert session["tokens"]["input"] == 350


# --- accounts and limits --------------------------------------------------------------------


HEADERS = {
    "5h-utilization": "0.64",
    "5h-reset": "1772460000",
    "7d-utilization": "0.05",
    "7d-reset": "1772900000",
    "representative-claim": "five_hour",
}
BEFORE_RESET = 1_772_450_000.0


@BOTH
def test_o07_a_refusal_tells_the_windows(tmp_path, write):
    headers = {f"anthropic-ratelimit-unified-{name}": value for name, value in HEADERS.items()}
    error = {"name": "APIError", "data": {"statusCode": 429, "responseHeaders": headers}}
    accounts(tmp_path, anthropic="oauth")
    write(tmp_path, OpenCode().user().assistant((0, 0, 0, 0, 0), finish=None, error=error))
    limits = Look(tmp_path, agents=[AGENT]).document(BEFORE_RESET)["rate_limits"]
    told = [(one["window"], one["used_ratio"], one["resets_at"]) for one in limits]
    assert told == [
        ("5h", 0.64, "2026-03-02T14:00:00.000Z"),
        ("weekly", 0.05, "2026-03-07T16:13:20.000Z"),
    ]
    assert {one["observed_at"] for one in limits} == {"2026-03-02T10:01:00.000Z"}


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize(
    ("kind", "account"), [("api", "Anthropic API key"), ("oauth", "Claude (OAuth)")]
)
def test_o08_o10_an_account_has_no_windows_before_one_is_recorded(tmp_path, write, kind, account):
    accounts(tmp_path, anthropic=kind)
    write(tmp_path, two_answers())
    document = Look(tmp_path, agents=[AGENT]).document()
    assert document["rate_limits"] == []
    assert document["sessions"][0]["subscription"] == account


def test_o09_nothing_is_nothing(tmp_path):
    document = Look(tmp_path, agents=[AGENT]).document()
    assert (document["sessions"], document["rate_limits"]) == ([], [])
    (agent,) = document["agents"]
    assert (agent["enabled"], agent["up"]) == (False, None)


@pytest.mark.slow
@BOTH
def test_without_credentials_the_plan_is_unknown(tmp_path, write):
    write(tmp_path, two_answers())
    assert seen(tmp_path)["subscription"] is None


def of_providers(*providers):
    return [
        OpenCode(f"ses_{name}").user().assistant(providerID=name, modelID="a-model")
        for name in providers
    ]


@pytest.mark.slow
@BOTH
def test_o11_o22_every_provider_has_its_account(tmp_path, write):
    names = ("anthropic", "openai", "github-copilot", "amazon-bedrock", "my-lab", "unheard-of")
    write(tmp_path, *of_providers(*names))
    accounts(
        tmp_path,
        **dict.fromkeys(("anthropic", "openai", "github_copilot"), "oauth"),
        **dict.fromkeys(("amazon_bedrock", "my_lab"), "api"),
        unheard_of="wellknown",
    )
    assert subscriptions(tmp_path) == {
        "ses_anthropic": "Claude (OAuth)",
        "ses_openai": "ChatGPT (OAuth)",
        "ses_github-copilot": "GitHub Copilot",
        "ses_amazon-bedrock": "Amazon Bedrock API key",
        "ses_my-lab": "My Lab API key",
        "ses_unheard-of": None,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("provider", "model", "account"),
    [
        ("github-copilot", "anthropic/claude-sonnet-4-5", "GitHub Copilot API key"),
        ("", "anthropic/claude-sonnet-4-5", "Claude (OAuth)"),
        ("", "anthropic.claude-sonnet-4-5", "Claude (OAuth)"),
        ("", "anthropics/claude-sonnet-4-5", None),
        ("", "claude-sonnet-4-5", None),
    ],
    ids=["O-23", "O-24", "O-24 with a dot", "O-24 another name", "O-24 no name"],
)
def test_the_provider_is_named_or_begins_the_models_name(tmp_path, provider, model, account):
    accounts(tmp_path, anthropic="oauth", github_copilot="api")
    write_database(tmp_path, OpenCode().assistant(providerID=provider, modelID=model))
    assert seen(tmp_path)["subscription"] == account


def test_the_account_is_that_of_the_last_answer(tmp_path):
    accounts(tmp_path, anthropic="oauth", openai="api")
    chat = OpenCode().assistant().assistant(providerID="openai", modelID="gpt-5.4")
    write_database(tmp_path, chat)
    assert seen(tmp_path)["subscription"] == "OpenAI API key"
