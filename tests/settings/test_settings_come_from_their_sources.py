"""Flags override variables, and variables override the file. Messages name the line."""

import json
import tomllib
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agtop_exporter.settings import Form, Settings, load_settings
from agtop_exporter.settings.toml import dotted, key_lines

KEPT_UNTIL_A_RESTART = {
    "listen_address",
    "web_allowed_host",
    "web_external_url",
    "web_route_prefix",
    "web_max_connections",
    "state_dir",
    "no_state",
    "cache_dir",
    "no_pricing_refresh",
    "home",
    "procfs",
    "otlp",
    "otlp_genai",
    "textfile",
    "textfile_interval",
    "textfile_label",
    "redact_projects",
}


@pytest.fixture
def config(tmp_path):
    return tmp_path / "config.toml"


def test_precedence(config):
    config.write_text("interval = 1\nsessions-max = 2\nsession_linger = 3\n")
    variables = {"AGTOP_INTERVAL": "4", "AGTOP_SESSIONS_MAX": "5"}
    settings = load_settings({"interval": "6"}, variables, config=config)
    assert (settings.interval, settings.sessions_max, settings.session_linger) == (6, 5, 3)
    assert settings.plan == "retail"


def test_a_byte_order_mark_is_no_part_of_the_file(config):
    config.write_text("\ufeffinterval = 1\n", encoding="utf-8")
    assert load_settings({}, {}, config=config).interval == 1


def test_a_value_that_equals_its_default_still_wins(config):
    config.write_text("interval = 1\notlp = true\n")
    variables = {"AGTOP_INTERVAL": "5", "AGTOP_OTLP": "0"}
    assert load_settings({}, variables, config=config) == Settings()


@pytest.mark.parametrize(
    ("text", "homes"), [("/a:/b:", ("/a", "/b")), (" /a b : ", ("/a b",)), (":", ()), ("", ())]
)
def test_a_list_in_a_variable(text, homes):
    assert load_settings({}, {"AGTOP_HOME": text}).home == homes


def test_one_text_where_a_list_is_expected_is_its_only_item(config):
    config.write_text('home = "/a:/b"\nagent = "Claude-Code"\n')
    settings = load_settings({}, {}, config=config)
    assert (settings.home, settings.agent) == (("/a:/b",), ("claude",))


@pytest.mark.parametrize(
    ("text", "value"),
    [*((text, True) for text in ("1", "true", "TRUE", "yes", "on")), ("0", False), ("no", False)],
)
def test_a_switch_in_a_variable(text, value):
    assert load_settings({}, {"AGTOP_OTLP": text}).otlp is value


def test_prices_of_a_variable_and_of_the_file(config):
    config.write_text('[prices."gpt-5.2"]\ninput = 1\noutput = 2\n')
    text = '{"Ours": {"input": 3, "output": 4, "cache_read": 0}}'
    assert load_settings({}, {"AGTOP_PRICES": text}, config=config).prices == {
        "gpt-5.2": {"input": 1, "output": 2},
        "Ours": {"input": 3, "output": 4, "cache_read": 0},
    }


def test_variables_of_kubernetes_services_are_not_settings():
    """Kubernetes sets them for services named agtop or agtop-exporter."""
    environment = {
        "AGTOP_SERVICE_HOST": "10.0.0.1",
        "AGTOP_SERVICE_PORT_METRICS": "10041",
        "AGTOP_PORT_10041_TCP_ADDR": "10.0.0.1",
        "AGTOP_EXPORTER_SERVICE_HOST": "10.0.0.2",
        "AGTOP_EXPORTER_SERVICE_PORT": "10041",
        "AGTOP_EXPORTER_PORT": "tcp://10.0.0.2:10041",
        "AGTOP_INTERVAL": "7",
    }
    assert load_settings({}, environment).interval == 7


def test_an_empty_variable_is_not_set():
    assert load_settings({}, {"AGTOP_INTERVAL": "", "AGTOP_COLOUR": ""}) == Settings()


