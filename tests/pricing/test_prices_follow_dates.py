"""A request costs the price at its time, in any order of queries."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from price_tables import genai_model, genai_table

from agtop_exporter.model import TokenCounts
from agtop_exporter.pricing import PriceBook


def unix(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def book(*models):
    loaded = PriceBook()
    loaded.load("genai-prices", genai_table(*models), updated_at=0.0)
    return loaded


def dollars(usd_per_million):
    return usd_per_million * 1_000_000


CUT = genai_model(
    "cut-1",
    [
        {"prices": {"input_mtok": 10, "output_mtok": 40}},
        {
            "constraint": {"start_date": "2025-06-10"},
            "prices": {"input_mtok": 2, "output_mtok": 8},
        },
    ],
)
NIGHT = genai_model(
    "night-1",
    [
        {"prices": {"input_mtok": 1, "output_mtok": 2}},
        {
            "constraint": {"start_time": "22:00:00Z", "end_time": "06:30:00Z"},
            "prices": {"input_mtok": 0.5, "output_mtok": 1},
        },
    ],
)


def test_price_cut_starts_at_midnight_utc():
    cut = book(CUT)
    last_dear = cut.card("cut-1", at=unix("2025-06-09T23:59:59.999"))
    first_cheap = cut.card("cut-1", at=unix("2025-06-10T00:00:00"))
    assert last_dear.tiers[0][1].input == dollars(10)
    assert first_cheap.tiers[0][1].input == dollars(2)


def test_price_cut_asked_for_first_at_its_very_start():
    cut = book(CUT)
    assert cut.card("cut-1", at=unix("2025-06-10")).tiers[0][1].input == dollars(2)
    assert cut.card("cut-1", at=unix("2025-06-10") - 0.001).tiers[0][1].input == dollars(10)


def test_price_of_the_night_crosses_midnight():
    night = book(NIGHT)
    for text, usd in [
        ("2026-01-01T21:59:59", 1),
        ("2026-01-01T22:00:00", 0.5),
        ("2026-01-02T00:00:00", 0.5),
        ("2026-01-02T06:29:59", 0.5),
        ("2026-01-02T06:30:00", 1),
    ]:
        assert night.card("night-1", at=unix(text)).tiers[0][1].input == dollars(usd), text


BOTH = book(CUT, NIGHT)


@given(
    model=st.sampled_from(["cut-1", "night-1"]),
    times=st.lists(st.integers(int(unix("2025-06-08")), int(unix("2025-06-13"))), max_size=20),
)
def test_earlier_queries_do_not_matter(model, times):
    for at in times:
        fresh = book(CUT, NIGHT) if at % 50 == 0 else BOTH
        assert BOTH.card(model, at=at) == fresh.card(model, at=at)
        cheap = (
            at >= unix("2025-06-10")
            if model == "cut-1"
            else not (6.5 * 3600 <= at % 86400 < 22 * 3600)
        )
        rates = {"cut-1": (10, 2), "night-1": (1, 0.5)}[model]
        assert BOTH.card(model, at=at).tiers[0][1].input == dollars(rates[cheap])


def test_long_context_surcharge_of_opus_4_6_ended_on_2026_03_13():
    request = TokenCounts(input=1, cache_read=250_000, output=10)
    prices = PriceBook()
    before = prices.card("claude-opus-4-6", at=unix("2026-03-12T23:00:00")).cost(request)
    after = prices.card("claude-opus-4-6", at=unix("2026-03-13T00:00:00")).cost(request)
    assert before.cache_read == 2 * after.cache_read
    assert before.output * 2 == after.output * 3


def test_retired_models_keep_their_price():
    prices = PriceBook()
    at = unix("2026-11-22")
    opus = prices.card("claude-opus-4-1-20250805", at=at).tiers[0][1]
    assert (opus.input, opus.output) == (dollars(15), dollars(75))
    assert (opus.cache_write_1h, opus.cache_read) == (dollars(30), dollars(1.5))
    gemini = prices.card("gemini-3-pro-preview", at=at).tiers
    assert [(above, rates.input) for above, rates in gemini] == [
        (0, dollars(2)),
        (200_000, dollars(4)),
    ]


def test_service_tier_holds_from_the_launch():
    """The table has it only from the day on which its editors verified it."""
    variant = {
        "when": {"service_tier": "priority"},
        "constraint": {"start_date": "2026-10-12"},
        "prices": {"input_mtok": 4, "output_mtok": 16},
    }
    tiered = book(
        genai_model("tier-1", {"input_mtok": 2, "output_mtok": 8}, price_variants=[variant])
    )
    early = tiered.card("tier-1", at=unix("2026-10-11T12:00:00"))
    late = tiered.card("tier-1", at=unix("2026-10-12T12:00:00"))
    request = TokenCounts(input=1)
    assert early.cost(request, speed="priority").input == dollars(4)
    assert late.cost(request, speed="priority").input == dollars(4)
    assert late.cost(request, speed="default").input == dollars(2)


def test_impossible_times_are_priced_and_do_not_raise():
    cut = book(CUT)
    for at in (float("-inf"), -1e18, 0.0):
        assert cut.card("cut-1", at=at).tiers[0][1].input == dollars(10)
    for at in (1e18, float("inf")):
        assert cut.card("cut-1", at=at).tiers[0][1].input == dollars(2)
    assert cut.card("cut-1", at=float("nan")) is not None
