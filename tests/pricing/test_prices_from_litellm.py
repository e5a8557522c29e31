"""LiteLLM's table is used only for models that genai-prices does not have."""

from importlib.metadata import version

import pytest
from price_tables import genai_model, genai_table, litellm_entry, litellm_table

from agtop_exporter.model import TokenCounts
from agtop_exporter.pricing import PriceBook, PriceTableError
from agtop_exporter.pricing.lazy_genai import BUNDLED_DATES

AT = 1_780_000_000.0


def book(**entries):
    return PriceBook(litellm=litellm_table(**entries))


def test_only_models_that_genai_prices_does_not_know():
    both = book(**{"gpt-5": litellm_entry(), "gpt-99": litellm_entry()})
    assert both.card("gpt-5", at=AT).source == "genai-prices"
    assert both.card("gpt-99", at=AT).source == "litellm"


def test_rates_are_exact():
    entry = litellm_entry(
        2.5e-06,
        1.5e-05,
        cache_read_input_token_cost=2.5e-07,
        cache_creation_input_token_cost=3.125e-06,
        cache_creation_input_token_cost_above_1hr=5e-06,
    )
    cost = book(**{"gpt-99": entry}).card("gpt-99", at=AT).cost(TokenCounts(1, 1, 1, 1, 1))
    assert (cost.input, cost.cache_read, cost.output) == (2_500_000, 250_000, 15_000_000)
    assert (cost.cache_write_5m, cost.cache_write_1h) == (3_125_000, 5_000_000)


@pytest.mark.parametrize("thousands", [128, 200, 272])
def test_long_context_tier(thousands):
    entry = litellm_entry(
        2e-06,
        8e-06,
        **{
            f"input_cost_per_token_above_{thousands}k_tokens": 4e-06,
            f"output_cost_per_token_above_{thousands}k_tokens": 1.2e-05,
        },
    )
    card = book(**{"gpt-99": entry}).card("gpt-99", at=AT)
    request = TokenCounts(input=thousands * 1000, output=1)
    assert card.cost(request).output == 8_000_000
    assert card.cost(request + TokenCounts(input=1)).output == 12_000_000


def test_order_of_an_entrys_keys_does_not_matter():
    entry = dict(reversed(litellm_entry(input_cost_per_token_above_200k_tokens=4e-06).items()))
    card = book(**{"gpt-99": entry}).card("gpt-99", at=AT)
    assert [(above, rates.input) for above, rates in card.tiers] == [
        (0, 2_000_000),
        (200_000, 4_000_000),
    ]


def test_a_service_tier_without_its_output_rate_is_unknown():
    """Before, its output had the standard price (`flex` of `azure/gpt-5.5`)."""
    entry = litellm_entry(2e-06, 8e-06, input_cost_per_token_flex=1e-06)
    card = book(**{"claude-99": entry}).card("claude-99", at=AT)
    assert card.cost(TokenCounts(input=1), speed="flex") is None


def test_a_rate_that_a_service_tier_lists_for_long_prompts_only():
    """`flex` of `azure/gpt-5.4`: cached input of short prompts had the rate of uncached input."""
    entry = litellm_entry(
        2e-06,
        8e-06,
        cache_read_input_token_cost=2e-07,
        input_cost_per_token_flex=1e-06,
        output_cost_per_token_flex=4e-06,
        cache_read_input_token_cost_above_272k_tokens_flex=3e-07,
    )
    card = book(**{"claude-99": entry}).card("claude-99", at=AT)
    assert card.cost(TokenCounts(cache_read=1), speed="flex").total == 100_000
    assert card.cost(TokenCounts(cache_read=300_000), speed="flex").total == 90_000_000_000


def test_service_tiers():
    entry = litellm_entry(
        2e-06,
        8e-06,
        cache_read_input_token_cost=2e-07,
        input_cost_per_token_priority=4e-06,
        output_cost_per_token_priority=1.6e-05,
        input_cost_per_token_batches=1e-06,
        output_cost_per_token_batches=4e-06,
        input_cost_per_token_above_200k_tokens=3e-06,
        provider_specific_entry={"fast": 6, "us": 1.1},
    )
    card = book(**{"claude-99": entry}).card("claude-99", at=AT)
    request = TokenCounts(input=1, cache_read=1, output=1)
    assert card.cost(request).total == 10_200_000
    assert card.cost(request, speed="priority").total == 20_400_000
    assert card.cost(request, speed="batch").total == 5_100_000
    assert card.cost(request, speed="fast").total == 61_200_000


@pytest.mark.parametrize(
    "entry",
    [
        {"mode": "chat", "output_cost_per_token": 1e-6},
        {"mode": "chat", "input_cost_per_token": 1e-6},
        litellm_entry(0, 0),
        litellm_entry(0.0, 1e-6),
        litellm_entry(mode="image_generation"),
        litellm_entry(mode="embedding"),
        litellm_entry("3e-6", "4e-6"),
        litellm_entry(-1e-6, 1e-6),
        litellm_entry(True, True),  # noqa: FBT003 - as a table might
        litellm_entry(5, 5),
    ],
)
def test_prices_of_other_kinds_of_models_are_ignored(entry):
    table = book(**{"model-1": entry, "model-2": litellm_entry(mode="responses")})
    assert table.card("model-1", at=AT) is None
    assert table.card("model-2", at=AT) is not None


