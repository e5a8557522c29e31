"""Searches are billed by use, and a region may have a factor; neither is left out silently."""

from fractions import Fraction

import pytest

from agtop_exporter.model import Cost, TokenCounts, UsageEvent
from agtop_exporter.pricing import PriceBook, PriceCard, Rates

AT = 1_790_000_000.0  # 2026-09-21
BOOK = PriceBook()
RATES = Rates(input=10, cache_read=1, cache_write_5m=15, cache_write_1h=20, output=50)
CARD = PriceCard(
    source="x",
    match="exact",
    model="m",
    tiers=((0, RATES),),
    web_search=1_000,
    regions={"us": Fraction(11, 10)},
)
BARE = PriceCard(source="x", match="exact", model="m", tiers=((0, RATES),))


def usd(cost):
    return None if cost is None else cost.total / 1e12


def response(model, **given):
    return UsageEvent("k", "s", AT, model, TokenCounts(input=9_000, output=400), 1, **given)


def test_a_fee_is_a_part_of_its_own():
    assert CARD.cost(TokenCounts(input=3), web_searches=2) == Cost(input=30, web_search=2_000)
    assert CARD.cost(TokenCounts(input=3), web_searches=2).total == 2_030


def test_a_region_multiplies_the_rates_and_not_the_fees():
    tokens = TokenCounts(1, 10, 2, 1, 1)
    cost = CARD.cost(tokens, region="us", web_searches=1)
    assert cost == Cost(11, 10, 32, 22, 55, web_search=1_000)  # 1.1 and 16.5 are rounded half even
    assert BOOK.cost(response("claude-opus-4-6", region="us")).input == 9_000 * 5_500_000


def test_what_is_unknown_has_no_cost():
    assert BARE.cost(TokenCounts(input=1), web_searches=1) is None
    assert BARE.cost(TokenCounts(input=1), region="us") is None
    assert CARD.cost(TokenCounts(input=1), region="eu") is None


def test_only_what_is_unknown_is_named():
    known = {"speed": "", "region": "us", "web_searches": 2}
    assert CARD.unknown(**known) == ""
    assert CARD.unknown(**known | {"region": "eu"}) == "the region eu"
    assert CARD.unknown(**known | {"speed": "fast"}) == "the service tier fast"
    assert BARE.unknown(**known | {"region": ""}) == "web searches"
    assert BARE.unknown(speed="", region="", web_searches=0) == ""


@pytest.mark.parametrize(
    ("model", "given", "dollars"),
    [
        ("claude-haiku-4-5-20251001", {"web_searches": 7}, 0.081),
        ("claude-opus-5-5", {"region": "us"}, 0.0484),
        ("claude-opus-5-5", {"region": "us", "speed": "fast", "web_searches": 1}, 0.1068),
        ("claude-fable-5-2", {"region": "us"}, 0.0968),
        ("claude-sonnet-4-5", {"region": "us"}, None),  # before this choice existed
        ("claude-opus-5-5", {"region": "mars"}, None),
        ("gpt-5.5", {"web_searches": 3}, 0.087),
        ("gpt-5.1-codex-mini", {"web_searches": 1}, 0.01305),
        ("claude-2", {"web_searches": 1}, None),
    ],
)
def test_price_of_a_response(model, given, dollars):
    assert usd(BOOK.cost(response(model, **given))) == dollars


def test_a_search_without_tokens_is_billed():
    search = UsageEvent("call:1", "s", AT, "gpt-5.5", web_searches=1)
    assert BOOK.cost(search) == Cost(web_search=10_000_000_000)
    assert BOOK.cost(UsageEvent("call:1", "s", AT, "no-such-model", web_searches=1)) is None


@pytest.mark.parametrize(
    ("model", "provider", "usd"),
    [
        ("gpt-5.5", "openai", 0.01),
        ("gpt-5.5", "azure", 0.014),
        ("gpt-5.1-codex-max", "azure", 0.014),
        ("azure/gpt-5.4", "", 0.014),
        ("claude-sonnet-4-5", "azure", 0.01),
        ("gpt-4o", "azure", None),  # OpenAI's fee does not apply
    ],
)
def test_a_seller_has_its_own_fee_for_web_searches(model, provider, usd):
    fee = PriceBook().card(model, at=1_795_176_000.0, provider=provider).web_search
    assert fee == (None if usd is None else round(usd * 10**12))
