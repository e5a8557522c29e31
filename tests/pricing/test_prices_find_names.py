"""A model is found under the names that routers, clouds and users give it."""

import pytest

from agtop_exporter.pricing import PriceBook
from agtop_exporter.pricing.names import candidates, without_speed

AT = 1_790_000_000.0  # 2026-09-21
BOOK = PriceBook()
REGIONAL = "regional.anthropic.claude-opus-4-6-v1:0"


@pytest.mark.parametrize(
    ("model", "provider", "found"),
    [
        ("claude-4.5-sonnet", "", "claude-sonnet-4-5"),
        ("claude-4-5-sonnet", "", "claude-sonnet-4-5"),
        ("claude-sonnet-4.5", "", "claude-sonnet-4-5"),
        ("sonnet-4.5", "", "claude-sonnet-4-5"),
        ("opus-4.6-thinking", "", "claude-opus-4-6"),
        ("claude-opus-4.6", "", "claude-opus-4-6"),
        ("claude-haiku-3-5", "", "claude-3-5-haiku-latest"),
        ("anthropic/claude-opus-4.6:beta", "", "claude-opus-4-6"),
        ("anthropic/claude-sonnet-4.5:thinking", "", "claude-sonnet-4-5"),
        ("anthropic/claude-opus-4.6:nitro", "openrouter", "anthropic/claude-opus-4.6"),
        ("anthropic/claude-opus-4.6:floor", "openrouter", "anthropic/claude-opus-4.6"),
        ("gpt-5-1", "", "gpt-5.1"),
        ("gpt-5-1-codex", "", "gpt-5.1"),
        ("qwen/qwen3-coder", "", "qwen/qwen3-coder"),
        ("qwen3-coder-plus", "", "dashscope/qwen3-coder-plus"),
        ("qwen3-coder-plus", "alibaba", "dashscope/qwen3-coder-plus"),
        ("qwen/qwen3-max", "", "dashscope/qwen3-max"),
        ("claude-opus-4-6", "togetherai", "claude-opus-4-6"),
        ("claude-opus-4.8", "github-copilot", "claude-opus-4.8"),
        ("claude-mythos-5", "", "claude-mythos-5"),
        ("devstral-latest", "mistral", "mistral/devstral-latest"),
        ("vertex_ai/claude-opus-4-6", "", "claude-opus-4-6"),
        ("claude-opus-4-6@default", "google-vertex", "claude-opus-4-6"),
        ("us.anthropic.claude-opus-4-6-v1", "amazon-bedrock", REGIONAL),
        ("azure/gpt-5.5", "", "gpt-5.5"),
        ("claude-opus-4.6-1m", "", "claude-opus-4-6"),
        ("claude-opus-4.7-1m-internal", "", "claude-opus-4-7"),
        ("gpt-5.2-high", "cursor", "gpt-5.2"),
        ("gpt-5.1-codex-max-xhigh", "", "gpt-5.1"),
        ("claude-4.5-opus-high", "", "claude-opus-4-5"),
        ("claude-4.6-sonnet-medium-thinking", "", "claude-sonnet-4-6"),
        ("claude-opus-4-7-thinking-high", "", "claude-opus-4-7"),
    ],
)
def test_a_name_is_found(model, provider, found):
    assert BOOK.card(model, at=AT, provider=provider).model == found


@pytest.mark.parametrize(
    "model",
    [
        "opus",
        "sonnet",
        "kimi-for-coding",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456",
        "claude-opus-4.10",
        "claude-5.9-sonnet",
        "gpt-5-9",
        "qwen/no-such-model",
        "anthropic/claude-opus-4.6:free",
        "anthropic/claude-opus-4.6:online",
        "claude-haiku-4-5-fast",
        "claude-haiku-4-5-high-fast",
        "gpt-5.9-codex-max",
        "gpt-5.9-sol-max",
        "gpt-5.9-sol-pro",
        "gpt-5.6-pro",
        "gpt-5.9-high",
        "devstral-medium",
    ],
)
def test_an_unknown_name_has_no_price(model):
    assert BOOK.card(model, at=AT) is None