def test_only_the_given_environment_is_read(monkeypatch):
    monkeypatch.setenv("AGTOP_INTERVAL", "7")
    monkeypatch.setenv("AGTOP_COLOUR", "red")
    assert Settings().interval == load_settings({}, {}).interval == 5


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        Settings().interval = 7


def test_a_reload_keeps_what_needs_a_restart():
    old = Settings()
    new = Settings(interval=7, otlp=True, textfile="a.prom", home=("/a",))
    settings, ignored = old.reloaded(new)
    assert settings == Settings(interval=7)
    assert ignored == ["home", "otlp", "textfile"]
    fixed = [name for name, one in Settings.model_fields.items() if Form.of(one).needs_restart]
    assert set(fixed) == KEPT_UNTIL_A_RESTART


def test_every_setting_is_described():
    """Help and documentation are generated from this."""
    for name, field in Settings.model_fields.items():
        assert field.description.endswith("."), name
        if field.annotation in {int, float}:
            assert Form.of(field).unit, name


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a = 1\nb = 2", {"a": 1, "b": 2}),
        ("# c\n\r\na = 1 # d\n\n\n'b c' = 2", {"a": 3, '"b c"': 6}),
        ("[t]\nx = 1\n[t.u]\nx = 2\n", {"t": 1, "t.x": 2, "t.u": 3, "t.u.x": 4}),
        ("[t.u.v]\nx = 1\n[w]", {"t": 1, "t.u": 1, "t.u.v": 1, "t.u.v.x": 2, "w": 3}),
        ("a = [\n  1, # ]\n  2,\n]\nb = 1", {"a": 1, "b": 5}),
        ('a = """\n[t]\nb = 1\n"""\nb = 2', {"a": 1, "b": 5}),
        ("t = {x = 1, y = {z = 2}}", {"t": 1, "t.x": 1, "t.y": 1, "t.y.z": 1}),
        ("t.x = 1\nt.y = 2", {"t": 1, "t.x": 1, "t.y": 2}),
        ('[t."a.b"]\nx = 1\n', {"t": 1, 't."a.b"': 1, 't."a.b".x': 2}),
        ("[[t]]\nx = 1\n[[t]]\nx = 2\ny = 3", {"t": 1, "t.x": 2, "t.y": 5}),
        ("a = '\u2028\x0b'\nb = 1".replace("\x0b", ""), {"a": 1, "b": 2}),
        ("", {}),
    ],
)
def test_the_line_of_each_key(text, lines):
    tomllib.loads(text)
    assert {dotted(keys): line for keys, line in key_lines(text).items()} == lines


keys = st.text(st.characters(codec="utf-8"), max_size=6)
scalars = st.sampled_from(["1", "true", "'''\nx = 1\n[y]\n'''", "[\n1,\n2]", '"#"', "{}"])
tables = st.dictionaries(
    keys, st.recursive(scalars, lambda inner: st.dictionaries(keys, inner, max_size=3)), max_size=4
)


@pytest.mark.slow
@given(tables, st.lists(st.sampled_from(["", "\n", "# [c]\n", "\t\n\n"]), min_size=1))
def test_the_line_of_each_key_in_any_file(table, gaps):
    """The line of each key equals the line on which the test wrote it."""
    text, expected, numbers = "", {}, count()

    def write(table, path):
        nonlocal text
        for key, value in sorted(table.items(), key=lambda item: isinstance(item[1], dict)):
            text += gaps[next(numbers) % len(gaps)]
            expected[*path, key] = text.count("\n") + 1
            if isinstance(value, dict):
                text += f"[{'.'.join(map(toml_key, (*path, key)))}]\n"
                write(value, (*path, key))
            else:
                text += f"{toml_key(key)} = {value}\n"

    write(table, ())
    tomllib.loads(text)
    assert key_lines(text) == expected


def toml_key(key):
    """Quote a key. JSON's escapes are TOML's, except for what is outside the basic plane."""
    return json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")
