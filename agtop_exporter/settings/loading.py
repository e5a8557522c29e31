"""Merges and validates the sources of settings, and reports all mistakes at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
)

from agtop_exporter.model import AgtopError
from agtop_exporter.settings.fields import FIELDS, PREFIX, Settings
from agtop_exporter.settings.form import Form
from agtop_exporter.settings.mistakes import Spelling, explain
from agtop_exporter.settings.toml import Keys, TomlError, dotted, key_lines, read_toml

EXCLUDING = ("refresh_pricing", "no_pricing_refresh")  # only one of them may be true


class SettingsError(AgtopError):
    """Invalid settings. The message has one line for each mistake."""


def load_settings(
    flags: Mapping[str, Any], environment: Mapping[str, str], *, config: Path | None = None
) -> Settings:
    """Return the merged settings. Flags override variables, and variables override the file.

    `config` is the path of the configuration file; None means no file. A value is validated even if
    another source overrides it. Raises SettingsError with all mistakes.
    """
    return load_with_origins(flags, environment, config=config)[0]


def load_with_origins(
    flags: Mapping[str, Any], environment: Mapping[str, str], *, config: Path | None = None
) -> tuple[Settings, "Origins"]:
    """Return the merged settings, as `load_settings` does, and the origin of each value."""
    mistakes: list[str] = []
    origins = (_from_file(config, mistakes), _from_variables(environment), _from_flags(flags))
    for origin in origins:
        mistakes += origin.check()
    file, variables, flags_given = origins
    settings = _validated(flags_given.values, variables.values, file.values)
    mistakes += _conflict(settings, (flags_given, variables, file))
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    # instances of one class can be compared
    return Settings(**dict(settings)), Origins((flags_given, variables, file))


def checked_settings(values: Mapping[str, Any]) -> Settings:
    """Return the settings with these values by name, and the defaults of all others.

    Raises SettingsError with all mistakes.
    """

    def where(keys: Keys) -> Place:
        return Place(0, dotted(keys), f"argument {keys[0]}")

    origin = Origin(dict(values), lambda name: name, where)
    if mistakes := origin.check():
        raise SettingsError("\n".join(mistakes))
    return _validated(values)


def _validated(*layers: Mapping[str, Any]) -> Settings:
    """Merge mappings of setting names to values, and validate the result.

    Earlier mappings take precedence. Raises pydantic's ValidationError.
    """

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            *_others: PydanticBaseSettingsSource,
            **_more: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(Layer(settings_cls, layer) for layer in layers)

    return Layered()


class Layer(PydanticBaseSettingsSource):
    """A source for pydantic-settings that has a mapping of setting names to values."""

    def __init__(self, settings_cls: type[BaseSettings], values: Mapping[str, Any]) -> None:
        super().__init__(settings_cls)
        self._values = values

    def get_field_value(self, _field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of a field, its name, and False, because the value is decoded."""
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all values, including unknown names."""
        return dict(self._values)


class Place(NamedTuple):
    """The place of a value in its source."""

    line: int  # 0 if the source has no lines
    message: str  # start of a message about the value, such as `--interval`
    origin: str  # such as `flag --interval`, or the path and the line in the file


@dataclass(frozen=True)
class Origin:
    """The settings that come from one source: the file, the variables or the flags.

    `values` maps setting names to values. `spelling` returns the name of a setting as this source
    writes it.
    """

    values: dict[str, Any]
    spelling: Spelling
    where: Callable[[Keys], Place]

    def has(self, keys: Keys) -> bool:
        """Return whether the source has a value with these keys, such as `("prices", "m")`."""
        value: Any = self.values
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                return False
            value = value[key]
        return True

    def check(self) -> list[str]:
        """Remove invalid values from `values`, and return one message for each mistake."""
        if not self.values:
            return []
        try:
            _validated(self.values)
        except ValidationError as error:
            found = [(self.where(keys), keys, why) for keys, why in explain(error, self.spelling)]
            for _, keys, _ in found:
                self.values.pop(keys[0], None)
            lines = sorted(found, key=lambda mistake: mistake[0].line)
            return [f"{place.message}: {why}" for place, _, why in lines]
        return []


@dataclass(frozen=True)
class Origins:
    """The sources of the settings: flags, variables and the file, in this order."""

    sources: tuple[Origin, ...]

    def of(self, keys: Keys) -> tuple[str, ...]:
        """Return the origins that set the value with these keys, the effective one first.

        Return () if the value is a default. Tables of several origins are merged.
        """
        return tuple(one.where(keys).origin for one in self.sources if one.has(keys))

    def outside_file(self) -> dict[str, str]:
        """Return the settings that a flag or a variable sets, by name, with their origins."""
        *others, _file = self.sources
        return {name: one.where((name,)).origin for one in reversed(others) for name in one.values}


def _conflict(settings: Settings, origins: tuple[Origin, ...]) -> list[str]:
    if not all(getattr(settings, name) for name in EXCLUDING):
        return []
    names = []
    for name in EXCLUDING:
        origin = next(origin for origin in origins if name in origin.values)
        names.append(origin.where((name,)).message)
    return [f"{' and '.join(names)} exclude each other"]


def _from_flags(flags: Mapping[str, Any]) -> Origin:
    def spelling(name: str) -> str:
        return f"--{name.replace('_', '-')}"

    def where(keys: Keys) -> Place:
        return Place(0, spelling(keys[0]), f"flag {spelling(keys[0])}")

    return Origin(dict(flags), spelling, where)


def _from_file(config: Path | None, mistakes: list[str]) -> Origin:
    """Return the settings in the file `config`, or none if `config` is None.

    Errors in the file are added to `mistakes`. Top-level keys may contain hyphens, as flags do.
    """
    data: dict[str, Any] = {}
    text = ""
    if config is not None:
        try:
            data, text = read_toml(config)
        except TomlError as error:
            mistakes.append(str(error))
    written: dict[str, str] = {}
    lines: dict[Keys, int] = {}

    def where(keys: Keys) -> Place:
        return position((written[keys[0]], *keys[1:]))

    def position(keys: Keys) -> Place:
        if not lines:
            lines.update(key_lines(text))
        line = next(lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in lines)
        return Place(line, f"{config}:{line}: {dotted(keys)}", f"{config}:{line}")

    for key in data:
        name = key.replace("-", "_")
        if written.setdefault(name, key) != key:
            mistakes.append(
                f"{position((key,)).message}: already set as {dotted((written[name],))}"
            )
    return Origin({name: data[key] for name, key in written.items()}, lambda name: name, where)


def _from_variables(environment: Mapping[str, str]) -> Origin:
    def where(keys: Keys) -> Place:
        inside = f": {dotted(keys[1:])}" if keys[1:] else ""
        return Place(0, spelling(keys[0]) + inside, f"variable {spelling(keys[0])}")

    def spelling(name: str) -> str:
        return PREFIX + name.upper()

    return Origin(Variables(environment)(), spelling, where)


class Variables(EnvSettingsSource):
    """The `AGTOP_*` variables of an environment. An empty variable counts as not set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(Settings)
        services = _kubernetes_services(environment)
        self.env_vars = {
            name.lower(): text
            for name, text in environment.items()
            if name.startswith(PREFIX) and text and not name.startswith(services)
        }

    def prepare_field_value(
        self,
        field_name: str,
        field: FieldInfo,
        value: Any,  # noqa: ANN401 - as the library has it
        value_is_complex: bool,  # noqa: FBT001 - as the library has it
    ) -> Any:  # noqa: ANN401 - as the library has it
        """Return the decoded value. Lists are split at their separator. Tables are read as JSON."""
        separator = Form.of(field).separator
        if separator and value is not None:
            return [part.strip() for part in value.split(separator) if part.strip()]
        try:
            return super().prepare_field_value(field_name, field, value, value_is_complex)
        except (ValueError, RecursionError):
            return value  # not JSON, which the validation reports

    def __call__(self) -> dict[str, Any]:
        """Return the values of all variables, including variables that name no setting."""
        given = {name.removeprefix(PREFIX.lower()): text for name, text in self.env_vars.items()}
        return {
            name: text for name, text in given.items() if name not in FIELDS
        } | super().__call__()


def _kubernetes_services(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the prefixes of the variables that Kubernetes sets for its services.

    For a service named agtop-exporter, a pod has AGTOP_EXPORTER_SERVICE_HOST, AGTOP_EXPORTER_PORT
    and other variables. These variables are not settings. Source:
    <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>.
    """
    suffix = "SERVICE_HOST"
    services = [name.removesuffix(suffix) for name in environment if name.endswith(f"_{suffix}")]
    return tuple(name + kind for name in services for kind in ("SERVICE_", "PORT"))
