"""The price is that of the seller, the region and the day that a record shows, in every source.

Each case had the price of another seller, region, day or kind of response. The expected rates are
those of the public lists, in USD per million tokens.
"""

import json
from datetime import datetime
from decimal import Decimal
from importlib.resources import files

import pytest
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from price_tables import usd_of

from agtop_exporter.model import TokenCounts
from agtop_exporter.pricing import PriceBook
from agtop_exporter.pricing.names import has_region, known_as

BOOK = PriceBook()


def card(model, provider="", day="2026-11-20"):
    return BOOK.card(
        model, at=datetime.fromisoformat(f"{day}T12:00Z").timestamp(), provider=provider
    )


def rates(model, provider="", day="2026-11-20"):
    """Return the rates of uncached input, cache reads and output of a short prompt."""
    return usd_of(card(model, provider, day).tiers[0][1])


@pytest.mark.parametrize(
    ("model", "provider", "usd"),
    [
        ("moonshotai/Kimi-K2.6", "deepinfra", (0.75, 0.15, 3.5)),
        ("anthropic/claude-4-opus", "deepinfra", (16.5, 16.5, 82.5)),
        ("openai/o4-mini", "replicate", (1, 1, 4)),
        ("mistralai/mistral-medium-3", "vertex_ai", (0.4, 0.4, 2)),
        ("moonshotai/Kimi-K2.6", "", (0.95, 0.16, 4)),
    ],
)
def test_a_maker_in_the_name_does_not_replace_the_seller(model, provider, usd):
    assert rates(model, provider) == usd


@pytest.mark.long
def test_each_seller_that_only_the_second_list_has_keeps_its_prices():
    """About 1,500 prices, compared with the text of the list."""
    text = files("agtop_exporter.pricing").joinpath("litellm.json").read_text("utf-8")
    sellers = get_snapshot().providers
    compared = 0
    for model, entry in json.loads(text, parse_float=Decimal)["models"].items():
        seller, keys = entry["litellm_provider"], ("input_cost_per_token", "output_cost_per_token")
        is_second = find_provider_by_id(sellers, known_as(seller)) is None
        if is_second and all(entry.get(key) for key in keys):
            first = card(model, seller).tiers[0][1]
            listed = [round(Decimal(entry[key]) * 10**12) for key in keys]
            assert [first.input, first.output] == listed, model
            compared += 1
    assert compared > 1000


def test_a_price_of_the_maker_is_marked():
    assert card("anthropic/claude-sonnet-5", "vercel").match == "maker"
    assert card("anthropic/claude-sonnet-5").match == "prefix-stripped"


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", (3.6, 0.36, 18)),
        ("bedrock/us-gov-west-1/anthropic.claude-sonnet-4-5-20250929-v1:0", (3.6, 0.36, 18)),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", (3.3, 0.33, 16.5)),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", (3, 0.3, 15)),
        ("eu.amazon.nova-pro-v1:0", (1.05, 0.2625, 4.2)),
        ("azure/eu/gpt-5.1", (1.375, 0.1375, 11)),
        ("azure/us-gov/gpt-5.1", (1.71875, 0.171875, 13.75)),
        ("azure/gpt-5.1", (1.25, 0.125, 10)),
    ],
)
def test_the_region_in_a_name_sets_the_price(model, usd):
    assert rates(model) == usd


@pytest.mark.parametrize("model", ["us.gpt-5", "azure/gpt-5", "anthropic/claude-opus-5", "eu/x"])
def test_a_name_without_a_region(model):
    assert not has_region(model)


def test_cache_reads_that_the_first_source_lacks_come_from_the_next():
    for provider in ("", "mistral"):
        assert rates("codestral-latest", provider) == (0.3, 0.03, 0.9)
    assert "cache_read" not in card("codestral-latest", "mistral").derived
    batch = card("codestral-latest", "mistral").speeds["batch"][0][1]
    assert batch.cache_read * 10 == batch.input


def test_a_cache_rate_that_no_source_lists_is_marked():
    assert card("qwq-plus", "dashscope").derived == (
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
    )


def test_thinking_costs_more_where_the_provider_lists_it():
    qwen = card("qwen-plus-latest", "dashscope")
    assert qwen.cost(TokenCounts(output=10)).output == 12_000_000
    assert qwen.cost(TokenCounts(output=10, reasoning=3)).output == 40_000_000
    assert qwen.cost(TokenCounts(input=256_001, output=10, reasoning=3)).output == 120_000_000


