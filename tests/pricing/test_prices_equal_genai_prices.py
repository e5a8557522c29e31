"""The cost of a request equals the calculation of genai-prices to the picodollar."""

from datetime import UTC, datetime

import pytest
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices
from hypothesis import given
from hypothesis import strategies as st
from price_tables import genai_usage, picodollars

from agtop_exporter.model import TokenCounts
from agtop_exporter.pricing import PriceBook
from agtop_exporter.pricing.card import STANDARD_TIERS
from agtop_exporter.pricing.corrections import NO_CORRECTIONS

BOOK = PriceBook(corrections=NO_CORRECTIONS)
TIERS_LISTED = 1_792_022_400.0  # 2026-10-15: from here on, the table lists its service tiers
MAKERS = ("anthropic", "openai", "google", "x-ai", "deepseek", "moonshotai", "zai", "cursor")
MODELS = [
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("anthropic", "claude-sonnet-4-6"),
    ("anthropic", "claude-opus-4-1"),
    ("anthropic", "claude-opus-4-1-20250805"),
    ("anthropic", "claude-opus-4-6"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-3-5-haiku-20241022"),
    ("openai", "gpt-5.1-codex"),
    ("openai", "gpt-5-codex"),
    ("openai", "gpt-5.2-codex"),
    ("openai", "gpt-5.6-sol"),
    ("openai", "o3"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-3-pro-preview"),
    ("google", "gemini-2.5-flash"),
    ("deepseek", "deepseek-chat"),
    ("x-ai", "grok-4.5"),
]
COUNTS = st.integers(0, 500_000)
TIMES = st.floats(1.70e9, 1.83e9)


@pytest.mark.slow
@given(
    listed=st.sampled_from(MODELS),
    at=TIMES,
    tokens=st.builds(TokenCounts, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    speed=st.sampled_from(["", "fast", "priority", "flex", "batch", "standard"]),
)
def test_cost_of_any_request_at_any_time(listed, at, tokens, speed):
    provider, model = listed
    if speed not in STANDARD_TIERS:
        at = max(at, TIERS_LISTED)
        variants = find_model(provider, model).price_variants or ()
        if not any(speed in variant.when.values() for variant in variants):
            return  # of which genai-prices returns the standard price
    card = BOOK.card(model, at=at, provider=provider)
    theirs = calc_price(
        genai_usage(tokens),
        model,
        provider_id=provider,
        genai_request_timestamp=datetime.fromtimestamp(at, UTC),
        price_context=dict.fromkeys(("speed", "service_tier", "processing"), speed),
    )
    cost = card.cost(tokens, speed=speed)
    assert cost.total == picodollars(theirs.total_price)
    assert cost.output == picodollars(theirs.output_price)
    assert cost.unpriced_tokens == 0


def find_model(provider, model):
    (seller,) = [each for each in get_snapshot().providers if each.id == provider]
    return seller.find_model(model)


def listed_models():
    return [
        (seller, info)
        for seller in get_snapshot().providers
        if seller.id in MAKERS
        for info in seller.models
    ]


@pytest.mark.slow
@pytest.mark.parametrize("prompt", [1, 199_999, 200_000, 200_001, 272_001])
def test_every_model_that_its_maker_lists(prompt):
    tokens = TokenCounts(input=prompt, output=1000)
    at = 1_780_000_000.0
    priced = 0
    for seller, info in listed_models():
        card = BOOK.card(info.id, at=at, provider=seller.id)
        if card is None or card.provider != seller.id:
            continue
        when = datetime.fromtimestamp(at, UTC)
        theirs = info.calc_price(genai_usage(tokens), seller, genai_request_timestamp=when)
        assert card.model == info.id
        assert card.cost(tokens).total == picodollars(theirs.total_price), info.id
        priced += 1
    assert priced > 150


def test_no_listed_model_with_both_token_prices_is_left_out():
    when = datetime.fromtimestamp(1_780_000_000.0, UTC)
    for seller, info in listed_models():
        price = info.get_prices(when)
        if price.input_mtok and price.output_mtok is not None:
            assert BOOK.card(info.id, at=when.timestamp(), provider=seller.id), info.id


def test_makers_rates_are_whole_picodollars_per_token():
    """Only resellers list fractions that need rounding: float noise and thirds of a cent."""
    rounded = set()
    for seller in get_snapshot().providers:
        for info in seller.models:
            conditional = info.prices if isinstance(info.prices, list) else ()
            for price in [c.prices for c in conditional] or [info.prices]:
                for key, value in vars(price).items():
                    steps = (
                        [value.base, *(tier.price for tier in value.tiers)]
                        if isinstance(value, TieredPrices)
                        else [value]
                    )
                    if key.endswith("_mtok") and any(usd * 1_000_000 % 1 for usd in steps):
                        rounded.add(seller.id)
    assert not rounded & {*MAKERS, "aws", "azure", "github-copilot", "mistral", "minimax"}
