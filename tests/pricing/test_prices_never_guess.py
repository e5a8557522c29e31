"""An unknown model has no price: neither that of a similar model nor zero."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from price_tables import genai_model, genai_table, litellm_entry, litellm_table

from agtop_exporter.pricing import PriceBook

AT = 1_780_000_000.0
BOOK = PriceBook(litellm=litellm_table(**{"gpt-5": litellm_entry(), "opus": litellm_entry()}))


@pytest.mark.parametrize(
    "model",
    [
        "gpt-5.99",
        "gpt-5-turbo",
        "gpt-50",
        "claude-opus-4-10",
        "claude-opus-4-1-mini",
        "claude-opus-4-5x",
        "claude-opus",
        "claude",
        "gemini-2.5-pro-ultra",
        "gemini-1.5-flash-8b",
        "o3-giant",
        "opus-2",
        "<synthetic>",
        "",
        " ",
        "/",
        "anthropic/",
        "x" * 100_000,
        "claude-opus-4-1" + "0" * 100_000,
        "sample_spec",
    ],
)
def test_unknown_name_has_no_price(model):
    assert BOOK.card(model, at=AT) is None
    assert BOOK.context_window(model) is None
    assert BOOK.card(model, at=AT, provider="anthropic") is None


@pytest.mark.parametrize(
    ("model", "provider", "found", "match"),
    [
        ("claude-sonnet-4-5", "", "claude-sonnet-4-5", "exact"),
        ("Claude-Sonnet-4-5", "", "claude-sonnet-4-5", "exact"),
        ("claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5", "date-stripped"),
        ("claude-sonnet-4-5@20250929", "google-vertex", "claude-sonnet-4-5", "date-stripped"),
        ("claude-sonnet-4-20250514", "", "claude-sonnet-4-0", "alias"),
        ("claude-sonnet-4-5[1m]", "", "claude-sonnet-4-5", "suffix-stripped"),
        ("anthropic/claude-sonnet-4-5", "", "claude-sonnet-4-5", "prefix-stripped"),
        ("claude-sonnet-4-5", "some-proxy", "claude-sonnet-4-5", "maker"),
        ("gpt-5-codex", "openai", "gpt-5", "alias"),
        ("gpt-5.1-codex", "openai", "gpt-5.1", "alias"),
        ("gpt-5-2025-08-07", "openai", "gpt-5", "date-stripped"),
        ("models/gemini-2.5-pro", "", "gemini-2.5-pro", "prefix-stripped"),
        ("gemini-2.5-pro-preview-05-06", "google", "gemini-2.5-pro", "alias"),
        ("anthropic/claude-haiku-4.5", "openrouter", "anthropic/claude-haiku-4.5", "exact"),
        ("glm-4.6", "", "GLM-4.6", "exact"),
    ],
)
def test_known_name_tells_how_it_was_found(model, provider, found, match):
    card = BOOK.card(model, at=AT, provider=provider)
    assert (card.model, card.match, card.source) == (found, match, "genai-prices")


def test_bedrock_costs_what_its_region_costs():
    regional = BOOK.card("us.anthropic.claude-sonnet-4-5-20250929-v1:0", at=AT)
    everywhere = BOOK.card("global.anthropic.claude-sonnet-4-5-20250929-v1:0", at=AT)
    assert regional.provider == everywhere.provider == "aws"
    assert regional.tiers[0][1].input == 3_300_000
    assert everywhere.tiers[0][1].input == 3_000_000


def test_snapshot_with_a_price_of_its_own_keeps_it():
    assert BOOK.card("gpt-4o-2024-05-13", at=AT).tiers[0][1].input == 5_000_000
    assert BOOK.card("gpt-4o-20240513", at=AT).tiers[0][1].input == 5_000_000
    assert BOOK.card("gpt-4o", at=AT).tiers[0][1].input == 2_500_000


@pytest.mark.parametrize(
    "provider",
    [
        "ollama",
        "lmstudio",
        "Ollama",
        "LM Studio",
        "lm-studio",
        "ollama-desktop",
        "llama.cpp",
        "llama-cpp",
        "hosted_vllm",
        "oss",
        "local",
        "my_local-llm",
    ],
)
@pytest.mark.parametrize("model", ["gpt-oss-20b", "openai/gpt-oss-20b", "qwen3.6-plus"])
def test_local_model_has_no_list_price(model, provider):
    """LM Studio names models like OpenRouter does: `openai/gpt-oss-20b` (aaif-goose/goose 9222)."""
    assert BOOK.card(model, at=AT, provider="") is not None
    assert BOOK.card(model, at=AT, provider=provider) is None
    assert BOOK.card(f"{provider}/{model}", at=AT) is None
    assert not BOOK.listings(model, provider=provider, at=AT)


@pytest.mark.parametrize("provider", ["ollama-cloud", "llama", "localize", "groq", "ossian"])
def test_another_seller_is_not_local(provider):
    assert BOOK.card("gpt-oss-20b", at=AT, provider=provider) is not None


def test_sellers_missing_price_is_not_zero_but_the_makers():
    card = BOOK.card("gpt-4.1", at=AT, provider="github-copilot")
    assert (card.provider, card.match) == ("openai", "maker")
    assert card.tiers[0][1].input == 2_000_000


def test_part_of_a_word_is_no_name():
    """Google's listing rules look for `claude-haiku-4-5` anywhere in a name."""
    assert BOOK.card("x/claude-haiku-4-5", at=AT, provider="google") is not None
    assert BOOK.card("notclaude-haiku-4-5", at=AT, provider="google") is None


