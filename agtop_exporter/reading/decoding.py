"""Decodes records into typed Structs; counts what cannot be used and keeps the rest.

Nothing here does I/O.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec

from agtop_exporter.labels import ParseErrorReason
from agtop_exporter.model import ParseError
from agtop_exporter.reading.files import BYTE_ORDER_MARK
from agtop_exporter.reading.recovery import SPACE, find_records, without_marks

VALUES_MAX = 300_000  # in a record that is not valid; a million of them take 100 MB
VALUE_BEGINS = (b"", *(bytes([byte]) for byte in b'"[-0123456789tfnNI\xef'))  # or a mark, or none
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

Recover = Callable[[Text, int], list[tuple[T, int]]]
"""A function (text, byte offset in the file) that returns (record, where it ends in the text)."""


def decoder(kind: type[T], errors: Errors) -> Decode[T]:
    """Return a function (text, offset) that decodes the only record of a text.

    Damaged text is handled as `recoverer` does it. All records after the first are counted as
    `json`, together.
    """
    decode: Callable[[Text], T] = decoder_of(kind).decode
    recover = recoverer(kind, errors)

    def read(text: Text, at: int) -> T | None:
        try:
            return decode(text)
        except UNDECODABLE:
            records = recover(text, at)
        errors.add("json", at, len(records) > 1)
        return records[0][0] if records else None

    return read


def recoverer(kind: type[T], errors: Errors) -> Recover[T]:
    """Return a function (text, offset) that decodes all records in a text that is not one record.

    A record with bad UTF-8 is decoded with replacement characters and counted as `encoding`. A
    record with fields of the wrong type keeps its other fields and is counted as `schema`. What is
    no record, before, between and after the complete ones, is lost and counted as `json`, or as
    `schema` if it is another JSON value. Space and byte order marks are ignored.
    """
    lenient = _lenient(kind, errors)

    def recover(given: Text, at: int) -> list[tuple[T, int]]:
        text = given.encode() if isinstance(given, str) else given.tobytes()
        is_half = b"}" not in text and b"{" in text
        if is_half or (b"{" not in text and text.lstrip(SPACE)[:1] not in VALUE_BEGINS):
            errors.add("json", at)  # without a look at it: such lines can be many
            return []
        record, is_usable = lenient(text, at, damaged=True)
        if is_usable:
            return [] if record is None else [(record, len(text.rstrip(SPACE + BYTE_ORDER_MARK)))]
        records, begin = [], 0
        for found_at, end in find_records(text):
            lenient(text[begin:found_at], at)
            record, _ = lenient(text[found_at:end], at)
            if record is not None:
                records.append((record, end))
            begin = end
        if begin:
            lenient(text[begin:], at)
        else:
            errors.add("json", at)
        return records

    return recover


def _lenient(kind: type[T], errors: Errors) -> Callable[..., tuple[T | None, bool]]:
    """Return a function (text, offset) that decodes what it can of one JSON value.

    It returns the record, or None, and whether the text is JSON, or blank. A text that is not JSON
    is counted, unless it may be `damaged`: then the caller searches it for records.
    """
    decode: Callable[[bytes], T] = decoder_of(kind).decode

    def read(given: bytes, at: int, *, damaged: bool = False) -> tuple[T | None, bool]:
        text = without_marks(given)
        if not text:
            return None, True
        with suppress(*UNDECODABLE):
            return decode(text), True
        try:
            value = _value(text)
        except _DenseError:
            errors.add("too_large", at, not damaged)
            return None, False
        except (ValueError, RecursionError):
            errors.add("json", at, not damaged)
            return None, False
        try:
            whole = decode(msgspec.json.encode(value))
        except (msgspec.MsgspecError, RecursionError, OverflowError):
            errors.add("schema", at)
            return usable_fields(value, kind), True
        errors.add("encoding", at)
        return whole, True

    return read


class _DenseError(ValueError):
    """A text has so many values that they may take too much memory if all of them are decoded."""


def _value(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON with bad UTF-8, lone surrogates, or control characters in its strings.

    NUL bytes are not accepted: where they are, text was lost. Raises _DenseError, ValueError or
    RecursionError.
    """
    if text.count(b",") > VALUES_MAX or text.count(b"[") + text.count(b"{") > VALUES_MAX:
        raise _DenseError
    if b"\0" in text:
        raise ValueError("NUL bytes")
    value = json.loads(text.decode("utf-8", "replace"), strict=False)
    return _well_formed(value) if b"\\u" in text else value  # only an escape can be half a pair


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
