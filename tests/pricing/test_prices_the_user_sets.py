"""The user's prices take precedence over every table, exactly as written."""

import pytest

from agtop_exporter.model import TokenCounts
from agtop_exporter.pricing import PriceBook, PriceTableError, Rates

AT = 1_780_000_000.0


def test_override_wins():
    book = PriceBook(overrides={"GPT-5": {"input": 0.1, "output": 0.3}})
    card = book.card("openai/gpt-5", at=AT, provider="openai")
    assert (card.source, card.match) == ("override", "prefix-stripped")
    assert card.cost(TokenCounts(input=3, output=1)).total == 600_000
    assert book.sources()[0].source == "override"
    assert book.card("gpt-5.1", at=AT).source == "genai-prices"


def test_override_of_one_provider():
    book = PriceBook(overrides={"azure/gpt-5": {"input": 9, "output": 9}})
    assert book.card("gpt-5", at=AT, provider="azure").source == "override"
    assert book.card("gpt-5", at=AT, provider="openai").source == "genai-prices"


def test_a_user_can_set_a_price_of_zero():
    book = PriceBook(overrides={"my-model": {"input": 0, "output": 0}})
    assert book.card("my-model", at=AT).cost(TokenCounts(1, 1, 1, 1, 1)).total == 0


def test_missing_cache_prices_are_derived():
    book = PriceBook(overrides={"claude-mine": {"input": "3", "output": "15"}})
    rates = book.card("claude-mine", at=AT).tiers[0][1]
    assert (rates.cache_read, rates.cache_write_5m) == (3_000_000, 3_750_000)
    assert rates.cache_write_1h == 6_000_000


def test_rates_are_taken_as_they_are():
    rates = Rates(input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output=5)
    assert PriceBook(overrides={"m": rates}).card("m", at=AT).tiers == ((0, rates),)


@pytest.mark.parametrize(
    "price",
    [
        {"input": 3},
        {"output": 3},
        {},
        {"input": -1, "output": 1},
        {"input": "three", "output": 1},
        {"input": float("nan"), "output": 1},
        {"input": 1, "output": None},
        {"input": 1, "output": 1, "reasoning": 1},
        {"input": 3e9, "output": 1},
    ],
)
def test_mistake_names_the_model(price):
    with pytest.raises(PriceTableError, match="my-model"):
        PriceBook(overrides={"my-model": price})
