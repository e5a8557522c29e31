"""Decodes records into typed Structs; counts what cannot be used and keeps the rest.

Nothing here does I/O.
"""

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec

from agtop_exporter.labels import ParseErrorReason
from agtop_exporter.model import ParseError

MAX_COUNT = 10**9  # no request has more tokens, and its cost still fits into 64 bits

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
"""Tokens or calls of one request in a record; any other value is a schema error."""

RunningTotal = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
"""The sum of the tokens of all requests of a session so far."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time in a record. It must have a zone: without one it depends on the machine."""

T = TypeVar("T", bound=msgspec.Struct)

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The exceptions that decoding raises; RecursionError means deep nesting."""

decoder_of = cache(msgspec.json.Decoder)  # creating one, or listing fields, is slow
_fields_of = cache(msgspec.structs.fields)


class Errors:
    """Counts unusable records by reason, with the place of the first one of each."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._counts: dict[ParseErrorReason, int] = {}
        self._first: dict[str, str] = {}

    def add(self, reason: ParseErrorReason, at: int, count: int = 1) -> None:
        """Count records, the first of which is at a byte offset of the file."""
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
"""A function (text, byte offset in the file) that returns a record, or None if it is unusable."""


def decoder(kind: type[T], errors: Errors) -> Decode[T]:
    """Return a function (text, offset) that decodes a record of the given Struct type.

    A text that is not JSON is counted as `json`, and the function returns None. A record with bad
    UTF-8 is decoded with replacement characters and counted as `encoding`. A record with fields of
    the wrong type keeps its other fields and is counted as `schema`.
    """
    decode: Callable[[Text], T] = decoder_of(kind).decode
    lenient = decode_lenient(kind, errors)

    def read(text: Text, at: int) -> T | None:
        try:
            return decode(text)
        except UNDECODABLE:
            return lenient(text, at)

    return read


def decode_lenient(kind: type[T], errors: Errors) -> Decode[T]:
    """Return a function (text, offset) that decodes what it can of a text that is not valid.

    Errors are counted as in `decoder`.
    """

    def decode(given: Text, at: int) -> T | None:
        text = given.encode() if isinstance(given, str) else given.tobytes()
        if not text.strip():
            return None
        try:
            value = json.loads(text.decode("utf-8", "replace"))
            if b"\\u" in text:  # only an escape can be a lone surrogate
                value = _well_formed(value)
        except (ValueError, RecursionError):
            errors.add("json", at)
            return None
        try:
            whole: T = decoder_of(kind).decode(msgspec.json.encode(value))
        except (msgspec.MsgspecError, RecursionError, OverflowError):
            errors.add("schema", at)
            return usable_fields(value, kind)
        errors.add("encoding", at)
        return whole

    return decode


def usable_fields(value: object, kind: type[T]) -> T | None:
    """Return a Struct with the members of `value` that have the right type.

    None if `value` is not an object, or a required field is missing.
    """
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
                fields[field.name] = usable_fields(given, inner)
            elif element is not None and isinstance(given, list):
                fields[field.name] = _usable_items(given, element)
    try:
        return kind(**fields)
    except TypeError:  # a required field is missing
        return None


def _converted(given: object, kind: Any) -> Any:  # noqa: ANN401 - a type, and a value of it
    """Convert a value to a type. Raises ValidationError, or RecursionError."""
    if kind is msgspec.Raw:
        return msgspec.Raw(json.dumps(given, separators=(",", ":")).encode())
    return msgspec.convert(given, kind, strict=False)


def _usable_items(items: list[object], element: Any) -> list[Any]:  # noqa: ANN401 - a type
    """Return the items that have the right type, and the usable fields of the others."""
    inner = _struct_of(element)
    kept: list[Any] = []
    for item in items:
        try:
            kept.append(_converted(item, element))
        except (msgspec.ValidationError, RecursionError):
            partial = usable_fields(item, inner) if inner is not None else None
            if partial is not None:
                kept.append(partial)
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
