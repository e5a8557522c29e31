"""The output of check-config is TOML that gives the same settings and names each origin."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from places import ROOT
from running import run

from agtop_exporter.settings import Settings, SettingsError, load_settings, load_with_origins
from agtop_exporter.settings.writing import as_toml, example

EXAMPLE = ROOT / "deploy" / "config.example.toml"

CONFIG = """\
interval = 7
sessions-max = 9
[[budgets]]
usd = 20
period = "day"
[prices."gpt-5.2"]
input = 1
[[prices."azure/x"]]
input = 1
until = 2026-03-01
[prices."gpt-5.2".tiers]
flex = 2
"""

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
rates = st.floats(0, 1000) | st.integers(0, 1000)
one_price = st.fixed_dictionaries(
    {"input": rates},
    optional={
        "output": rates,
        "until": st.dates() | st.just("2026-03-01"),
        "over_agent_cost": st.booleans(),
        "tiers": st.dictionaries(st.sampled_from(["priority", "flex"]), rates, max_size=2),
        "above": st.lists(
            st.fixed_dictionaries({"tokens": st.integers(1, 10**6), "input": rates}), max_size=2
        ),
    },
)
budgets = st.fixed_dictionaries(
    {"usd": st.floats(0.01, 1e6), "period": st.sampled_from(["day", "week", "month"])},
    optional={"name": words, "project": words, "agent": st.sampled_from(["claude", "pi"])},
)
values = st.fixed_dictionaries(
    {},
    optional={
        "home": st.lists(words, max_size=3),
        "interval": st.floats(0.05, 86_400),
        "session_linger": st.floats(min_value=0),
        "sessions_max": st.integers(0, 10_000),
        "plan": st.sampled_from(["retail", "max", "included"]),
        "no_state": st.booleans(),
        "state_dir": words,
        "agent": st.lists(st.sampled_from(["claude", "codex"]), max_size=2),
        "prices": st.dictionaries(words, one_price | st.lists(one_price, min_size=1, max_size=2)),
        "budgets": st.lists(budgets, max_size=3, unique_by=lambda one: one.get("name")),
    },
)


@pytest.mark.long
@settings(max_examples=20)
@given(values)
def test_the_output_gives_the_same_settings(flags):
    try:
        merged, origins = load_with_origins(flags, {})
    except SettingsError:  # two budgets have one name
        reject()
    text = as_toml(merged, origins)
    assert load_settings(tomllib.loads(text), {}) == merged
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.startswith("home")
    values = [line for line in text.split("\n") if line and not line.startswith((" ", "]"))]
    assert all("  # flag --" in line or "  # default" in line for line in values)


@pytest.mark.slow
def test_each_value_has_its_origin(tmp_path, golden):
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    environment = {
        "AGTOP_PLAN": "max",
        "AGTOP_HOME": "/ada:/bob",
        "AGTOP_PRICES": '{"mine": {"input": 2}}',
    }
    merged, origins = load_with_origins(
        {"no_state": True, "plan": "included"}, environment, config=config
    )
    text = as_toml(merged, origins).replace(str(tmp_path), "")
    golden(Path(__file__).with_name("check-config.toml"), text)
    again = tmp_path / "again.toml"
    again.write_text(text)
    assert load_settings({}, {}, config=again) == merged


@pytest.mark.slow
def test_secrets_are_not_printed(tmp_path):
    secret = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=hidden-value"}
    done = run("agtop-exporter", "check-config", "--otlp", home=tmp_path, **secret)
    assert "otlp = true  # flag --otlp\n" in done.stdout
    assert "hidden-value" not in done.stdout + done.stderr


@pytest.mark.slow
def test_the_committed_example_is_the_one_that_is_printed(golden, tmp_path):
    golden(EXAMPLE, example())
    done = run("agtop-exporter", "check-config", "--example", home=tmp_path)
    assert done.stdout == EXAMPLE.read_text()


def test_the_example_has_every_setting_with_its_default():
    assert tomllib.loads(example()) == {}
    lines = [line for line in example().splitlines() if not line.startswith("# ")]
    values = tomllib.loads("\n".join(line.removeprefix("#") for line in lines))
    assert set(values) == set(Settings.model_fields)
    merged = load_settings(values, {})
    assert len(merged.budgets) == len(merged.prices) == 2
    assert merged.model_copy(update={"budgets": (), "prices": {}}) == Settings()
