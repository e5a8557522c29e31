"""Corrections apply during their time only, and each of them is still needed."""

from datetime import UTC, datetime
from importlib.resources import files

import pytest
from price_tables import genai_model, genai_table, litellm_entry, litellm_table, usd_of

from agtop_exporter import __version__
from agtop_exporter.model import TokenCounts
from agtop_exporter.pricing import PriceBook
from agtop_exporter.pricing.corrections import NO_CORRECTIONS, Corrections, decode_corrections

TEXT = files("agtop_exporter.pricing").joinpath("corrections.toml").read_text("utf-8")
CORRECTIONS, SCHEDULES, DATE = decode_corrections(TEXT)
BOOK = PriceBook()
LISTED = PriceBook(corrections=NO_CORRECTIONS)
DAY = 86400
EARLIEST = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
REQUESTS = [TokenCounts(1_000, 2_000, 300, 40, 500), TokenCounts(300_000, 2_000, 300, 40, 500)]


def unix(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def input_usd(model, at, **given):
    return BOOK.card(model, at=unix(at), **given).tiers[0][1].input / 1e6


def moments(correction):
    """Return times at which a correction applies, at several hours of the day."""
    start, end = correction.period
    start = max(start, EARLIEST)
    end = min(end, max(LATEST, start + 30 * DAY))
    return [start + (end - start) * part / 50 for part in range(50)]


def terms(book, model, provider, at):
    """Return all that a response may cost at a time."""
    card = book.card(model, at=at, provider=provider)
    if card is None:
        return None
    costs = [card.cost(request) for request in REQUESTS]
    return costs, card.tiers, card.speeds, card.regions, card.web_search


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda c: f"{min(c.models)} {c.start}")
def test_each_line_differs_from_the_tables(correction):
    """Delete a line of `corrections.toml` that fails here: the tables have the price by now."""
    assert correction.source.startswith("https://")
    for model in correction.models:
        assert any(
            terms(BOOK, model, correction.provider, at)
            != terms(LISTED, model, correction.provider, at)
            for at in moments(correction)
        ), model


def test_only_announced_changes_start_after_the_date_of_the_corrections():
    """A line may start later only where another line of the same models ends."""
    (source,) = [each for each in BOOK.sources() if each.source == "corrections"]
    assert (source.version, source.updated_at) == (__version__, unix(str(DATE)))
    announced = [line for line in CORRECTIONS if line.period[0] > source.updated_at]
    for line in announced:
        before = [each for each in CORRECTIONS if each.period[1] == line.period[0]]
        assert [each.models for each in before if each.provider == line.provider] == [line.models]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.provider} {s.start}")
def test_each_schedule_has_a_source_and_a_time(schedule):
    assert schedule.source.startswith("https://")
    assert schedule.end is None or schedule.start < schedule.end
    assert all(0 <= start < end <= 24 for start, end in schedule.hours)


@pytest.mark.parametrize(
    ("model", "at", "usd"),
    [
        ("deepseek-v4-pro", "2026-04-24T12:00", (1.74, 0.145, 3.48)),
        ("deepseek-v4-pro", "2026-04-25T12:00", (0.435, 0.03625, 0.87)),
        ("deepseek-v4-pro", "2026-04-27T12:00", (0.435, 0.003625, 0.87)),
        ("grok-4.20-0309-reasoning", "2026-05-01", (2, 0.2, 6)),
        ("grok-4.20-0309-reasoning", "2026-06-01", (1.25, 0.2, 2.5)),
        ("grok-4.5-build", "2026-07-10", (2, 0.5, 6)),
        ("grok-4.5", "2026-08-01", (2, 0.3, 6)),
        ("mistral-medium-3", "2026-01-18", (0.4, 0.04, 2)),
        ("gemini-2.5-pro", "2025-10-22", (1.25, 0.31, 10)),
        ("gemini-2.5-pro-preview-06-05", "2025-06-10", (1.25, 0.31, 10)),
        ("gemini-2.5-pro", "2025-10-24", (1.25, 0.125, 10)),
        ("gemini-2.5-flash", "2025-07-02", (0.3, 0.075, 2.5)),
        ("gemini-flash-latest", "2025-10-02", (0.3, 0.075, 2.5)),
        ("gemini-2.5-flash-lite", "2025-07-30", (0.1, 0.025, 0.4)),
        ("gemini-2.5-flash-preview-05-20", "2025-06-02", (0.15, 0.0375, 0.6)),
        ("o3", "2025-06-09", (10, 2.5, 40)),
        ("o3-2025-04-16", "2025-06-11", (2, 0.5, 8)),
        ("kimi-k2-turbo-preview", "2025-09-10", (2.4, 0.6, 10)),
        ("deepseek-ai/DeepSeek-V3.2", "2026-01-10", (0.28, 0.028, 0.42)),
        ("deepseek-v3.1", "2025-09-10", (0.56, 0.07, 1.68)),
        ("azure/eu/gpt-5.6-luna", "2026-07-29", (1.1, 0.11, 6.6)),
        ("azure/eu/gpt-5.6-luna", "2026-07-31", (0.22, 0.022, 1.32)),
        ("azure/us/gpt-5.6-sol", "2026-08-20", (5.5, 0.55, 33)),
    ],
)
def test_an_earlier_price_applies_to_its_time(model, at, usd):
    first = BOOK.card(model, at=unix(at)).tiers[0][1]
    assert usd_of(first) == usd