def test_an_effort_changes_no_price():
    """Cursor's names of models have efforts (getagentseal/codeburn 294)."""
    for model in ("gpt-5.3-codex", "claude-4.6-opus"):
        standard = BOOK.card(model, at=AT)
        for effort in ("-low", "-high", "-xhigh", "-high-thinking", "-max-thinking"):
            found = BOOK.card(model + effort, at=AT)
            assert (found.tiers, found.speeds) == (standard.tiers, standard.speeds)
            found = BOOK.card(f"{model}{effort}-fast", at=AT)
            assert (found.tiers, found.speeds) == (standard.tiers_of("fast"), {})


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("claude-opus-4-8-max", "claude-opus-4-8"),
        ("cx/gpt-5.6-sol-ultra", "gpt-5.6-sol"),
        ("claude-opus-4-8[thinking=true,context=300k,effort=high]", "claude-opus-4-8"),
        ("claude-opus-4-8[effort=high,fast=true]", "claude-opus-4-8-fast"),
        ("grok-4.6[effort=high,fast=false]", "grok-4.6"),
        ("grok-4.6[effort=high,fast=true]", "grok-4.6-fast"),
        ("cursor-grok-4.6-high-fast", "grok-4.6-fast"),
        ("Gemini 3.8 Flash (High)", "gemini-3.8-flash"),
        ("Claude Opus 4.6 (Thinking)", "claude-opus-4-6"),
        ("gemini-3.7-flash-tiered", "gemini-3.7-flash"),
        ("GPT-5.3 Codex (extra high reasoning)", "gpt-5.3-codex"),
        ("GPT-5.3 Codex (low reasoning)", "gpt-5.3-codex"),
        ("claude-4.6-opus-fast-mode", "claude-opus-4-6-fast"),
        ("Grok Composer 2.5 Fast", "composer-2.5-fast"),
        ("anthropic--claude-4.6-sonnet", "claude-sonnet-4-6"),
        ("openai-codex:gpt-5.5", "gpt-5.5"),
        ("Qwen 3.7 Max", "qwen3.7-max"),
        ("qwen3p7-plus", "qwen3.7-plus"),
        ("kimi-k2p6", "kimi-k2.6"),
        ("k2d6-agent", "kimi-k2.6"),
        ("kimi-k2-6", "kimi-k2.6"),
        ("qwen3-6-plus", "qwen3.6-plus"),
        ("devstral-2", "devstral-2512"),
        ("kimi-k2-0905", "kimi-k2-0905-preview"),
        ("gemini-3-flash-a", "gemini-3.5-flash"),
        ("gemini-pro-agent", "gemini-3.1-pro-preview"),
        ("claude-3.7-sonnet-thought", "claude-3-7-sonnet-latest"),
        ("gpt-6.2-sol-pro", "gpt-6.2-sol"),
        ("openai/gpt-5.6-luna-pro", "gpt-5.6-luna"),
        ("gpt-5.6-sol-pro-max", "gpt-5.6-sol"),
        ("meta/muse-ember", "muse-ember-1.0"),
    ],
)
def test_names_that_agents_write_have_the_price_of_the_model(name, model):
    """Sources: Cursor's list of models, junhoyeo/tokscale 1019, getagentseal/codeburn 294.

    The aliases in src/models.ts of getagentseal/codeburn are another source.
    """
    found, expected = BOOK.card(name, at=AT), BOOK.card(model, at=AT)
    assert (found.tiers, found.speeds) == (expected.tiers, expected.speeds)


def test_a_name_of_antigravity_moved_to_another_model():
    before = PriceBook().card("gemini-3-flash-agent", at=1_778_000_000.0)  # 2026-05-05
    assert before.model == "gemini-3-flash-preview"


def test_a_price_of_the_user_applies_to_every_effort():
    book = PriceBook(overrides={"gpt-5.2": {"input": 7}})
    assert book.card("gpt-5.2-high", at=AT).tiers[0][1].input == 7_000_000
    assert book.context_window("gpt-5.2-high") == book.context_window("gpt-5.2")


def test_the_names_to_try_begin_with_the_name_itself():
    for name in ("claude-4.5-sonnet", "anthropic/claude-opus-4.6:beta", "gpt-5-1"):
        assert candidates(name)[0] == (name, "exact")
        assert len(candidates(name)) == len(dict(candidates(name)))


@pytest.mark.parametrize(
    ("model", "name", "speed"),
    [
        ("claude-opus-4-6-fast", "claude-opus-4-6", "fast"),
        ("claude-opus-4-6-fast[1m]", "claude-opus-4-6[1m]", "fast"),
        ("anthropic/claude-4.6-opus-fast-20260407", "anthropic/claude-4.6-opus-20260407", "fast"),
        ("grok-code-fast-1", "grok-code-fast-1", ""),
        ("-fast", "-fast", ""),
    ],
)
def test_a_speed_in_a_name(model, name, speed):
    assert without_speed(model) == (name, speed)
