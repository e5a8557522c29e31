"""Reads and validates the web configuration file, and reports all mistakes in it."""

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from agtop_exporter.existence import is_directory
from agtop_exporter.settings import SettingsError, suggestion

BCRYPT = re.compile(r"\$2[abxy]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}")
COST_MIN = 4  # of bcrypt
COST_MAX = 14  # about a second of CPU time for each password

Keys = tuple[str, ...]
ClientAuthType = Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"]
TlsVersion = Literal["TLS12", "TLS13"]
HeaderName = Literal[
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
]


def _hash(value: object) -> object:
    """Return a bcrypt hash. Raises PydanticCustomError; no message contains the value."""
    found = BCRYPT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError(
            "own", "expected a bcrypt hash, which `htpasswd -nBC 10 NAME` prints"
        )
    if int(found["cost"]) < COST_MIN:
        raise PydanticCustomError("own", f"the cost of the hash is lower than {COST_MIN}")
    if int(found["cost"]) > COST_MAX:
        raise PydanticCustomError("own", f"the cost of the hash is higher than {COST_MAX}")
    return value


def _user(value: str) -> str:
    if not value or ":" in value or not value.isprintable():
        raise PydanticCustomError("own", "a user name is not empty, and has no colon")
    return value


def _header(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise PydanticCustomError("own", "expected printable ASCII characters on one line")
    return value


FileName = Annotated[str, StringConstraints(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Tls(_Part):
    """The section `tls_server_config`. Paths are relative to the directory of the file."""

    cert_file: FileName
    key_file: FileName
    client_auth_type: ClientAuthType = "NoClientCert"
    client_ca_file: FileName | None = None
    client_allowed_sans: list[str] = []
    min_version: TlsVersion = "TLS12"
    max_version: TlsVersion = "TLS13"


class Http(_Part):
    """The section `http_server_config`. `http2` has no effect: the server has only HTTP/1.1."""

    http2: bool = False
    headers: dict[HeaderName, Annotated[str, AfterValidator(_header)]] = {}


class WebConfig(_Part):
    """The content of a web configuration file. Empty sections mean no protection."""

    tls_server_config: Tls | None = None
    http_server_config: Http = Http()
    basic_auth_users: dict[
        Annotated[str, AfterValidator(_user)], Annotated[str, BeforeValidator(_hash)]
    ] = {}


class Places:
    """The lines of the keys of a YAML file, for messages."""

    def __init__(self, path: Path, lines: Mapping[Keys, int]) -> None:
        self._path = path
        self._lines = lines

    def message(self, keys: Keys, why: str) -> str:
        """Return a message about the value with these keys, or about the section around it."""
        known = (self._lines[keys[:end]] for end in range(len(keys), 0, -1) if self.has(keys[:end]))
        line = next(known, 1)
        return f"{self._path}:{line}: {'.'.join(keys)}: {why}" if keys else f"{self._path}: {why}"

    def has(self, keys: Keys) -> bool:
        """Return whether the file has a value with these keys."""
        return keys in self._lines


def read(path: Path) -> tuple[WebConfig, Places]:
    """Return the content of a web configuration file, and the lines of its keys.

    Raises SettingsError with one line for each mistake. No message contains a password or a hash.
    """
    data, places = _parsed(path)
    try:
        config = WebConfig.model_validate(data)
    except ValidationError as error:
        found = [_mistake(one) for one in error.errors(include_url=False)]
        messages = [places.message(keys, why) for keys, why in found]
        raise SettingsError("\n".join(dict.fromkeys(messages))) from None
    tls = config.tls_server_config
    if tls:
        mistakes = [
            places.message(("tls_server_config", key), why) for key, why in _contradictions(tls)
        ]
        if mistakes:
            raise SettingsError("\n".join(mistakes))
    return config, places


def _contradictions(tls: Tls) -> Iterator[tuple[str, str]]:
    verifies = tls.client_auth_type != "NoClientCert"
    if verifies and not tls.client_ca_file:
        yield "client_auth_type", f"{tls.client_auth_type} needs client_ca_file"
    for key in ("client_ca_file", "client_allowed_sans"):
        if getattr(tls, key) and not verifies:
            yield key, "needs client_auth_type: RequireAndVerifyClientCert"
    if tls.min_version > tls.max_version:
        yield "min_version", "is higher than max_version"


def _parsed(path: Path) -> tuple[Any, Places]:
    lines: dict[Keys, int] = {}
    repeated: list[Keys] = []
    try:
        text = read_regular(path).decode("utf-8-sig")
        root = yaml.compose(text, yaml.SafeLoader)
        for keys, line in _lines(root, set()):
            if keys in lines:
                repeated.append(keys)
            lines[keys] = line
        data = yaml.safe_load(text)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text") from error
    except RecursionError as error:
        raise SettingsError(f"{path}: nested too deeply") from error
    except yaml.YAMLError as error:  # its text may quote the file
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise SettingsError(f"{path}{where}: not valid YAML") from None
    except ValueError as error:  # such as a date that does not exist
        raise SettingsError(f"{path}: not valid YAML") from error
    places = Places(path, lines)
    if repeated:
        mistakes = (places.message(keys, "the file has this key twice") for keys in repeated)
        raise SettingsError("\n".join(dict.fromkeys(mistakes)))
    return {} if data is None else data, places


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file. A pipe or a device could block or have no end.

    Raises OSError.
    """
    try:
        is_regular = stat.S_ISREG(path.stat().st_mode)
    except ValueError:  # a NUL byte in the path
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
    if not is_regular and not is_directory(path):
        raise OSError(errno.EINVAL, "not a regular file")
    return path.read_bytes()


def _lines(
    node: yaml.Node | None, seen: set[yaml.Node], keys: Keys = ()
) -> Iterator[tuple[Keys, int]]:
    """Yield the keys and the line, from 1, of each value below a YAML node.

    `seen` are nodes that are skipped. Each node is added to it, because aliases can let a short
    file contain the same node a million times.
    """
    if isinstance(node, yaml.MappingNode) and node not in seen:
        seen.add(node)
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                below = (*keys, key.value)
                yield below, key.start_mark.line + 1
                yield from _lines(value, seen, below)


def _mistake(one: ErrorDetails) -> tuple[Keys, str]:
    """Return the keys of an invalid value, and a message that does not contain the value."""
    keys = tuple(str(part) for part in one["loc"] if part != "[key]" and not isinstance(part, int))
    match one["type"]:
        case "own":
            why = one["msg"]
        case "extra_forbidden":
            meant = suggestion(keys[-1], _known(keys[:-1]))
            hint = f"; did you mean {meant}?" if meant else ""
            why = f"there is no such key, or it is not supported{hint}"
        case "missing":
            why = "is missing"
        case "literal_error":
            why = f"expected {str(one['ctx']['expected']).replace(chr(39), '')}"
        case kind:
            why = f"expected {NOUNS.get(kind, 'another value')}"
    return keys, why


NOUNS = {
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}
"""Type of a pydantic error -> description of the expected value."""


def _known(keys: Keys) -> Iterator[str]:
    sections: dict[Keys, type[BaseModel]] = {
        (): WebConfig,
        ("tls_server_config",): Tls,
        ("http_server_config",): Http,
    }
    yield from sections[keys].model_fields if keys in sections else ()