def test_an_earlier_price_of_long_prompts():
    at = unix("2025-07-02")
    (_, short), (above, long) = BOOK.card("google/gemini-2.5-pro", at=at).tiers
    assert (above, short.cache_read, long.cache_read) == (200_000, 310_000, 625_000)
    assert BOOK.card("muse-ember", at=unix("2026-11-20")).tiers[1][1].cache_read == 12_000


@pytest.mark.parametrize(
    ("model", "provider", "at", "usd"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0[1m]", "", "2025-11-01", (6.6, 0.66, 24.75)),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "", "2025-11-01", (6, 0.6, 22.5)),
        ("eu.anthropic.claude-sonnet-4-20250514-v1:0", "", "2025-09-01", (6, 0.6, 22.5)),
        ("us.anthropic.claude-opus-4-6-v1", "", "2026-03-12", (11, 1.1, 41.25)),
        ("us.anthropic.claude-opus-4-6-v1", "", "2026-03-13", (5.5, 0.55, 27.5)),
        ("global.anthropic.claude-sonnet-4-6", "", "2026-03-12", (6, 0.6, 22.5)),
        ("claude-sonnet-4-6", "google-vertex", "2026-03-12", (6, 0.6, 22.5)),
        ("claude-sonnet-4@20250514", "vertex_ai", "2025-11-01", (6, 0.6, 22.5)),
        ("anthropic/claude-sonnet-4", "openrouter", "2025-11-01", (6, 0.6, 22.5)),
        ("openai.gpt-5.5", "amazon-bedrock", "2026-11-20", (11, 1.1, 49.5)),
        ("gpt-5.6-cyber", "openai", "2026-11-20", (25, 2.5, 112.5)),
        ("grok-4", "xai", "2026-02-01", (6, 0.75, 30)),
        ("x-ai/grok-4.1-fast", "", "2026-02-01", (0.4, 0.05, 1)),
    ],
)
def test_a_seller_charges_more_for_long_prompts(model, provider, at, usd):
    long = BOOK.card(model, at=unix(at), provider=provider).tiers[-1][1]
    assert usd_of(long) == usd


def test_lines_of_one_model_do_not_overlap():
    for changed in (lambda c: c.is_complete or c.same_as, lambda c: c.speeds):
        lines = [(m, c.provider, *c.period) for c in CORRECTIONS if changed(c) for m in c.models]
        assert len(set(lines)) == len(lines)
        for model, provider, start, end in lines:
            others = [each for each in lines if each[:2] == (model, provider)]
            others.remove((model, provider, start, end))
            assert all(end <= each[2] or each[3] <= start for each in others), model


@pytest.mark.parametrize(
    ("moment", "usd"),
    [
        ("2026-08-16T15:59:59", 0.435),
        ("2026-08-16T16:00:00", 0.66),
        ("2026-08-17T00:59:59", 0.66),  # a Monday
        ("2026-08-17T01:00:00", 1.32),
        ("2026-08-17T04:00:00", 0.66),
        ("2026-08-17T06:00:00", 1.32),
        ("2026-08-17T10:00:00", 0.66),
        ("2026-08-22T02:00:00", 0.66),  # a Saturday
        ("2026-10-05T02:00:00", 0.66),  # a public holiday
        ("2026-10-08T02:00:00", 1.32),
        ("2026-07-06T02:00:00", 0.435),  # a Monday before the first peak hours
    ],
)
def test_peak_hours_apply_from_their_first_day_and_on_their_weekdays(moment, usd):
    assert input_usd("deepseek-v4-pro", moment) == usd
    flash = {0.435: 0.14, 0.66: 0.22, 1.32: 0.44}
    if moment < "2026-09-10":
        assert input_usd("deepseek-v4-flash", moment) == flash[usd]