def test_zero_for_cached_input_is_the_input_rate():
    entry = litellm_entry(cache_read_input_token_cost=0.0)
    assert book(**{"m-1": entry}).card("m-1", at=AT).cost(TokenCounts(cache_read=1)).total == 2e6


def test_one_hour_write_of_claude_is_never_free():
    entry = litellm_entry(5.5e-06, 2.75e-05, cache_creation_input_token_cost=6.875e-06)
    card = book(**{"us.anthropic.claude-99": entry}).card("claude-99", at=AT)
    assert card.match == "regional"
    assert card.tiers[0][1].cache_write_5m == 6_875_000
    assert card.tiers[0][1].cache_write_1h == 11_000_000


def test_general_price_wins_over_a_region():
    table = book(
        **{
            "us.anthropic.claude-99": litellm_entry(5.5e-06),
            "anthropic.claude-99": litellm_entry(5.2e-06),
            "claude-99": litellm_entry(5e-06),
        }
    )
    assert table.card("claude-99", at=AT).tiers[0][1].input == 5_000_000
    assert table.card("us.anthropic.claude-99", at=AT).tiers[0][1].input == 5_500_000


@pytest.mark.parametrize(
    ("model", "provider", "key", "match"),
    [
        ("gpt-99-20260101", "", "gpt-99", "date-stripped"),
        ("openai/gpt-99", "", "gpt-99", "prefix-stripped"),
        ("grok-99", "", "xai/grok-99", "exact"),
        ("vercel/grok-99", "", "xai/grok-99", "maker"),
        ("grok-99", "x-ai", "xai/grok-99", "exact"),
        ("gpt-99", "azure", "azure/gpt-99", "exact"),
    ],
)
def test_names(model, provider, key, match):
    entry = litellm_entry()
    table = book(**{"gpt-99": entry, "xai/grok-99": entry, "azure/gpt-99": entry})
    card = table.card(model, at=AT, provider=provider)
    assert (card.model, card.match) == (key, match)


def test_longest_prefix_is_no_match():
    table = book(**{"gpt-99": litellm_entry()})
    assert table.card("gpt-99-mini", at=AT) is None
    assert table.card("gpt-99.1", at=AT) is None


def test_context_window_where_genai_prices_has_none():
    table = book(**{"gpt-99": litellm_entry(max_input_tokens=1000)})
    assert table.context_window("gpt-99") == 1000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"<html>404</html>",
        b"{}",
        b'{"m": 3}',
        b'{"m": {"mode": "chat"}}',
        b'{"m": {"mode": "chat", "input_cost_per_token": 1e999999999}}',
        b'{"m":' + b"[" * 100_000,
        b"\xff\xfe{}",
        litellm_table(m=litellm_entry())[:-20],
    ],
)
def test_an_invalid_table_is_rejected_and_the_old_one_is_kept(data):
    table = book(**{"gpt-99": litellm_entry()})
    generation = table.generation
    with pytest.raises(PriceTableError):
        table.load("litellm", data, updated_at=1.0)
    assert table.card("gpt-99", at=AT) is not None
    assert table.generation == generation


def test_one_bad_entry_does_not_hurt_the_others():
    data = litellm_table(**{"bad": "text", "gpt-99": litellm_entry()})
    assert PriceBook(litellm=data).card("gpt-99", at=AT) is not None
    assert PriceBook(litellm=data).card("bad", at=AT) is None


def test_new_table_grows_the_generation_and_forgets_unknown():
    table = PriceBook()
    assert table.card("gpt-99", at=AT) is None
    before = table.generation
    table.load("litellm", litellm_table(**{"gpt-99": litellm_entry()}), updated_at=5.0)
    assert table.generation > before
    assert table.card("gpt-99", at=AT) is not None
    assert [(s.source, s.updated_at) for s in table.sources()[1:]] == [
        ("genai-prices", BUNDLED_DATES[version("genai-prices")]),
        ("litellm", 5.0),
    ]


def test_price_differences_are_reported():
    table = book(
        **{
            "m-1": litellm_entry(1e-06, 2e-06),
            "m-2": litellm_entry(1e-06, 2e-06),
            "azure/m-2": litellm_entry(9e-06, 9e-06),
            "m-3": litellm_entry(1e-06, 2e-06, cache_read_input_token_cost=1e-07),
        }
    )
    listed = {"input_mtok": 1, "output_mtok": 2}
    genai = genai_table(
        genai_model("m-1", {"input_mtok": 1, "output_mtok": 3}),
        genai_model("m-2", listed),
        genai_model("m-3", listed),
    )
    table.load("genai-prices", genai, updated_at=1.0)
    (told,) = table.known_price_disagreements(AT)
    assert told.model == "m-1"
    assert (told.used.source, told.other.source) == ("genai-prices", "litellm")
    assert table.used() == ()
    assert PriceBook().known_price_disagreements(AT) == ()