def test_reseller_does_not_inherit_the_makers_service_tiers():
    variant = {"when": {"service_tier": "priority"}, "prices": {"input_mtok": 9, "output_mtok": 9}}
    model = genai_model("gpt-98", {"input_mtok": 1, "output_mtok": 2}, price_variants=[variant])
    reseller = {
        "id": "reseller",
        "name": "reseller",
        "api_pattern": "x",
        "fallback_model_providers": ["openai"],
    }
    book = PriceBook()
    table = [*json.loads(genai_table(model)), reseller]
    book.load("genai-prices", json.dumps(table).encode(), updated_at=0.0)
    lent = book.card("gpt-98", at=AT, provider="reseller")
    assert (lent.provider, lent.speeds) == ("reseller", {})
    assert "priority" in book.card("gpt-98", at=AT, provider="openai").speeds


def test_zero_in_a_table_is_no_price():
    book = PriceBook()
    zero = genai_model("free-1", {"input_mtok": 0, "output_mtok": 0})
    nothing = genai_model("free-2", {})
    embedding = genai_model("embed-1", {"input_mtok": 1})
    book.load("genai-prices", genai_table(zero, nothing, embedding), updated_at=0.0)
    assert [book.card(name, at=AT) for name in ("free-1", "free-2", "embed-1")] == [None] * 3


def test_used_prices_are_reported_and_unknown_ones_are_not():
    book = PriceBook()
    book.card("claude-opus-4-1", at=AT, provider="anthropic")
    book.card("claude-opus-4-1", at=AT + 1, provider="anthropic")
    book.card("who-knows", at=AT)
    (use,) = book.used()
    assert (use.model, use.provider, use.card.source) == (
        "claude-opus-4-1",
        "anthropic",
        "genai-prices",
    )


@pytest.mark.slow
def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("agtop_exporter.pricing.book._MAX_MODELS", 10)
    book = PriceBook()
    for number in range(40):
        assert book.card(f"gpt-5-{20250101 + number}", at=AT) is not None
    assert len(book.used()) == 10


def test_memory_is_bounded_for_a_price_that_changes_often():
    day = datetime.fromtimestamp(AT, tz=UTC)
    days = [str((day + timedelta(days=number)).date()) for number in range(201)]
    prices = [
        {"from": start, "until": end, "input": 1, "output": 2} for start, end in pairwise(days)
    ]
    book = PriceBook(overrides={"ours": prices})
    for number in range(1, 200):
        assert book.card("ours", at=AT + number * 86_400) is not None
    (periods,) = book._periods.values()  # noqa: SLF001 - its size is not published
    assert len(periods) <= 64


def test_context_windows():
    assert BOOK.context_window("claude-opus-4-1") == 200_000
    assert BOOK.context_window("claude-sonnet-4-5[1m]") == 1_000_000
    assert BOOK.context_window("gpt-5-codex") == 400_000
