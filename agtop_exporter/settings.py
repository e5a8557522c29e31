"""One validated settings object: flags over `AGTOP_*` variables over a TOML file over defaults.

Every mistake is found before the first is told. Nothing here reads the environment itself.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from agtop_exporter.model import AgtopError, Plan

DEFAULT_PORT = 10041
PREFIX = "AGTOP_"
LISTS = {"home": os.pathsep, "agent": ","}  # how a variable separates them
PLAN_ALIASES: dict[str, Plan] = {
    "default": "retail",
    "api": "retail",
    "claude-max": "max",
    "claude_max": "max",
    "enterprise": "included",
    "not-billed": "included",
}
AGENT_ALIASES = {
    "claude-code": "claude",
    "claudecode": "claude",
    "open-code": "opencode",
    "github-copilot": "copilot",
    "gemini-cli": "gemini",
}


class SettingsError(AgtopError):
    """Settings that cannot be used; the message has a line for each mistake."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a user may set. Times are seconds."""

    home: tuple[str, ...] = ()  # instead of the user's own
    listen_address: str = f"127.0.0.1:{DEFAULT_PORT}"
    interval: Annotated[float, msgspec.Meta(ge=0.05, le=86_400)] = 5.0
    state_dir: str = ""  # "" is the platform's
    no_state: bool = False
    cache_dir: str = ""
    no_pricing_refresh: bool = False
    refresh_pricing: bool = False
    prices: dict[str, dict[str, float]] = {}  # USD per million tokens: model -> token type
    plan: Plan = "retail"
    agent: tuple[str, ...] = ()  # only these
    log_format: Literal["logfmt", "json"] = "logfmt"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    sessions_max: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 200  # with series of their own
    session_linger: Annotated[float, msgspec.Meta(ge=0)] = 900.0  # after the last activity
    procfs: str = "/proc"
    otlp: bool = False  # push to an OpenTelemetry receiver, as the OTEL_* variables say
    otlp_genai: bool = False  # push tokens under their GenAI name too
    textfile: str = ""  # write the page for node_exporter
    textfile_interval: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 60.0  # as it is scraped

    @property
    def listen(self) -> tuple[str, int]:
        """The address to listen on: host and port; port 0 picks a free one."""
        host, _, port = self.listen_address.rpartition(":")
        return host.strip("[]") or "127.0.0.1", int(port)


Check = Callable[[Any], None]
"""Raises ValueError for a value that has the right type and still cannot be used."""


def load_settings(
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    config: Path | None = None,
    checks: Mapping[str, Check] = MappingProxyType({}),
) -> Settings:
    """Merge and validate all sources. `config` must exist if given. Raises SettingsError.

    `checks` are those of settings that only others understand, by the setting's name.
    """
    mistakes: list[str] = []
    merged: dict[str, Any] = {}
    sources = (
        ("", _from_file(config, mistakes)),
        (PREFIX, _from_environment(environment)),
        ("--", flags),
    )
    for prefix, values in sources:
        for key, value in values.items():
            mistakes += _take(prefix, key, value, merged, {**CHECKS, **checks})
    if merged.get("no_pricing_refresh") and merged.get("refresh_pricing"):
        mistakes.append("refresh_pricing and no_pricing_refresh exclude each other")
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return Settings(**merged)


def _from_file(config: Path | None, mistakes: list[str]) -> dict[str, Any]:
    if config is None:
        return {}
    import tomllib  # noqa: PLC0415 - where there is a file only

    try:
        with config.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        mistakes.append(f"{config}: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        mistakes.append(f"{config}: {error}")
    return {}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Pick our variables; those of other programs with the same prefix are left alone."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        text = environment.get(PREFIX + field.name.upper(), "")
        if text and field.name != "prices":
            separator = LISTS.get(field.name)
            parts = (part.strip() for part in text.split(separator))
            values[field.name] = list(filter(None, parts)) if separator else text
    return values


def _take(
    prefix: str, key: str, value: object, merged: dict[str, Any], checks: Mapping[str, Check]
) -> list[str]:
    """Validate one value and add it to the merged ones; return what is wrong with it."""
    name = key.replace("-", "_")
    shown = {"--": f"--{name.replace('_', '-')}", PREFIX: PREFIX + name.upper()}.get(prefix, key)
    field = next((f for f in msgspec.structs.fields(Settings) if f.name == name), None)
    if field is None:
        return [f"{shown}: there is no such setting"]
    if isinstance(value, str) and name in LISTS:
        value = [value]
    if name == "plan" and isinstance(value, str):
        value = PLAN_ALIASES.get(value.lower(), value.lower())
    if name == "agent" and isinstance(value, list | tuple):
        value = [AGENT_ALIASES.get(str(one).lower(), str(one).lower()) for one in value]
    try:
        merged[name] = msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError:
        return list(_wrong_types(shown, value, field.type))
    try:
        checks.get(name, _accept)(merged[name])
    except ValueError as error:
        return [f"{shown}: {line}" for line in str(error).splitlines()]
    return []


def _wrong_types(shown: str, value: object, kind: Any) -> Iterator[str]:  # noqa: ANN401 - a type
    """Say which part of a value has the wrong type, and which it should have."""
    if get_origin(kind) is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from _wrong_types(f"{shown}.{key}", item, get_args(kind)[1])
    elif get_origin(kind) is Literal:
        *others, last = get_args(kind)
        yield f"{shown}: expected {', '.join(others)} or {last}, got {value!r}"
    else:
        try:
            msgspec.convert(value, kind, strict=False)
        except msgspec.ValidationError as error:
            text = str(error).split(" - at ")[0]
            yield f"{shown}: {text[:1].lower()}{text[1:]}"


def _accept(_value: object) -> None:
    """Check nothing."""


def _check_address(address: str) -> None:
    port = address.rpartition(":")[2]
    if ":" not in address or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - TCP
        raise ValueError(f"expected HOST:PORT, got {address!r}")


def _check_textfile(path: str) -> None:
    if path and not path.endswith(".prom"):
        raise ValueError(f"expected a name that ends with .prom, got {path!r}")


def _check_homes(homes: tuple[str, ...]) -> None:
    if "" in homes:
        raise ValueError("expected a directory, got ''")


CHECKS: dict[str, Check] = {
    "home": _check_homes,
    "listen_address": _check_address,
    "textfile": _check_textfile,
}
