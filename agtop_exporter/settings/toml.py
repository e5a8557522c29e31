"""Reads a TOML file, and finds the line of each key in it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Keys = tuple[str, ...]
"""The keys that lead to a value: `("prices", "my-model", "input")`."""

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
POSITION = re.compile(
    r"(?P<reason>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL
)


class TomlError(ValueError):
    """The file cannot be read or parsed. The message names the file and, if known, the line."""


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """Return the content of a TOML file, first as parsed values, then as text. Raises TomlError."""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # some editors begin it with a byte order mark
    except OSError as error:
        raise TomlError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TomlError(f"{path}:{line}: not UTF-8 text") from error
    try:
        return tomllib.loads(text), text
    except RecursionError as error:
        raise TomlError(f"{path}: nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        raise TomlError(_syntax(path, str(error))) from error
    except ValueError as error:  # Python limits the number of digits of a number
        raise TomlError(f"{path}: a number has too many digits") from error


def _syntax(path: Path, reason: str) -> str:
    """Return a syntax error in the form `path:line:column: message`, which editors recognize."""
    found = POSITION.fullmatch(reason)
    if not found:
        return f"{path}: {reason[:1].lower()}{reason[1:]}"
    reason = found["reason"]
    return f"{path}:{found['line']}:{found['column']}: {reason[:1].lower()}{reason[1:]}"


def key_lines(text: str) -> dict[Keys, int]:
    """Return the line, from 1, on which each key of a valid TOML text is first set.

    The parser reports no positions. Therefore the text is parsed statement by statement: lines are
    added to a statement until it is valid. A header sets the table of the statements below it.
    """
    lines: dict[Keys, int] = {}
    table: Keys = ()
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        statement += line + "\n"
        try:
            parsed = tomllib.loads(statement)
        except ValueError:
            continue  # a value that spans lines
        keys = list(_keys(parsed))
        if statement.lstrip().startswith("["):
            table = keys[-1]
            lines.update((key, first) for key in keys if key not in lines)
        else:
            lines.update((table + key, first) for key in keys if table + key not in lines)
        statement, first = "", number + 1
    return lines


def _keys(value: object) -> Iterator[Keys]:
    """Yield the path of keys to each nested value, outer keys before inner keys."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (key,)
            yield from ((key, *rest) for rest in _keys(item))
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item)


def dotted(keys: Keys) -> str:
    """Write keys as TOML does: `prices."gpt-5.2".input`."""
    return ".".join(key if BARE_KEY.fullmatch(key) else _quoted(key) for key in keys)


def _quoted(key: str) -> str:
    """Return a key as a quoted TOML key on one line."""
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def printable(text: str) -> str:
    """Replace the characters of a TOML string that a terminal may interpret by escapes."""
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else f"\\U{ord(character):08x}"  # noqa: PLR2004 - the two forms of TOML
