"""A service tier or speed costs its own price, or it has no price: never the standard one."""

from datetime import datetime

import msgspec
import pytest
from events import record
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from price_tables import genai_model, genai_table, litellm_entry, litellm_table

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import TokenCounts, UsageEvent
from agtop_exporter.pricing import PriceBook, PriceCard, Rates
from agtop_exporter.pricing.card import STANDARD_TIERS
from agtop_exporter.pricing.lazy_litellm import bundled_prices

BOOK = PriceBook()
NOW = datetime.fromisoformat("2026-11-20T12:00:00Z").timestamp()
LISTED = sorted(
    {
        *((seller.id, info.id) for seller in get_snapshot().providers for info in seller.models),
        *(("", name) for name in bundled_prices().names()),
    }
)
TIERS = ["fast", "priority", "flex", "batch", "ultrafast", "balanced", "scale", "turbo", "Standard"]
TOKENS = TokenCounts(1_000, 2_000, 300, 40, 500)


def unix(text):
    return datetime.fromisoformat(text + "T12:00:00Z").timestamp()


def response(model, speed, *, at=NOW, provider="", **given):
    return UsageEvent(
        "k", "s", at, model, TOKENS, requests=1, provider=provider, speed=speed, **given
    )


@pytest.mark.parametrize(
    ("provider", "speed", "known"),
    [
        ("openai", "fast", True),  # another name of the tier `priority`
        ("azure", "fast", True),
        ("openai", "priority", True),
        ("anthropic", "fast", False),
        ("anthropic", "priority", True),
    ],
)
def test_two_names_of_one_tier(provider, speed, known):
    standard, priority = ((0, Rates(1, 1, 1, 1, 1)),), ((0, Rates(2, 2, 2, 2, 2)),)
    card = PriceCard(
        source="x",
        match="exact",
        model="m",
        provider=provider,
        tiers=standard,
        speeds={"priority": priority},
    )
    assert card.tiers_of(speed) == (priority if known else None)


@pytest.mark.long
@settings(max_examples=600)
@given(
    listed=st.sampled_from(LISTED),
    tier=st.sampled_from(TIERS) | st.text(min_size=1, max_size=8),
    at=st.floats(1.7e9, NOW),
)
def test_an_unknown_tier_is_never_billed_at_the_standard_price(listed, tier, at):
    provider, model = listed
    card = BOOK.card(model, at=at, provider=provider)
    cost = BOOK.cost(response(model, tier, at=at, provider=provider))
    if card is None:
        assert cost is None
        return
    is_openai = card.provider in ("openai", "azure")
    names = {tier, "priority"} if tier == "fast" and is_openai else {tier}
    if tier in STANDARD_TIERS:
        assert cost == card.cost(TOKENS)
    elif names.isdisjoint(card.speeds):
        assert cost is None
    else:
        (known,) = {card.speeds[name] for name in names if name in card.speeds}
        assert cost == msgspec.structs.replace(card, tiers=known).cost(TOKENS)


@pytest.mark.long
def test_an_invented_tier_is_unpriced():
    for provider, model in LISTED[::5]:
        assert BOOK.cost(response(model, "no-such-tier", provider=provider)) is None


@pytest.mark.parametrize(
    ("model", "speed", "day", "factor"),
    [
        ("claude-opus-4-6", "fast", "2026-02-10", 3),  # half price until 2026-02-16
        ("claude-opus-4-6", "fast", "2026-02-18", 6),
        ("claude-opus-4-6-20260205", "fast", "2026-05-01", 6),
        ("claude-opus-4-7", "fast", "2026-05-01", 6),
        ("claude-opus-4-8", "fast", "2026-06-01", 2),
        ("claude-opus-5", "fast", "2026-08-01", 2),
        ("claude-sonnet-4-5", "batch", "2025-11-01", 0.5),
        ("claude-opus-4-1-20250805", "batch", "2025-11-01", 0.5),
        ("claude-sonnet-4-20250514", "batch", "2025-11-01", 0.5),
        ("gpt-5.5", "priority", "2026-05-01", 2.5),
        ("gpt-5.5", "fast", "2026-05-01", 2.5),
        ("gpt-5.5", "flex", "2026-05-01", 0.5),
        ("gpt-5-mini", "priority", "2025-09-01", 1.8),
        ("gpt-5-codex", "priority", "2025-10-01", 2),
        ("gpt-5.6-sol", "priority", "2026-07-15", 2),  # before the price cut of 2026-08-21
        ("gpt-5.6-sol", "priority", "2026-09-15", 2),
        ("gpt-6.1-sol", "ultrafast", "2026-10-01", 6),
        ("gemini-2.5-pro", "batch", "2025-09-01", 0.5),
    ],
)
def test_a_tier_has_its_price_since_the_launch_of_the_model(model, speed, day, factor):
    at = unix(day)
    standard = BOOK.cost(response(model, "", at=at))
    assert BOOK.cost(response(model, speed, at=at)).output == standard.output * factor
    assert BOOK.cost(response(model, speed, at=at)).input == standard.input * factor


