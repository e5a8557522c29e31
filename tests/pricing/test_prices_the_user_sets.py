"""The user's prices take precedence over every table, exactly as written."""

import pytest

from agtop_exporter.model import Batch, Cursor, TokenCounts, UsageEvent
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
    assert (rates.cache_read, rates.cache_write_5m) == (300_000, 3_750_000)
    assert rates.cache_write_1h == 6_000_000


def test_rates_are_taken_as_they_are():
    rates = Rates(input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output=5)
    assert PriceBook(overrides={"m": rates}).card("m", at=AT).tiers == ((0, rates),)


@pytest.mark.parametrize(
    "price",
    [
        {},
        [],
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


def card(overrides, model, at=AT, **fields):
    return PriceBook(overrides=overrides).card(model, at=at, **fields)


def test_one_field_leaves_the_others_as_they_are():
    listed = PriceBook().card("claude-sonnet-4-5", at=AT)
    own = card({"claude-sonnet-4-5": {"output": 12}}, "claude-sonnet-4-5")
    (_, before), (_, after) = listed.tiers[0], own.tiers[0]
    assert after.output == 12_000_000
    assert (after.input, after.cache_read) == (before.input, before.cache_read)
    assert own.derived == ()


def test_cache_rates_follow_the_input_rate_and_are_marked():
    own = card({"claude-opus-4-6": {"input": 10}}, "claude-opus-4-6")
    rates = own.tiers[0][1]
    assert (rates.cache_read, rates.cache_write_5m) == (1_000_000, 12_500_000)
    assert own.derived == ("cache_read", "cache_write_5m", "cache_write_1h")


def test_service_tiers_and_long_prompts_keep_their_ratio():
    own = card({"claude-opus-4-6": {"input": 10, "output": 50}}, "claude-opus-4-6")
    assert own.tiers_of("fast")[0][1].input == 60_000_000  # six times the standard price
    long = card({"gemini-2.5-pro": {"input": 2.5}}, "gemini-2.5-pro")
    assert [rates.input for _, rates in long.tiers] == [2_500_000, 5_000_000]


def test_tiers_and_long_prompts_that_the_user_sets():
    price = {
        "input": 1,
        "output": 2,
        "above": [{"tokens": 1000, "input": 3}],
        "tiers": {"fast": 2, "flex": {"input": 0.5, "output": 1}},
        "web_search": 0.02,
    }
    own = card({"ours": price}, "ours")
    assert [(above, rates.input) for above, rates in own.tiers] == [(0, 1_000_000), (1000, 3e6)]
    assert own.tiers_of("fast")[0][1].output == 4_000_000
    assert own.tiers_of("flex")[1][1].input == 1_500_000
    assert own.tiers_of("batch") is None
    assert own.web_search == 20_000_000_000


def test_dates_select_the_price():
    prices = [
        {"until": "2026-03-01", "input": 1, "output": 1},
        {"from": "2026-03-01", "until": "2026-04-01T12:00:00Z", "input": 2, "output": 2},
    ]
    days = {1_772_323_199.0: 1, 1_772_323_200.0: 2, 1_775_044_799.0: 2, 1_775_044_800.0: None}
    book = PriceBook(overrides={"ours": prices})
    for at, usd in days.items():
        found = book.card("ours", at=at)
        assert (found and found.tiers[0][1].input // 1_000_000) == usd
        period = book.period("ours", "", at)
        assert period.start <= at < period.end


def test_wildcards_match_and_the_exact_name_wins():
    prices = {"*": {"output": 9}, "claude-*": {"output": 8}, "claude-opus-4-6": {"output": 7}}
    book = PriceBook(overrides=prices)
    found = {
        model: book.card(model, at=AT).tiers[0][1].output // 1_000_000
        for model in ("claude-opus-4-6", "claude-opus-4-8", "gpt-5", "anthropic/claude-opus-4-7")
    }
    assert list(found.values()) == [7, 8, 9, 8]
    assert book.card("gpt-5", at=AT).match == "wildcard"


def test_a_price_without_a_base_names_what_it_lacks():
    book = PriceBook(overrides={"unknown-model": {"input": 3}})
    assert book.card("unknown-model", at=AT) is None
    assert book.unknown_prices() == (
        "your price of unknown-model needs input and output: no price list has the model",
    )


@pytest.mark.parametrize(
    ("price", "why"),
    [
        ({"input": 1, "from": "soon"}, "from: expected a date such as 2026-03-01, got 'soon'"),
        ({"input": 1, "inptu": 1}, "inptu: a price has no such field; did you mean input"),
        ({"tiers": {"fast": 0}}, "tiers.fast: expected a table of token types or a factor"),
        ({"tiers": {"fast": {"speed": 1}}}, "tiers.fast.speed: no such token type"),
        ({"above": [{"input": 1}]}, "above: expected a table with tokens"),
        ({"web_search": -1}, "web_search: expected US dollars per web search, got -1"),
        ({"over_agent_cost": "yes"}, "over_agent_cost: expected true or false, got 'yes'"),
        (
            {"input": 1, "from": "2026-02-01", "until": "2026-01-01"},
            "until: until must be later than from",
        ),
    ],
)
def test_mistakes_are_in_plain_words(price, why):
    with pytest.raises(PriceTableError, match=f"price of ours[.]{why}"):
        PriceBook(overrides={"ours": price})


def test_the_agents_cost_is_billed_unless_the_user_says_otherwise():
    event = UsageEvent("k", "s", AT, "ours", TokenCounts(input=1), requests=1, reported_cost=5)
    batch = Batch("pi", "/p", Cursor(), (event,))
    price = {"input": 1, "output": 1}
    assert PriceBook(overrides={"ours": price}).billed(batch) == batch
    own = PriceBook(overrides={"our*": price | {"over_agent_cost": True}})
    assert [event.own_price for event in own.billed(batch).events] == [True]
    assert own.cost(event).total == 1_000_000
