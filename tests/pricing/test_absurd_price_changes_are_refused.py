"""A download cannot multiply a price: the earlier price stays, and the log names the model."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from price_tables import genai_model, genai_table, litellm_entry, litellm_table
from structlog.testing import capture_logs

from agtop_exporter.pricing import PriceBook, PriceRefresher
from agtop_exporter.pricing.changes import CHANGE_MAX, without_absurd_changes
from agtop_exporter.pricing.refresh import TTL_SECONDS

AT = 1_780_000_000.0


def decoded(data):
    return msgspec.json.decode(data)


@pytest.mark.parametrize("factor", [CHANGE_MAX * 2, 1 / (CHANGE_MAX * 2)])
def test_of_litellm(factor):
    entry = decoded(litellm_table(**{"gpt-99": litellm_entry()}))["gpt-99"]
    key = next(key for key in entry if key.startswith("output_cost"))
    wrong = msgspec.json.encode({"gpt-99": {**entry, key: entry[key] * factor}, "new": entry})
    right = msgspec.json.encode({"gpt-99": entry})
    table, refused = without_absurd_changes(wrong, right)
    assert refused == ("gpt-99",)
    assert decoded(table) == {"gpt-99": entry, "new": entry}
    usual = msgspec.json.encode({"gpt-99": {**entry, key: entry[key] * CHANGE_MAX / 2}})
    assert without_absurd_changes(usual, right) == (usual, ())


def test_of_genai_prices():
    def table(usd):
        return genai_table(genai_model("gpt-98", {"input_mtok": usd, "output_mtok": 2}))

    changed, refused = without_absurd_changes(table(1000), table(1))
    assert decoded(changed) == decoded(table(1))
    assert [name.partition("/")[2] for name in refused] == ["gpt-98"]
    assert without_absurd_changes(table(3), table(1)) == (table(3), ())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["models", "id", "input_cost", "x_mtok"]), inner, max_size=3
        )
    ),
)


@pytest.mark.slow
@given(json_values, json_values)
@example([{"models": [None, {"id": "m"}]}], [{"models": ["m"]}])
def test_any_table_is_returned(data, earlier):
    data = msgspec.json.encode(data)
    table, refused = without_absurd_changes(data, msgspec.json.encode(earlier))
    assert refused or table == data


@pytest.mark.slow
def test_the_refusal_lasts_and_is_reported(tmp_path):
    entry = litellm_entry()
    expensive = {k: v * 1000 if "cost" in k else v for k, v in entry.items()}
    served = [litellm_table(**{"gpt-99": entry})]
    genai = genai_table(genai_model("gpt-98", {"input_mtok": 1, "output_mtok": 2}))
    now = [AT]

    def prices():
        book = PriceBook()
        refresher = PriceRefresher(
            book,
            tmp_path,
            clock=lambda: now[0],
            fetch=lambda url: served[0] if "litellm" in url else genai,
            jitter=lambda: 0.0,
        )
        refresher.load_cache()
        refresher.refresh_due()
        return book.card("gpt-99", at=AT).tiers, refresher.refresh_errors

    first, errors = prices()
    assert errors == 0
    served[0] = litellm_table(**{"gpt-99": expensive})
    for day in (1, 2):
        now[0] = AT + day * 2 * TTL_SECONDS
        with capture_logs() as logs:
            assert prices() == (first, 1)
        (entry,) = [each for each in logs if each["event"] == "price changes refused"]
        assert (entry["models"], entry["count"]) == ("gpt-99", 1)


def test_a_price_beyond_any_model_is_no_price():
    entry = {k: 1.0 if "cost" in k else v for k, v in litellm_entry().items()}  # $1 per token
    book = PriceBook(litellm=litellm_table(**{"gpt-99": entry, "gpt-98": litellm_entry()}))
    assert book.card("gpt-99", at=AT) is None
    assert book.card("gpt-98", at=AT) is not None