def test_a_ratio_known_later_follows_the_standard_price_of_the_day():
    variant = {
        "when": {"service_tier": "priority"},
        "constraint": {"start_date": "2026-10-12"},
        "prices": {"input_mtok": 5, "cache_read_mtok": 0.7, "output_mtok": 30},
    }
    prices = [
        {"prices": {"input_mtok": 10, "cache_read_mtok": 1, "output_mtok": 40}},
        {
            "constraint": {"start_date": "2026-06-01"},
            "prices": {"input_mtok": 2, "cache_read_mtok": 0.2, "output_mtok": 8},
        },
    ]
    book = PriceBook()
    model = genai_model("m-1", prices, price_variants=[variant])
    book.load("genai-prices", genai_table(model), updated_at=0.0)
    later = book.card("m-1", at=unix("2026-10-12")).speeds["priority"][0][1]
    summer = book.card("m-1", at=unix("2026-07-01")).speeds["priority"][0][1]
    spring = book.card("m-1", at=unix("2026-05-01")).speeds["priority"][0][1]
    assert later == summer
    assert (summer.input, summer.cache_read, summer.output) == (5_000_000, 700_000, 30_000_000)
    assert (spring.input, spring.cache_read, spring.output) == (25_000_000, 3_500_000, 150_000_000)


def test_a_ratio_applies_to_the_rates_of_long_prompts():
    """The fast mode of Opus 4.6 cost six times the long-context price while there was one."""
    tokens = TokenCounts(input=250_000, output=1)
    before = BOOK.card("claude-opus-4-6", at=unix("2026-03-01")).cost(tokens, speed="fast")
    after = BOOK.card("claude-opus-4-6", at=unix("2026-04-01")).cost(tokens, speed="fast")
    assert (before.input, before.output) == (250_000 * 60_000_000, 225_000_000)
    assert (after.input, after.output) == (250_000 * 30_000_000, 150_000_000)


def test_the_next_source_has_the_tier_that_the_first_one_lacks():
    entry = litellm_entry(
        4e-06, 8e-06, input_cost_per_token_flex=1e-06, output_cost_per_token_flex=2e-06
    )
    book = PriceBook(litellm=litellm_table(**{"m-1": entry}))
    listed = genai_model("m-1", {"input_mtok": 2, "output_mtok": 8})
    book.load("genai-prices", genai_table(listed), updated_at=0.0)
    card = book.card("m-1", at=NOW)
    assert card.source == "genai-prices"
    flex = card.speeds["flex"][0][1]
    assert (flex.input, flex.output) == (500_000, 2_000_000)  # a quarter of the price in force


def test_the_name_of_a_model_may_have_its_speed():
    at = unix("2026-06-10")
    for name in ("claude-opus-4-6-fast", "anthropic/claude-opus-4-6-fast", "claude-opus-4.7-fast"):
        assert BOOK.card(name, at=at).tiers[0][1].output == 150_000_000
    assert BOOK.card("anthropic/claude-opus-5-fast", at=at).tiers[0][1].output == 50_000_000
    assert BOOK.card("claude-haiku-4-5-fast", at=at) is None  # it has no fast mode


def test_a_long_name_of_a_tier_is_cut_in_messages():
    book = PriceBook()
    for number in range(3):
        assert book.cost(response("gpt-5.5", "x" * 10_000 + str(number))) is None
    (sentence,) = book.unknown_prices()
    assert len(sentence) < 120


def test_unpriced_usage_is_counted_and_named():
    book, ledger = PriceBook(), Ledger()
    record(ledger, response("gpt-5.5", "ultrafast", provider="openai"), price=book.cost)
    assert ledger.totals["unpriced_tokens", "claude", "gpt-5.5"] == TOKENS.total
    assert not [series for series in ledger.totals if series[0] == "cost"]
    assert book.unknown_prices() == (
        "no price is known for the service tier ultrafast of gpt-5.5 of openai",
    )
    entry = litellm_entry(
        5e-06, 3e-05, input_cost_per_token_ultrafast=3e-05, output_cost_per_token_ultrafast=1.8e-04
    )
    book.load("litellm", litellm_table(**{"gpt-5.5": entry}), updated_at=1.0)
    assert ledger.reprice(book.cost) == 1
    assert book.unknown_prices() == ()
