"""Credential files give the name of a plan. No other content of them is shown."""

import base64
import json
import os
import shutil

import pytest
from looking import Look
from places import AGENT_FOLDERS
from running import once

from agtop_exporter.agents import codex
from agtop_exporter.agents.claude.account import account_plan as claude_plan
from agtop_exporter.agents.codex.account import account_plan as codex_plan
from agtop_exporter.credentials import claimed_plan, provider_accounts, selected_sign_in

pytestmark = pytest.mark.integration


def token(claims, *, padded=False):
    text = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
    return f"header.{text if padded else text.rstrip('=')}.signature"


def auth(plan):
    return {"https://api.openai.com/auth": {"chatgpt_plan_type": plan, "user": "canary"}}


@pytest.mark.parametrize(
    ("account", "plan"),
    [
        ({"rateLimitTier": "default_claude_pro"}, "Pro"),
        ({"rateLimitTier": "default_claude_max_5x"}, "Claude Max 5x"),
        ({"rateLimitTier": "default_claude_max_20x"}, "Claude Max 20x"),
        ({"rateLimitTier": "new", "subscriptionType": "max"}, "Max"),
        ({"rateLimitTier": "new"}, ""),
        ({"rateLimitTier": "", "subscriptionType": None}, ""),
        ({}, ""),
    ],
)
def test_c06_c10_claude_plans(account, plan, tmp_path):
    credentials = {"claudeAiOauth": {"accessToken": "canary", **account}}
    (tmp_path / ".credentials.json").write_text(json.dumps(credentials))
    assert claude_plan(tmp_path) == plan


@pytest.mark.parametrize("padded", [True, False])
def test_x02_chatgpt_plans(padded, tmp_path):
    tokens = {"id_token": token(auth("plus"), padded=padded), "access_token": "canary"}
    (tmp_path / "auth.json").write_text(json.dumps({"tokens": tokens}))
    assert codex_plan(tmp_path) == "ChatGPT Plus"


@pytest.mark.parametrize("padded", [True, False])
def test_x03_an_account_without_a_session(padded, tmp_path):
    tokens = {"id_token": token(auth("pro"), padded=padded)}
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/auth.json").write_text(json.dumps({"tokens": tokens}))
    assert codex.plan(tmp_path, {}) == "ChatGPT Pro"
    document = Look(tmp_path, agents=[codex.AGENT]).document()
    assert (document["sessions"], document["rate_limits"]) == ([], [])


@pytest.mark.parametrize("plan", ["", "f", "fo", "foo", "foob", "fooba", "foobar"])
def test_x01_claims_of_any_length(plan):
    assert claimed_plan(token(auth(plan))) == plan.capitalize()
    assert claimed_plan(token(auth(plan), padded=True)) == plan.capitalize()


@pytest.mark.parametrize("altchars", [b"-_", b"+/"])
def test_x01_both_alphabets(altchars):
    text = json.dumps({**auth("plus"), "name": "~?ÿ?>~?>ÿ~~"}, ensure_ascii=False)
    claims = base64.b64encode(text.encode(), altchars)
    assert set(altchars) <= set(claims)
    assert claimed_plan(f"header.{claims.decode()}.signature") == "Plus"


@pytest.mark.parametrize("text", ["", "one", "a.!!!.c", "a.e30.c", token([]), token(auth(7))])
def test_x01_a_token_that_is_none_claims_nothing(text):
    assert claimed_plan(text) == ""


@pytest.mark.parametrize("member", ["id_token", "access"])
def test_o22_opencode_keeps_the_same_token(member, tmp_path):
    entry = {"type": "oauth", "refresh": "canary", member: token(auth("pro"))}
    (tmp_path / "auth.json").write_text(json.dumps({"openai": entry}))
    assert provider_accounts(tmp_path) == {"openai": "ChatGPT Pro"}


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b"[]", b'{"tokens": 7}'])
def test_no_credentials_are_no_plan(content, tmp_path):
    if content is not None:
        (tmp_path / ".credentials.json").write_bytes(content)
        (tmp_path / "auth.json").write_bytes(content)
    assert claude_plan(tmp_path) == codex_plan(tmp_path) == ""
    assert provider_accounts(tmp_path) == {}


@pytest.mark.parametrize(
    ("provider", "account", "plan"),
    [
        ("openai-codex", {"type": "oauth", "access": token(auth("plus"))}, "ChatGPT Plus"),
        ("openai-codex", {"type": "oauth", "access": "opaque"}, "ChatGPT (OAuth)"),
        ("anthropic", {"type": "api_key", "key": "canary"}, "Anthropic API key"),
        ("deepseek", {"type": "api_key", "key": token(auth("plus"))}, "Deepseek API key"),
    ],
)
def test_accounts_of_pi(provider, account, plan, tmp_path):
    (tmp_path / "auth.json").write_text(json.dumps({provider: account}))
    assert provider_accounts(tmp_path) == {provider: plan}


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"security": {"auth": {"selectedType": "oauth-personal"}}}, "oauth-personal"),
        ({"selectedAuthType": "openai"}, "openai"),
        ({"security": {"auth": {}}}, ""),
        ({"security": 7}, ""),
        ([], ""),
    ],
)
def test_how_gemini_and_qwen_sign_in(settings, kind, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert selected_sign_in(tmp_path / "settings.json") == kind


@pytest.mark.slow
def test_pi_and_qwen_have_a_plan(tmp_path):
    shutil.copytree(AGENT_FOLDERS / "pi" / "home", tmp_path, dirs_exist_ok=True)
    shutil.copytree(AGENT_FOLDERS / "qwen" / "home", tmp_path, dirs_exist_ok=True)
    accounts = {"anthropic": {"type": "oauth", "access": "canary"}}
    (tmp_path / ".pi" / "agent" / "auth.json").write_text(json.dumps(accounts))
    settings = {"security": {"auth": {"selectedType": "qwen-oauth"}}}
    (tmp_path / ".qwen" / "settings.json").write_text(json.dumps(settings))
    document = once(tmp_path)
    told = {(each["agent"], each["subscription"]) for each in document["sessions"]}
    assert told >= {("pi", "Claude (OAuth)"), ("qwen", "Qwen account")}
    assert "canary" not in json.dumps(document)


def test_a_path_that_is_not_a_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "auth.json")
    assert provider_accounts(tmp_path) == {}