@pytest.mark.parametrize(
    ("model", "day", "usd"),
    [
        ("grok-4", "2026-05-14", (3, 0.75, 15)),
        ("grok-4", "2026-05-16", (1.25, 0.2, 2.5)),
        ("grok-4-fast", "2026-05-14", (0.2, 0.05, 0.5)),
        ("x-ai/grok-4.1-fast", "2026-05-16", (1.25, 0.2, 2.5)),
        ("grok-code-fast-1", "2026-05-14", (0.2, 0.02, 1.5)),
        ("grok-code-fast-1", "2026-05-16", (1, 0.2, 2)),
        ("deepseek-reasoner", "2026-11-20", (0.15, 0.003, 0.6)),
        ("deepseek-chat", "2026-04-25", (0.14, 0.028, 0.28)),
        ("deepseek-chat", "2026-04-27", (0.14, 0.0028, 0.28)),
        ("grok-4.6-build", "2026-11-20", (2, 0.5, 6)),
        ("qwen-plus", "2026-11-20", (0.4, 0.08, 1.2)),
        ("claude-opus-41", "2026-11-20", (15, 1.5, 75)),
        ("k3.1-pro", "2026-11-20", (2, 0.2, 10)),
        ("grok-3-fast-beta", "2026-11-20", (1.25, 0.2, 2.5)),
        ("magistral-medium-latest", "2026-07-30", (2, 0.2, 5)),
        ("magistral-medium-latest", "2026-08-01", (1.5, 0.15, 7.5)),
        ("magistral-small-latest", "2026-08-01", (0.15, 0.015, 0.6)),
        ("mistral-vibe-cli-latest", "2026-04-28", (0.4, 0.04, 2)),
        ("mistral-vibe-cli-latest", "2026-05-01", (1.5, 0.15, 7.5)),
        ("mimo-v2-pro", "2026-05-26", (1, 0.2, 3)),
        ("mimo-v2-pro", "2026-05-28", (0.435, 0.0036, 0.87)),
    ],
)
def test_a_retired_name_has_the_price_of_the_model_that_answers(model, day, usd):
    assert rates(model, day=day) == usd


def test_a_seller_without_a_price_has_the_price_of_a_maker_that_no_table_lists():
    """The provider of MiMo Code is `mimo`; its models are made by Xiaomi."""
    for provider in ("mimo", "xiaomi-token-plan-cn", "opencode"):
        assert rates("mimo-v2.6-pro", provider) == rates("mimo-v2.6-pro", "xiaomi")
    assert rates("xiaomi/mimo-v2.5", "avian") == (0.2, 0.05, 0.4)


def test_a_retired_name_keeps_its_price_at_another_seller():
    assert rates("grok-4", "azure")[0] == 3


def test_other_sellers_still_sell_a_model_whose_maker_gave_its_name_to_another():
    for provider in ("", "vercel-ai-gateway"):
        assert rates("deepseek-r1", provider) == (0.55, 0.14, 2.19)
    assert rates("deepseek-r1", "", "2025-06-01")[2] in (0.55, 2.19)  # by the hour


