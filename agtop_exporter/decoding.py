"""Records of an agent, decoded with types: what cannot be used is counted, what can be is kept.

This module knows no agent, and reads no file.
"""

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec

from agtop_exporter.model import ParseError

MAX_COUNT = 10**9  # no request has more tokens; keeps what it costs inside 64 bits

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
"""Tokens or calls of one request in a record; anything else there is a schema error."""

RunningTotal = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
"""Tokens of all requests of a session so far."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time in a record: without its zone it would mean another moment on every machine."""

T = TypeVar("T", bound=msgspec.Struct)

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises: RecursionError for deep nesting."""

decoder_of = cache(msgspec.json.Decoder)  # to make them, and to look up fields, takes long
_fields_of = cache(msgspec.structs.fields)


class Errors:
    """Counts what could not be used, by reason; keeps where the first one was."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, reason: str, at: int, count: int = 1) -> None:
        """Count records at a byte offset of the file."""
        if count:
            self._counts[reason] = self._counts.get(reason, 0) + count
            self._first.setdefault(reason, f"{self._path}:{at}")

    def all(self) -> tuple[ParseError, ...]:
        """Return the counts."""
        return tuple(
            ParseError(reason, count, self._first[reason]) for reason, count in self._counts.items()
        )


Text = memoryview | str

Decode = Callable[[Text, int], T | None]
"""(text, where it is in the file, for what cannot be used): its record, None where it is none."""


def decoder(kind: type[T], errors: Errors) -> Decode[T]:
    """Return a function (text, offset) that decodes a record of the given Struct type.

    A record with some unusable fields keeps the others, and is counted as a `schema` error; what
    is no JSON object at all is counted as `json` or `encoding`, and None.
    """
    decode: Callable[[Text], T] = decoder_of(kind).decode
    rescue = rescuer(kind, errors)

    def read(text: Text, at: int) -> T | None:
        try:
            return decode(text)
        except UNDECODABLE:
            return rescue(text, at)

    return read


def rescuer(kind: type[T], errors: Errors) -> Decode[T]:
    """Return a function (text, offset) that makes the best of a text that cannot be decoded."""

    def rescue(given: Text, at: int) -> T | None:
        text = given.encode() if isinstance(given, str) else given.tobytes()
        if not text.strip():
            return None
        try:
            value = json.loads(text.decode("utf-8", "replace"))
            if b"\\u" in text:  # only an escape can be half a pair
                value = _well_formed(value)
        except (ValueError, RecursionError):
            errors.add("json", at)
            return None
        try:
            whole: T = decoder_of(kind).decode(msgspec.json.encode(value))
        except (msgspec.MsgspecError, RecursionError, OverflowError):
            errors.add("schema", at)
            return salvage(value, kind)
        errors.add("encoding", at)
        return whole

    return rescue


def salvage(value: object, kind: type[T]) -> T | None:
    """Build a Struct from the fields of `value` that have the right type; None if no object."""
    if not isinstance(value, dict):
        return None
    fields: dict[str, Any] = {}
    for field in _fields_of(kind):
        if field.encode_name not in value:
            continue
        given = value[field.encode_name]
        try:
            fields[field.name] = _converted(given, field.type)
        except (msgspec.ValidationError, RecursionError):
            inner, element = _struct_of(field.type), _element_of(field.type)
            if inner is not None and isinstance(given, dict):
                fields[field.name] = salvage(given, inner)
            elif element is not None and isinstance(given, list):
                fields[field.name] = _salvage_items(given, element)
    try:
        return kind(**fields)
    except TypeError:  # a field without a default is missing
        return None


def _converted(given: object, kind: Any) -> Any:  # noqa: ANN401 - a type, and a value of it
    """Return a value as the given type. Raises ValidationError, or RecursionError."""
    if kind is msgspec.Raw:
        return msgspec.Raw(json.dumps(given, separators=(",", ":")).encode())
    return msgspec.convert(given, kind, strict=False)


def _salvage_items(items: list[object], element: Any) -> list[Any]:  # noqa: ANN401 - a type
    """Return the items that have the right type, or that can be salvaged."""
    inner = _struct_of(element)
    kept: list[Any] = []
    for item in items:
        try:
            kept.append(_converted(item, element))
        except (msgspec.ValidationError, RecursionError):
            rescued = salvage(item, inner) if inner is not None else None
            if rescued is not None:
                kept.append(rescued)
    return kept


def _element_of(kind: object) -> object:
    """Return the type of the items in `list[...]` or `... | list[...] | None`."""
    for candidate in (kind, *getattr(kind, "__args__", ())):
        if getattr(candidate, "__origin__", None) is list:
            return candidate.__args__[0]
    return None


def _struct_of(kind: object) -> type[msgspec.Struct] | None:
    """Return the Struct type in `Struct` or `Struct | None`."""
    for candidate in (kind, *getattr(kind, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def _well_formed(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Replace lone surrogates, which JSON may escape but UTF-8 cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_well_formed(item) for item in value]
    if isinstance(value, dict):
        return {_well_formed(key): _well_formed(item) for key, item in value.items()}
    return value
