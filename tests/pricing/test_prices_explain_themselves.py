"""A price names its source, its date, all its rates, and what other tables list."""

import re
import tomllib
from datetime import datetime

import msgspec
import pytest
from places import ROOT
from price_tables import genai_model, genai_table, litellm_entry, litellm_table
from running import run

from agtop_exporter.pricing import PriceBook
from agtop_exporter.pricing.corrections import Corrections
from agtop_exporter.pricing.explanation import explain, explain_used
from agtop_exporter.pricing.lazy_genai import BUNDLED_DATES, GENAI
from agtop_exporter.render import price

NOW = 1_780_000_000.0
DATE = 1_779_900_000.0


def invented_book(**fields):
    """Return a book in which two tables list `gpt-77` at different prices."""
    book = PriceBook(corrections=Corrections(), **fields)
    listed = genai_model("gpt-77", {"input_mtok": 2, "cache_read_mtok": 0.2, "output_mtok": 8})
    book.load("genai-prices", genai_table(listed), updated_at=DATE)
    entry = litellm_entry(
        output_cost=9e-06,
        input_cost_per_token_priority=4e-06,
        output_cost_per_token_priority=18e-06,
        search_context_cost_per_query={"search_context_size_medium": 0.01},
    )
    book.load("litellm", litellm_table(**{"gpt-77": entry}), updated_at=DATE + 60)
    return book


def explained(book, model="gpt-77", **fields):
    return explain(book, model, **{"provider": "openai", "at": NOW} | fields)


def test_a_price_has_its_source_its_date_and_every_rate():
    answer = explained(invented_book())
    assert (answer.source, answer.match, answer.priced_as) == ("genai-prices", "exact", "gpt-77")
    assert answer.source_date == "2026-05-27T16:40:00.000Z"
    rates = (answer.input_usd, answer.cache_read_usd, answer.cache_write_5m_usd, answer.output_usd)
    assert rates == (2, 0.2, 2, 8)
    (priority,) = answer.tiers_of("priority")
    assert (priority.input_usd, priority.output_usd) == (4, 16)  # in proportion to the standard
    assert answer.web_search_usd == 0.01
    assert answer.tiers_of("ultrafast") is None


def test_a_disagreement_names_the_table_and_the_rates():
    (other,) = explained(invented_book()).disagreements
    assert (other.source, other.differs) == ("litellm", ("output", "priority"))
    assert other.tiers[0].output_usd == 9
    assert other.date == "2026-05-27T16:41:00.000Z"


def test_the_price_of_another_seller_is_no_disagreement():
    """LiteLLM's table lists Alibaba's price of this model of DeepSeek."""
    for provider in ("", "opencode"):
        found = explain(PriceBook(), "deepseek-v4-pro", provider=provider, at=NOW)
        assert [listing.source for listing in found.listings] == ["genai-prices"]
    (listing,) = explain(PriceBook(), "deepseek-v4-pro", provider="dashscope", at=NOW).listings
    assert listing.priced_as == "dashscope/deepseek-v4-pro"


def test_an_override_disagrees_with_the_tables():
    book = invented_book(overrides={"gpt-77": {"input": 1, "cache_read": 0.2, "output": 8}})
    answer = explained(book)
    assert answer.source == "override"
    assert {one.source: one.differs[0] for one in answer.disagreements} == {
        "genai-prices": "input",
        "litellm": "input",
    }


@pytest.mark.parametrize("model", ["gpt-78", "", "x" * 1000])
def test_an_unknown_model_has_no_explanation(model):
    assert explained(invented_book(), model) is None


def test_every_price_that_was_used_is_explained_once():
    book = PriceBook()
    for hour in range(48):  # with peak hours, which recur each day
        book.card("deepseek-chat", at=1_788_000_000.0 + 3600 * hour, provider="deepseek")
    book.card("claude-opus-4-6", at=1_772_000_000.0)
    found = [(each.model, each.input_usd) for each in explain_used(book, now=NOW)]
    assert len(found) == len(set(found))
    assert {model for model, _ in found} == {"deepseek-chat", "claude-opus-4-6"}


def test_the_text_shows_what_the_json_has():
    book, question = invented_book(), price.Question("gpt-77", "openai", "", NOW)
    text = price.text(question, explained(book))
    assert re.search(r"standard +2 +0\.2 +2 +2 +8\n +priority +4 ", text)
    assert re.search(r"! litellm \w+ of 2026-05-27 lists output otherwise: 2, 2, 2, 2, 9\n", text)
    assert "web search   0.01 USD each" in text
    document = msgspec.json.decode(price.as_json(question, explained(book)))
    assert document["price"]["service_tiers"]["priority"][0]["output_usd"] == 16
    assert document["at"] == "2026-05-28T20:26:40.000Z"


def test_an_unknown_tier_is_never_shown_at_the_standard_price():
    question = price.Question("gpt-77", "openai", "ultrafast", NOW)
    answer = explained(invented_book())
    assert price.text(question, answer).startswith("No price is known for the service tier ultra")
    assert msgspec.json.decode(price.as_json(question, answer))["tier_price"] is None


def test_a_local_model_is_called_so():
    question = price.Question("openai/gpt-77", "lmstudio", "", NOW)
    answer = explained(invented_book(), question.model, provider=question.provider)
    text = "openai/gpt-77 of lmstudio is a local model without a list price."
    assert price.text(question, answer).startswith(text)


@pytest.mark.slow
def test_the_bundled_table_has_the_date_of_its_release():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    (package,) = (each for each in lock["package"] if each["name"] == GENAI)
    released = datetime.fromisoformat(package["wheels"][0]["upload-time"])
    date = BUNDLED_DATES[package["version"]]
    assert abs(date - released.timestamp()) < 3600, "add the version of uv.lock to BUNDLED_DATES"
    dates = {source.source: source.updated_at for source in PriceBook().sources()}
    assert None not in dates.values()


@pytest.mark.slow
@pytest.mark.integration
def test_the_command_explains_a_price(tmp_path):
    def explain_price(*words):
        return run("agtop", "price", *words, "--no-pricing-refresh", home=tmp_path, check=False)

    done = explain_price("claude-opus-4-6", "--at", "2026-03-01", "--tier", "fast", "--json")
    assert done.returncode == 0, done.stderr
    document = msgspec.json.decode(done.stdout)
    assert document["tier_price"][0]["input_usd"] == 30
    assert explain_price("no-such-model").returncode == 1
    mistake = explain_price()
    assert mistake.returncode == 2
    assert mistake.stderr == "agtop: MODEL is missing: type `agtop price MODEL`\n"
