"""The package contains the part of LiteLLM's table that genai-prices lacks, with its date."""

import json
from importlib.resources import files

import pytest
from price_tables import litellm_entry, litellm_table

from agtop_exporter.model import TokenCounts
from agtop_exporter.pricing import PriceBook
from agtop_exporter.pricing.genai import GenaiPrices
from agtop_exporter.pricing.lazy_litellm import bundled_prices, bundled_snapshot

SNAPSHOT = bundled_snapshot()
AT = SNAPSHOT.date
DOCUMENT = json.loads(files("agtop_exporter.pricing").joinpath("litellm.json").read_text("utf-8"))


def test_it_has_a_version_and_a_date():
    (source,) = [each for each in PriceBook().sources() if each.source == "litellm"]
    assert (source.version, source.updated_at) == (SNAPSHOT.version, SNAPSHOT.date)
    assert 1.79e9 < SNAPSHOT.date < 2e9


def test_it_is_small_and_has_prices_only():
    assert len(json.dumps(DOCUMENT)) < 1_000_000
    keys = {key for entry in DOCUMENT["models"].values() for key in entry}
    assert not [key for key in keys if key.startswith(("supports_", "source"))]


@pytest.mark.long
def test_it_has_no_model_that_the_first_source_prices_completely():
    """If a new version of genai-prices fails here, run `.ci/litellm_snapshot.py` again."""
    genai, surplus = GenaiPrices(), []
    for name in DOCUMENT["models"]:
        ours = bundled_prices().period(name, provider="", at=AT).card
        bare = name.rpartition("/")[2]
        known = genai.period(bare, provider=ours.provider, at=AT)
        if known is not None and not (
            (known.card.match == "maker" and known.card.tiers != ours.tiers)
            or ours.speeds.keys() - known.card.speeds.keys()
            or ours.regions.keys() - known.card.regions.keys()
            or (ours.web_search is not None and known.card.web_search is None)
        ):
            surplus.append(name)
    assert len(surplus) < len(DOCUMENT["models"]) // 10


def test_tiered_prices_are_read():
    tokens = {0: 1.0, 32_000: 1.0, 32_001: 1.8, 128_001: 3.0, 256_001: 6.0}
    for prompt, usd in tokens.items():
        cost = PriceBook().card("qwen3-coder-plus", at=AT).cost(TokenCounts(input=prompt))
        assert cost.total == prompt * usd * 1_000_000


def test_bad_steps_of_tiered_prices_are_left_out():
    steps = [
        {"range": [0, 100], "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
        {"range": ["many"], "input_cost_per_token": 9e-06},
        {"input_cost_per_token": 9e-06},
        "text",
        {"range": [100, 200], "input_cost_per_token": 3e-06, "output_cost_per_token": -1},
    ]
    entry = {"mode": "chat", "litellm_provider": "openai", "tiered_pricing": steps}
    card = PriceBook(litellm=litellm_table(**{"m-99": entry})).card("m-99", at=AT)
    assert [(above, rates.input, rates.output) for above, rates in card.tiers] == [
        (0, 1_000_000, 2_000_000),
        (100, 3_000_000, 2_000_000),
    ]


def test_a_download_has_precedence():
    entry = litellm_entry(7e-06, 8e-06, litellm_provider="dashscope")
    book = PriceBook(litellm=litellm_table(**{"dashscope/qwen3-max": entry}))
    assert book.card("qwen3-max", at=AT).tiers[0][1].input == 7_000_000
    assert book.card("qwen3-coder-plus", at=AT).tiers[0][1].input == 1_000_000  # bundled
    (source,) = [each for each in book.sources() if each.source == "litellm"]
    assert source.version != SNAPSHOT.version