@pytest.mark.parametrize(
    ("model", "provider", "usd"),
    [
        ("us.openai.gpt-6.2-sol", "", (2.2, 0.11, 11)),
        ("openai.gpt-6.2-sol", "amazon-bedrock", (2.2, 0.11, 11)),
        ("global.openai.gpt-6.2-sol", "amazon-bedrock", (2, 0.1, 10)),
        ("xai.grok-4.6", "amazon-bedrock", (2.2, 0.55, 6.6)),
        ("openai/gpt-oss-20b", "together", (0.05, 0.05, 0.2)),
        ("together_ai/openai/gpt-oss-20b", "", (0.05, 0.05, 0.2)),
        ("deepinfra/moonshotai/Kimi-K2.6", "", (0.75, 0.15, 3.5)),
        ("litellm_proxy/anthropic/claude-opus-5", "", (5, 0.5, 25)),
        ("deepseek-v4-pro", "azure", (1.74, 0.145, 3.48)),
        ("azure_ai/deepseek-v4-pro", "", (1.74, 0.145, 3.48)),
        ("claude-opus-5", "azure", (5, 0.5, 25)),
        ("deepseek-v4-1-flash-1017", "mistral", (0.3, 0.007, 1.2)),
        ("deepseek-v4-1-flash-1017", "", (0.3, 0.007, 1.2)),  # only Mistral has this name
        ("zai-glm-5-3", "", (1.4, 0.14, 4.4)),
        ("deepseek-v4.1-flash-1017", "", (0.15, 0.003, 0.6)),
        ("mai-code-2", "github-copilot", (0.5, 0.025, 2.5)),
        ("copilot/mai-code-1.1-flash", "", (0.2, 0.02, 1.2)),
        ("mai-code-1-flash", "github-copilot", (0.75, 0.075, 4.5)),
        ("copilot/oswe-vscode-prime", "", (0.25, 0.025, 2)),
        ("qwen3-coder-next", "alibaba", (0.3, 0.3, 1.5)),
        ("qwen3-coder-next", "", (0.3, 0.3, 1.5)),
        ("Qwen/Qwen3-Coder-Next", "huggingface", (0.12, 0.07, 0.8)),  # OpenRouter's
        ("xiaomi/mimo-v2.5-pro", "kilo", (0.435, 0.0036, 0.87)),
        ("fireworks_ai/glm-4p7", "", (0.6, 0.3, 2.2)),
        ("fireworks_ai/accounts/fireworks/models/deepseek-v4-pro", "", (1.74, 0.145, 3.48)),
        ("deepseek-v4-pro", "fireworks_ai", (1.74, 0.145, 3.48)),
        ("dashscope/deepseek-v4-pro", "", (2.4, 0.2, 4.8)),
        ("dashscope/qwen3-coder-plus", "", (1, 0.1, 5)),
        ("deepseek/deepseek-v4-pro", "", (0.66, 0.022, 1.98)),
    ],
)
def test_the_seller_has_precedence_under_each_of_its_names(model, provider, usd):
    assert rates(model, provider) == usd


def test_a_free_variant_costs_nothing_at_its_seller():
    tokens = TokenCounts(input=10, output=10)
    for model, provider in (
        ("qwen/qwen3-coder:free", "openrouter"),
        ("openrouter/qwen/no-such-model:free", ""),
        ("z-ai/glm-5:free", "kilo"),
        ("mimo-v2.6-flash-free", "opencode"),
    ):
        assert card(model, provider).cost(tokens).total == 0
    for provider in ("", "mistral", "ollama"):
        assert card("qwen/qwen3-coder:free", provider) is None
    assert card("mimo-v2.6-flash-free", "openrouter") is None


def test_a_free_model_costs_nothing_at_its_maker_only():
    for model, provider in (
        ("glm-4.7-flash", "zai"),
        ("glm-4.5-flash", "zai-coding-plan"),
        ("gemini-2.0-pro-exp-02-05", "google"),
        ("gemini-2.5-pro-exp-03-25", ""),
    ):
        assert card(model, provider).cost(TokenCounts(1, 2, 3, 4, 5)).total == 0
    assert rates("z-ai/glm-4.7-flash", "openrouter") == (0.0605, 0.01, 0.4)
    for provider in ("", "vercel", "ollama"):
        assert card("glm-4.7-flash", provider) is None
    explained = card("glm-4.7-flash", "zai")
    assert (explained.model, explained.match) == ("glm-4.7-flash", "exact")


def test_a_seller_has_only_service_tiers_that_it_lists():
    assert "priority" in card("gemini-4-argon").speeds
    assert not card("github_copilot/gemini-4-argon").speeds
    assert card("openai/gpt-5.4", "openrouter").cost(TokenCounts(input=1), speed="priority") is None
    assert card("gpt-5.4", "openai").cost(TokenCounts(input=1), speed="priority").input == 5_000_000


@pytest.mark.parametrize("model", ["gemini-3.5-flash-8b", "gemini-3.5-flash-4k"])
def test_a_pattern_of_a_table_that_matches_the_beginning_is_no_match(model):
    assert card(model) is None


def test_a_dated_version_with_its_own_price_keeps_it():
    for provider in ("", "alibaba"):
        assert len(card("qwen-plus-2025-01-25", provider).tiers) == 1
    assert len(card("qwen-plus", "alibaba").tiers) == 2
