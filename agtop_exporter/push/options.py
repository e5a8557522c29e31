"""Reads the push options from the standard `OTEL_*` environment variables.

OpenTelemetry's exporter library reads all other `OTEL_*` variables. Specification:
<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>. The variables of the specification
are in milliseconds, but the library reads the timeout in seconds. Therefore this module reads the
timeout, and the library receives it as an argument.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from agtop_exporter.existence import is_file
from agtop_exporter.settings import SettingsError

Protocol = Literal["http/protobuf", "grpc"]

DEFAULT_ENDPOINTS: dict[Protocol, str] = {
    "http/protobuf": "http://localhost:4318",
    "grpc": "http://localhost:4317",
}
DEFAULT_INTERVAL_MS = 60_000.0
DEFAULT_TIMEOUT_MS = 10_000.0
DEFAULT_EXPORT_TIMEOUT_MS = 30_000.0
SHORTEST_MS = 100.0

# A header that the library accepts: a token, "=", printable ASCII without quote, ";" and backslash.
_HEADER = re.compile(r"[!#-'*+\-.0-9A-Z^-z|~]+[ \t]*=[ !#-+\--:<-\[\]-~]*")


class PushOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a push. Times are in seconds."""

    protocol: Protocol = "http/protobuf"
    interval_seconds: float = DEFAULT_INTERVAL_MS / 1000
    timeout_seconds: float = DEFAULT_TIMEOUT_MS / 1000  # of one push including its retries
    delta: bool = False  # increments since the last push instead of totals
    compressed: bool = True  # False if a variable sets the compression
    endpoint: str = ""  # for the log: without user, password and query


def push_options(environment: Mapping[str, str]) -> PushOptions:
    """Return the push options from the variables. Raises SettingsError with a line per mistake."""
    mistakes: list[str] = []
    _check_headers(environment, mistakes)
    protocol = _protocol(environment, mistakes)
    options = PushOptions(
        protocol=protocol,
        interval_seconds=_seconds(
            environment, "OTEL_METRIC_EXPORT_INTERVAL", DEFAULT_INTERVAL_MS, mistakes
        ),
        timeout_seconds=min(
            _seconds(environment, _name("TIMEOUT", environment), DEFAULT_TIMEOUT_MS, mistakes),
            _seconds(
                environment, "OTEL_METRIC_EXPORT_TIMEOUT", DEFAULT_EXPORT_TIMEOUT_MS, mistakes
            ),
        ),
        delta=_is_delta(environment, mistakes),
        compressed=not environment.get(_name("COMPRESSION", environment)),
        endpoint=_endpoint(environment, protocol, mistakes),
    )
    mistakes += _missing_files(environment)
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return options


def switched_off(environment: Mapping[str, str]) -> str:
    """Return the name of the variable that disables the push; "" if none does."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return "OTEL_SDK_DISABLED"
    if environment.get("OTEL_METRICS_EXPORTER", "").strip().lower() == "none":
        return "OTEL_METRICS_EXPORTER"
    return ""


def secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of the OTLP headers and the password of the endpoint.

    Each value is yielded twice: as written, and URL-decoded. A value may be "".
    """
    for header in environment.get(_name("HEADERS", environment), "").split(","):
        value = header.partition("=")[2].strip()
        yield from (value, unquote(value), *unquote(value).split())
    try:
        password = urlsplit(environment.get(_name("ENDPOINT", environment), "")).password or ""
    except ValueError:
        return
    yield from (password, unquote(password))


def _check_headers(environment: Mapping[str, str], mistakes: list[str]) -> None:
    """Add a message to `mistakes` for each header that the library would ignore.

    A header may be secret, so the message contains no part of it.
    """
    name = _name("HEADERS", environment)
    for number, header in enumerate(environment.get(name, "").split(","), 1):
        if header.strip() and not _HEADER.fullmatch(header.strip()):
            mistakes.append(
                f"{name}: header {number} is not NAME=VALUE; "
                'write other characters than printable ASCII, and " ; \\, as %XX'
            )


def _name(what: str, environment: Mapping[str, str]) -> str:
    """Return the name of the variable that sets `what`, such as `TIMEOUT`.

    The variable for metrics takes precedence over the variable for all kinds of telemetry.
    """
    special = f"OTEL_EXPORTER_OTLP_METRICS_{what}"
    return special if environment.get(special) else f"OTEL_EXPORTER_OTLP_{what}"


def _missing_files(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a message for each variable that names a file for TLS that does not exist."""
    for what in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"):
        name = _name(what, environment)
        path = environment.get(name)
        if path and not is_file(path):
            yield f"{name}: there is no such file: {path}"


def _protocol(environment: Mapping[str, str], mistakes: list[str]) -> Protocol:
    name = _name("PROTOCOL", environment)
    text = environment.get(name, "").strip() or "http/protobuf"
    if text == "grpc":
        return "grpc"
    if text != "http/protobuf":
        mistakes.append(f"{name}: expected http/protobuf or grpc, got {text!r}")
    return "http/protobuf"


def _seconds(
    environment: Mapping[str, str], name: str, default_ms: float, mistakes: list[str]
) -> float:
    text = environment.get(name, "").strip()
    try:
        milliseconds = float(text) if text else default_ms
    except ValueError:
        milliseconds = 0.0
    if not SHORTEST_MS <= milliseconds < float("inf"):
        mistakes.append(f"{name}: expected milliseconds, {SHORTEST_MS:.0f} or more, got {text!r}")
    return milliseconds / 1000


def _is_delta(environment: Mapping[str, str], mistakes: list[str]) -> bool:
    """Return whether `environment` requests delta temporality.

    The value `lowmemory` means cumulative temporality, because totals need no extra memory in this
    program.
    """
    name = _name("TEMPORALITY_PREFERENCE", environment)
    text = environment.get(name, "").strip().lower() or "cumulative"
    if text not in {"cumulative", "delta", "lowmemory"}:
        mistakes.append(f"{name}: expected cumulative, delta or lowmemory, got {text!r}")
    return text == "delta"


def _endpoint(environment: Mapping[str, str], protocol: Protocol, mistakes: list[str]) -> str:
    name = _name("ENDPOINT", environment)
    text = environment.get(name, "").strip() or DEFAULT_ENDPOINTS[protocol]
    try:
        parts = urlsplit(text if "://" in text or protocol != "grpc" else f"http://{text}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        mistakes.append(f"{name}: expected http://HOST:PORT or https://HOST:PORT")
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
