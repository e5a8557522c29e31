"""All mistakes in the settings are reported at once, one line each with its source."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.agents import load_agents
from agtop_exporter.pricing.override_fields import KEYS
from agtop_exporter.settings import PREFIX, Settings, SettingsError, load_settings

AGENTS = ", ".join(sorted(agent.name for agent in load_agents()))
NO_RATE = "a price needs at least one rate, such as input or output"
FIELDS = ", ".join(KEYS)
SECONDS = "expected a number of seconds from 0.05 to 86400"
NO_SETTING = "there is no such setting"
JARGON = ("input should be", "pydantic", "valid string", "type=", "float", "Traceback", "msgspec")


def mistakes(flags=None, environment=None, config=None):
    """Return the lines of the error for invalid settings."""
    with pytest.raises(SettingsError) as caught:
        load_settings(flags or {}, environment or {}, config=config)
    return str(caught.value).split("\n")


def mistakes_of_file(tmp_path, text):
    config = tmp_path / "config.toml"
    config.write_text(text)
    return [line.replace(f"{tmp_path}/", "") for line in mistakes(config=config)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('interval = "soon"', [f"1: interval: {SECONDS}, got 'soon'"]),
        ("\n# seconds\ninterval = 0", [f"3: interval: {SECONDS}, got 0"]),
        ("interval = nan", [f"1: interval: {SECONDS}, got nan"]),
        ("interval = true", [f"1: interval: {SECONDS}, got true"]),
        ("interval = {}", [f"1: interval: {SECONDS}, got a table"]),
        (
            "session_linger = -1",
            ["1: session_linger: expected a number of seconds, 0 or more, got -1"],
        ),
        (
            "sessions_max = 1.5",
            ["1: sessions_max: expected a whole number from 0 to 10000, got 1.5"],
        ),
        (
            f"sessions_max = 0x{'f' * 9000}",
            ["1: sessions_max: expected a whole number from 0 to 10000, got a larger number"],
        ),
        ("no-state = 2", ["1: no-state: expected true or false, got 2"]),
        ('plan = "Gold"', ["1: plan: expected retail, max or included, got 'gold'"]),
        ("log_format = []", ["1: log_format: expected logfmt or json, got a list"]),
        ("state_dir = 5", ["1: state_dir: expected a directory, got 5"]),
        ("home = 5", ["1: home: expected a directory or a list of directories, got 5"]),
        ('home = ["/a", ""]', ["1: home: expected a directory, got ''"]),
        ("agent = 5", ["1: agent: expected a name or a list of names, got 5"]),
        ("agent = [5]", ["1: agent: expected the name of an agent, got 5"]),
        ('agent = "clod"', [f"1: agent: no such agent: clod (known: {AGENTS})"]),
        ('agent = "Cloude"', ["1: agent: no such agent: Cloude; did you mean claude?"]),
        ('agent = "a\\nb"', [f"1: agent: no such agent: 'a\\nb' (known: {AGENTS})"]),
        (
            'textfile = "a.txt"',
            ["1: textfile: expected a file name that ends with .prom, got 'a.txt'"],
        ),
        ("color = 1", [f"1: color: {NO_SETTING}"]),
        ("intervall = 1", [f"1: intervall: {NO_SETTING}; did you mean interval?"]),
        ("INTERVAL = 1", [f"1: INTERVAL: {NO_SETTING}; did you mean interval?"]),
        ("_env_file = 'x'", [f"1: _env_file: {NO_SETTING}"]),
        ("__pydantic_self__ = 1", [f"1: __pydantic_self__: {NO_SETTING}"]),
        ('"a \\" b\\u0007" = 1', [f'1: "a \\" b\\u0007": {NO_SETTING}']),
        ("interval = 1\n[daemon]\ninterval = 2", [f"2: daemon: {NO_SETTING}"]),
        ("sessions-max = 1\nsessions_max = 2", ["2: sessions_max: already set as sessions-max"]),
        (
            "refresh-pricing = true\n\nno_pricing_refresh = true",
            ["1: refresh-pricing and config.toml:3: no_pricing_refresh exclude each other"],
        ),
    ],
)
def test_a_value_in_a_file(text, lines, tmp_path):
    assert mistakes_of_file(tmp_path, text) == [f"config.toml:{line}" for line in lines]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("prices = 4", ["1: prices: expected a table for each model, got 4"]),
        ("[prices]\nours = 4", ["2: prices.ours: expected a table of token types, got 4"]),
        (
            "[prices.ours]\ninput = -1\noutput = 1",
            ["2: prices.ours.input: expected a price in US dollars per million tokens, got -1"],
        ),
        (
            "[prices.ours]\noutput = 1\ninput = inf",
            ["3: prices.ours.input: expected a price in US dollars per million tokens, got inf"],
        ),
        (
            "[prices]\nours = {input = 1, output = 1e-9}",
            ["2: prices.ours.output: expected a price in US dollars per million tokens, got 1e-09"],
        ),
        (
            "[prices.ours]",
            [f"1: prices.ours: {NO_RATE}"],
        ),
        (
            '[[prices."claude-*"]]\ninput = 1\nfrom = "soon"',
            ["3: prices.\"claude-*\".from: expected a date such as 2026-03-01, got 'soon'"],
        ),
        (
            "[prices.ours]\ninput = 1\n[prices.ours.tiers]\nfast = -6",
            ["4: prices.ours.tiers.fast: expected a table of token types or a factor, got -6"],
        ),
        (
            "[prices.ours]\ninput = 1\noutput = 1\ninptu = 1",
            ["4: prices.ours.inptu: a price has no such field; did you mean input?"],
        ),
        (
            "[prices.ours]\ninput = 1\noutput = 1\nfast = 1",
            [f"4: prices.ours.fast: a price has no such field (known: {FIELDS})"],
        ),
        (
            "[prices.gpt-5.2]\ninput = 1\noutput = 1",
            ['1: prices.gpt-5: a model name with a dot needs quotes: [prices."gpt-5.2"]'],
        ),
        (
            "[prices.a.b.c]\ninput = 1\noutput = 1\n[prices.a.d]\ninput = 1",
            [
                '1: prices.a: a model name with a dot needs quotes: [prices."a.b.c"]',
                '1: prices.a: a model name with a dot needs quotes: [prices."a.d"]',
            ],
        ),
    ],
)
def test_a_price_in_a_file(text, lines, tmp_path):
    assert mistakes_of_file(tmp_path, text) == [f"config.toml:{line}" for line in lines]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a = 1\nb = [1,\n2\n c = 3", ":4:2: unclosed array"),
        (b"interval = soon", ":1:12: invalid value"),
        (b"a = 1\na = 2\n", ":2:6: cannot overwrite a value"),
        (b"a = 1\na = 2", ": cannot overwrite a value (at end of document)"),
        (b"a = " + b"[" * 20_000, ": nested too deeply"),
        (b"a = " + b"9" * 9_000, ": a number has too many digits"),
        (b"a = 1\n# \xff", ":2: not UTF-8 text"),
    ],
)
def test_a_file_that_is_not_toml(content, line, tmp_path):
    config = tmp_path / "config.toml"
    config.write_bytes(content)
    assert mistakes(config=config) == [f"{config}{line}"]


def test_a_file_that_cannot_be_read(tmp_path):
    assert mistakes(config=tmp_path / "none") == [f"{tmp_path}/none: No such file or directory"]
    assert mistakes(config=tmp_path) == [f"{tmp_path}: Is a directory"]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("INTERVAL", "soon", f"{SECONDS}, got 'soon'"),
        ("OTLP", "maybe", "expected true or false, got 'maybe'"),
        ("LISTEN_ADDRESS", "10041", "expected HOST:PORT, got '10041'"),
        ("LISTEN_ADDRESS", "localhost:\u00b2", "expected HOST:PORT, got 'localhost:\u00b2'"),
        ("AGENT", "claude,clod", f"no such agent: clod (known: {AGENTS})"),
        ("PRICES", "{", "expected a table for each model, got '{'"),
        ("PRICES", "[" * 99_999, f"expected a table for each model, got '{'[' * 60}'..."),
        (
            "PRICES",
            '{"ours": {}}',
            f"ours: {NO_RATE}",
        ),
        ("INTERVALL", "3", f"{NO_SETTING}; did you mean AGTOP_INTERVAL?"),
        ("TEST_COLLECTOR", "x", NO_SETTING),
    ],
)
def test_a_variable(name, text, line):
    assert mistakes(environment={f"AGTOP_{name}": text}) == [f"AGTOP_{name}: {line}"]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"interval": "0"}, f"--interval: {SECONDS}, got '0'"),
        ({"home": [""]}, "--home: expected a directory, got ''"),
        ({"textfile": "x"}, "--textfile: expected a file name that ends with .prom, got 'x'"),
        (
            {"no_pricing_refresh": True, "refresh_pricing": True},
            "--refresh-pricing and --no-pricing-refresh exclude each other",
        ),
    ],
)
def test_a_flag(flags, line):
    assert mistakes(flags) == [line]


def test_all_sources_at_once(tmp_path):
    """This includes overridden values, and a conflict between two sources."""
    config = tmp_path / "config.toml"
    config.write_text('no_pricing_refresh = true\ninterval = "a"\n')
    flags = {"interval": "c", "refresh_pricing": True}
    assert mistakes(flags, {"AGTOP_INTERVAL": "b", "AGTOP_X": "1"}, config) == [
        f"{config}:2: interval: {SECONDS}, got 'a'",
        f"AGTOP_INTERVAL: {SECONDS}, got 'b'",
        f"AGTOP_X: {NO_SETTING}",
        f"--interval: {SECONDS}, got 'c'",
        f"--refresh-pricing and {config}:1: no_pricing_refresh exclude each other",
    ]


def test_a_conflict_that_another_source_resolves(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("no_pricing_refresh = true\nrefresh_pricing = true\n")
    settings = load_settings({}, {"AGTOP_NO_PRICING_REFRESH": "0"}, config=config)
    assert (settings.refresh_pricing, settings.no_pricing_refresh) == (True, False)


BAD_VALUES = {
    "home": [5, "", {"a": 1}],
    "listen_address": ["", "nowhere", 5, [1]],
    "web_allowed_host": ["a b", "https://x", 5, {}],
    "web_external_url": ["x", "ftp://x/", "http://", "http://a/?b", "http://u:p@h/", 5],
    "web_route_prefix": ["agtop", "//", "/a b", 5],
    "web_max_connections": [0, "many"],
    "interval": ["soon", "", -1, True, [], float("nan")],
    "state_dir": [1, []],
    "no_state": ["perhaps", 5, []],
    "refresh_pricing": ["perhaps", 1.5],
    "prices": [5, "x", [], {"m": 1}, {"m": {}}, {"m": {"input": "x", "output": 1}}],
    "plan": ["", "gold", 5, {}],
    "agent": ["", "clod", 5, {"a": 1}, ["\n"]],
    "log_level": ["loud", 5],
    "sessions_max": ["x", -1, 1.5, True, 10**30],
    "textfile": ["x", 5],
    "textfile_label": ["user", "=ada", "a-b=c", "__x=y", "le=1", 5],
    "color": ["red", 5],
    "_secrets_dir": ["/", 5],
}
BAD_TEXTS = {
    "AGTOP_LISTEN_ADDRESS": [":", "nowhere", "a:99999"],
    "AGTOP_INTERVAL": ["soon", "-1", "nan", "true"],
    "AGTOP_OTLP": ["perhaps", "5"],
    "AGTOP_PRICES": ["5", "x", "[]", '{"m": 1}', '{"m": {}}'],
    "AGTOP_PLAN": ["gold", "\x1b[0m"],
    "AGTOP_AGENT": ["clod", "claude,\t\x07"],
    "AGTOP_SESSIONS_MAX": ["x", "-1", "1.5", "9" * 5000],
    "AGTOP_TEXTFILE": ["x"],
    "AGTOP_COLOUR": ["red"],
}


def some_of(values):
    """Draw values for some of the names."""
    optional = {name: st.sampled_from(choices) for name, choices in values.items()}
    return st.fixed_dictionaries({}, optional=optional)


def as_toml(value):
    """Write a value as TOML on one line."""
    if isinstance(value, dict):
        items = ", ".join(f"{json.dumps(key)} = {as_toml(item)}" for key, item in value.items())
        return f"{{{items}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    return "nan" if value != value else json.dumps(value)  # noqa: PLR0124 - not a number


@pytest.mark.slow
@given(some_of(BAD_VALUES), some_of(BAD_TEXTS), some_of(BAD_VALUES))
def test_every_bad_value_is_one_line(tmp_path_factory, in_file, variables, flags):
    config = tmp_path_factory.mktemp("config") / "config.toml"
    config.write_text("".join(f"{name} = {as_toml(value)}\n" for name, value in in_file.items()))
    expected = [
        *(f"{config}:{number}: {name}" for number, name in enumerate(in_file, 1)),
        *variables,
        *(f"--{name.replace('_', '-')}" for name in flags),
    ]
    if not expected:
        assert load_settings(flags, variables, config=config) == Settings()
        return
    lines = mistakes(flags, variables, config)
    assert len(lines) == len(expected)
    assert all(any(line.startswith(start) for line in lines) for start in expected)
    assert all(line.isprintable() for line in lines)
    assert not [word for word in JARGON if word in "\n".join(lines)]


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from([PREFIX + name.upper() for name in (*Settings.model_fields, "X")]),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    )
)
def test_any_text_in_a_variable_is_used_or_reported(variables):
    try:
        load_settings({}, variables)
    except SettingsError as error:
        for line in str(error).split("\n"):
            assert line.isprintable()
            assert line.split(":")[0].split(" and ")[0] in variables


def test_a_label_cannot_hide_the_bounds_of_histograms():
    (line,) = mistakes({"textfile_label": ["le=1"]})
    assert line.endswith("other than le, got 'le=1'")
