"""The `OTEL_*` variables configure the push, and invalid ones are reported at the start."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.util.re import parse_env_headers
from running import run

from agtop_exporter.push.options import PushOptions, push_options, switched_off
from agtop_exporter.settings import SettingsError

pytestmark = pytest.mark.integration


def test_defaults_are_those_of_the_standard():
    assert push_options({}) == PushOptions(
        protocol="http/protobuf",
        interval_seconds=60,
        timeout_seconds=10,
        delta=False,
        compressed=True,
        endpoint="http://localhost:4318",
    )


@pytest.mark.parametrize(
    ("variables", "field", "value"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "protocol", "grpc"),
        (
            {
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
            },
            "protocol",
            "http/protobuf",
        ),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "15000"}, "interval_seconds", 15),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "2500"}, "timeout_seconds", 2.5),
        (
            {"OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "4000"},
            "timeout_seconds",
            4,
        ),
        ({"OTEL_METRIC_EXPORT_TIMEOUT": "3000"}, "timeout_seconds", 3),
        (
            {"OTEL_METRIC_EXPORT_TIMEOUT": "60000", "OTEL_EXPORTER_OTLP_TIMEOUT": "20000"},
            "timeout_seconds",
            20,
        ),
        ({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "Delta"}, "delta", True),
        ({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "lowmemory"}, "delta", False),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "none"}, "compressed", False),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://me:secret@otel.example/base?token=secret"},
            "endpoint",
            "https://otel.example/base",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "host:4317"},
            "endpoint",
            "http://host:4317",
        ),
    ],
)
def test_a_variable_selects_it(variables, field, value):
    assert getattr(push_options(variables), field) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1m"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "nan"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://[nowhere"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization: Bearer x"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api key=x"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=1,b"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent/ca.pem"),
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "/nonexistent/key.pem"),
        ("OTEL_EXPORTER_OTLP_HEADERS", 'api-key="x"'),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=\N{EURO SIGN}"),
    ],
)
def test_a_mistake_is_reported_with_its_variable(name, value):
    with pytest.raises(SettingsError, match=name):
        push_options({name: value})


@pytest.mark.slow
@given(
    st.lists(
        st.text(st.characters(min_codepoint=9, max_codepoint=300), max_size=12)
        | st.from_regex(r"[a-z-]{1,5}=[ -~]{0,8}", fullmatch=True),
        max_size=4,
    ).map(",".join)
)
def test_headers_are_mistakes_if_the_library_would_ignore_some(headers):
    name = "OTEL_EXPORTER_OTLP_HEADERS"
    try:
        push_options({name: headers})
        is_mistake = False
    except SettingsError as error:
        is_mistake = name in str(error)
    ignored = []
    with pytest.MonkeyPatch.context() as patch:
        logger = logging.getLogger("opentelemetry.util.re")
        patch.setattr(logger, "warning", lambda *_arguments: ignored.append(1))
        parse_env_headers(headers, liberal=True)
    assert is_mistake == bool(ignored)


def test_a_secret_in_a_header_is_not_shown():
    with pytest.raises(SettingsError) as raised:
        push_options({"OTEL_EXPORTER_OTLP_HEADERS": "a=1,authorization: Bearer sesame"})
    assert "header 2 is not NAME=VALUE" in str(raised.value)
    assert "sesame" not in str(raised.value)


def test_a_secret_in_an_endpoint_is_not_shown():
    with pytest.raises(SettingsError) as told:
        push_options({"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://me:secret@host"})
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, ""),
        ({"OTEL_SDK_DISABLED": "TRUE"}, "OTEL_SDK_DISABLED"),
        ({"OTEL_SDK_DISABLED": "false"}, ""),
        ({"OTEL_METRICS_EXPORTER": "none"}, "OTEL_METRICS_EXPORTER"),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, ""),
    ],
)
def test_pushing_can_be_forbidden(variables, name):
    assert switched_off(variables) == name


@pytest.mark.slow
def test_a_mistake_ends_the_daemon_before_it_begins(tmp_path):
    done = run(
        *("agtop-exporter", "--no-state", "--otlp", "--listen-address", "127.0.0.1:0"),
        home=tmp_path,
        check=False,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/json",
    )
    assert done.returncode == 2
    assert "OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf or grpc" in done.stderr
    assert "Traceback" not in done.stderr