@pytest.mark.slow
def test_the_order_of_questions_does_not_matter():
    times = [unix("2026-08-16") + hour * 1800 + 60 for hour in range(48 * 9)]
    together = PriceBook()
    backwards = PriceBook()
    forth = [together.card("deepseek-v4-pro", at=at).tiers for at in times]
    back = [backwards.card("deepseek-v4-pro", at=at).tiers for at in reversed(times)]
    assert forth == back[::-1]
    assert len(set(forth)) == 3


def test_peak_hours_of_a_provider_without_a_schedule_apply_always():
    prices = [
        {"prices": {"input_mtok": 1, "output_mtok": 2}},
        {
            "constraint": {"start_time": "01:00:00Z", "end_time": "02:00:00Z"},
            "prices": {"input_mtok": 3, "output_mtok": 4},
        },
    ]
    book = PriceBook()
    book.load("genai-prices", genai_table(genai_model("m-1", prices)), updated_at=0.0)
    saturday = unix("2026-08-22T01:30:00")
    assert book.card("m-1", at=saturday).tiers[0][1].input == 3_000_000


@pytest.mark.parametrize(
    ("model", "moment", "usd"),
    [
        ("deepseek-chat", "2025-07-01T12:00:00", 0.27),
        ("deepseek-chat", "2025-07-01T20:00:00", 0.135),
        ("deepseek-chat", "2025-01-10T20:00:00", 0.27),
        ("deepseek-chat", "2025-09-10T20:00:00", 0.56),
        ("deepseek-reasoner", "2025-12-01T20:00:00", 0.28),
        ("deepseek-chat", "2026-05-01T20:00:00", 0.14),
        ("deepseek-chat", "2026-08-18T02:00:00", 0.44),
        ("mistral-large-latest", "2025-11-01T12:00:00", 2),
        ("mistral-large-latest", "2026-01-01T12:00:00", 0.5),
        ("mistral-large-2411", "2026-01-01T12:00:00", 2),
        ("ministral-3b-latest", "2025-11-01T12:00:00", 0.04),
        ("ministral-3b-latest", "2026-01-01T12:00:00", 0.1),
        ("gemini-4-carbon", "2026-11-30T23:59:59", 2),
        ("gemini-4-carbon", "2026-12-01T00:00:00", 4),
        ("gemini-3-flash", "2026-02-01T12:00:00", 0.5),
        ("composer-1", "2026-01-10T12:00:00", 1.25),
        ("composer-2-fast", "2026-04-10T12:00:00", 1.5),
        ("k3[1m]", "2026-09-10T12:00:00", 3),
        ("kimi-code/k3-256k", "2026-09-10T12:00:00", 3),
        ("codex-auto-review", "2026-07-29T12:00:00", 2.5),
        ("codex-auto-review", "2026-07-30T12:00:00", 0.2),
        ("gpt-reserve", "2026-09-10T12:00:00", 0.2),
        ("gpt-6.2-sol", "2026-11-18T12:00:00", 2),
        ("gpt-6.2-astra", "2026-11-18T12:00:00", 8),
        ("gemini-3.6-flash", "2026-07-25T12:00:00", 1.5),
        ("gemini-3.6-flash", "2026-08-20T12:00:00", 0.75),
        ("gemini-flash-latest", "2025-12-01T12:00:00", 0.3),
        ("gemini-flash-latest", "2026-03-01T12:00:00", 0.5),
        ("gemini-flash-latest", "2026-06-01T12:00:00", 1.5),
        ("gemini-flash-latest", "2026-09-10T12:00:00", 0.75),
        ("claude-sonnet-5-5", "2026-10-01T12:00:00", 2),
        ("qwen3.6-plus", "2026-08-01T12:00:00", 0.5),
    ],
)
def test_the_price_of_a_day(model, moment, usd):
    assert input_usd(model, moment) == usd


