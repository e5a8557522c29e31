"""Tiers apply to whole requests, and no token type is free because its price is missing."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from price_tables import genai_model, genai_table

from agtop_exporter.model import Cost, TokenCounts, UsageEvent
from agtop_exporter.pricing import PriceBook, PriceCard, PriceTableError, Rates
from agtop_exporter.pricing.rates import make_tiers, picodollars_per_token

AT = 1_780_000_000.0
COUNTS = st.integers(0, 10**12)
TOKENS = st.builds(TokenCounts, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
CHEAP = Rates(input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output=5)
DEAR = Rates(input=10, cache_read=20, cache_write_5m=30, cache_write_1h=40, output=50)
TIERED = PriceCard(
    source="x",
    match="exact",
    model="m",
    tiers=((0, CHEAP), (200_000, DEAR)),
    speeds={"fast": ((0, DEAR),)},
)


@given(TOKENS)
def test_one_tier_for_all_tokens_of_a_request(tokens):
    rates = DEAR if tokens.prompt > 200_000 else CHEAP
    assert TIERED.cost(tokens) == Cost(
        tokens.input * rates.input,
        tokens.cache_read * rates.cache_read,
        tokens.cache_write_5m * rates.cache_write_5m,
        tokens.cache_write_1h * rates.cache_write_1h,
        tokens.output * rates.output,
    )


def test_cached_tokens_count_for_the_tier_and_output_does_not():
    assert TIERED.cost(TokenCounts(cache_read=200_000, output=10**9)).cache_read == 400_000
    assert TIERED.cost(TokenCounts(cache_read=200_000, cache_write_1h=1)).cache_read == 4_000_000


def test_a_sum_over_requests_is_no_long_prompt():
    tokens = TokenCounts(input=1, cache_read=11_537_999)
    assert TIERED.cost(tokens, requests=121).input == 1
    assert TIERED.cost(tokens, requests=0).input == 1
    assert TIERED.cost(tokens, requests=2).input == 10
    event = UsageEvent("k", "s", AT, "gpt-5.4", tokens, provider="openai", requests=121)
    assert PriceBook().cost(event).input == 2_500_000


def test_service_tier_where_the_source_prices_it():
    assert TIERED.cost(TokenCounts(input=1), speed="fast").input == 10
    assert TIERED.cost(TokenCounts(input=1), speed="standard").input == 1


def test_reasoning_is_not_charged_beside_output():
    assert TIERED.cost(TokenCounts(output=7, reasoning=7)).total == 35


def rates_of(prices, name="m-1"):
    book = PriceBook()
    book.load("genai-prices", genai_table(genai_model(name, prices)), updated_at=0.0)
    return book.card(name, at=AT).tiers[0][1]


def test_missing_cache_prices_of_a_claude_model():
    rates = rates_of({"input_mtok": 3, "output_mtok": 15}, name="claude-new-1")
    assert rates == Rates(
        input=3_000_000,
        cache_read=3_000_000,
        cache_write_5m=3_750_000,
        cache_write_1h=6_000_000,
        output=15_000_000,
    )


def test_missing_cache_prices_of_another_model():
    rates = rates_of({"input_mtok": 2, "output_mtok": 8})
    assert rates.cache_read == rates.cache_write_5m == rates.cache_write_1h == rates.input


def test_one_hour_write_of_another_model_costs_what_its_writes_cost():
    rates = rates_of({"input_mtok": 2, "output_mtok": 8, "cache_write_mtok": 2.5})
    assert rates.cache_write_1h == rates.cache_write_5m == 2_500_000


def test_listed_one_hour_price_wins():
    listed = {"input_mtok": 2, "output_mtok": 8, "cache_write_mtok": 3, "cache_write_1h_mtok": 7}
    rates = rates_of(listed, name="claude-new-2")
    assert (rates.cache_write_5m, rates.cache_write_1h) == (3_000_000, 7_000_000)


def test_tiers_that_not_every_token_type_has():
    tiers = make_tiers({"input": [(0, 4), (100, 8)], "output": [(0, 9)]}, claude=False)
    assert [(above, rates.input, rates.output) for above, rates in tiers] == [
        (0, 4, 9),
        (100, 8, 9),
    ]
    assert make_tiers({"input": [(100, 8)], "output": [(0, 9)]}, claude=False) is None


@given(st.decimals(min_value=0, max_value=1000, places=6))
def test_dollars_become_picodollars_exactly(usd):
    assert picodollars_per_token(usd, per_tokens=1_000_000) == usd * 1_000_000


@pytest.mark.parametrize("usd", ["NaN", "sNaN", "Infinity", "-1", "1e999999", "2e6", "1e-999999"])
def test_an_invalid_price_is_rejected(usd):
    with pytest.raises(PriceTableError):
        picodollars_per_token(Decimal(usd), per_tokens=1_000_000)