def test_a_model_that_no_table_has_is_unknown_before_its_first_price():
    text = """
        date = 2026-11-30
        [[schedule]]
        provider = "x"
        start = 2026-01-01T00:00:00Z
        hours = []
        source = "https://example.org"
        [[price]]
        provider = "zai"
        models = ["m-99"]
        start = 2026-05-01T00:00:00Z
        input = 1.5
        output = 2
        source = "https://example.org"
    """
    book = PriceBook(corrections=Corrections(*decode_corrections(text)))
    assert book.card("m-99", at=unix("2026-04-30T23:59:59")) is None
    assert book.card("m-99", at=unix("2026-05-01")).tiers[0][1].input == 1_500_000
    assert book.card("m-99", at=unix("2026-04-30T23:59:59")) is None
    resold = book.card("m-99", at=unix("2026-06-01"), provider="some-proxy")
    assert (resold.match, resold.provider, resold.tiers[0][1].input) == ("maker", "zai", 1_500_000)
    assert book.card("m-99", at=unix("2026-04-30"), provider="some-proxy") is None


@pytest.mark.parametrize(
    "text", ["", "[[price]]", "price = []\nschedule = [{provider = 3}]", "price = 1"]
)
def test_a_file_of_corrections_that_is_not_valid(text):
    with pytest.raises(ValueError, match=r".+"):
        decode_corrections(text)


def test_one_rate_may_be_corrected():
    september = BOOK.card("claude-sonnet-5-5", at=unix("2026-09-30")).tiers[0][1]
    october = BOOK.card("claude-sonnet-5-5", at=unix("2026-10-07")).tiers[0][1]
    assert (september.cache_read, october.cache_read) == (200_000, 100_000)
    assert (september.input, september.output) == (october.input, october.output)


@pytest.mark.parametrize(
    ("moment", "usd"),
    [("2026-10-20", 0), ("2026-10-31T15:59:59", 0), ("2026-10-31T16:00:00", 0.00075)],
)
@pytest.mark.parametrize("model", ["deepseek-flash", "deepseek-v4-pro", "deepseek-chat"])
def test_searches_of_deepseek_were_free_at_first(model, moment, usd):
    cost = BOOK.card(model, at=unix(moment)).cost(TokenCounts(), web_searches=4)
    assert cost.web_search == 4 * usd * 1e12


def test_a_share_of_the_input_rate_is_used_until_a_list_has_the_rate():
    at = unix("2026-11-01")
    for above, rates in BOOK.card("qwen3-max", at=at).tiers:
        assert rates.cache_read == rates.input / 5, above
    entry = litellm_entry(7e-06, 8e-06, litellm_provider="dashscope")
    rate = {"cache_read_input_token_cost": 3e-06}
    for listed, usd in [(entry, 1.4), ({**entry, **rate}, 3)]:
        book = PriceBook(litellm=litellm_table(**{"dashscope/qwen3-max": listed}))
        assert book.card("qwen3-max", at=at).tiers[0][1].cache_read == usd * 1e6


def test_the_long_context_of_sonnet_4():
    for moment, usd in [("2025-08-11", 3), ("2025-08-12", 6), ("2026-04-30", 3)]:
        cost = BOOK.card("claude-sonnet-4-20250514", at=unix(moment)).cost(
            TokenCounts(input=200_001)
        )
        assert cost.total == 200_001 * usd * 1_000_000


def test_a_correction_holds_for_its_provider_only():
    at = unix("2026-05-01")
    assert BOOK.card("claude-opus-4-6", at=at).tiers_of("fast") is not None
    entry = litellm_entry(2e-06, 6e-06, litellm_provider="azure_ai")
    book = PriceBook(litellm=litellm_table(**{"azure_ai/mistral-large-latest": entry}))
    azure = book.card("mistral-large-latest", at=at, provider="azure_ai")
    assert (azure.model, azure.tiers[0][1].input) == ("azure_ai/mistral-large-latest", 2_000_000)
    proxy = book.card("mistral-large-latest", at=at, provider="some-proxy")
    assert (proxy.provider, proxy.tiers[0][1].input) == ("mistral", 500_000)
    bedrock = BOOK.card("us.anthropic.claude-opus-4-6-v1", at=at)
    assert bedrock.provider == "aws"
    assert bedrock.tiers_of("fast") is None


def test_a_card_shows_what_was_corrected():
    card = BOOK.card("claude-opus-4-7", at=unix("2026-06-01"))
    assert card.source == "genai-prices"
    assert card.corrections == ("https://platform.claude.com/docs/en/build-with-claude/fast-mode",)
