"""Decodes records into typed Structs. Does no I/O.

The usable parts of a damaged record are decoded, and the damage is counted as an error.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec

from agtop_exporter.labels import ParseErrorReason
from agtop_exporter.model import ParseError
from agtop_exporter.reading.files import BYTE_ORDER_MARK
from agtop_exporter.reading.recovery import SPACE, find_records, without_marks

VALUES_MAX = 300_000  # maximum per invalid record, because decoding a million values needs 100 MB
# first bytes of JSON values and of a byte order mark; b"" is for a blank text
VALUE_BEGINS = (b"", *(bytes([byte]) for byte in b'"[-0123456789tfnNI\xef'))
MAX_COUNT = 10**9  # no request has more tokens; the cost of so many tokens fits into 64 bits

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
"""Number of tokens or calls of one request. A negative or too large value is a schema error."""

RunningTotal = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
"""Number of tokens of all requests of a session so far."""

Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""Another whole number. One that a reader state cannot store is a schema error."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time in a record. A time without a time zone is a schema error."""

T = TypeVar("T", bound=msgspec.Struct)

LATEST_MILLISECONDS = 1e14  # the year 5138

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The exceptions that decoding raises. RecursionError means that values are nested too deeply."""

decoder_of = cache(msgspec.json.Decoder)  # cached: both calls are slow
_fields_of = cache(msgspec.structs.fields)


class Errors:
    """Counts unusable records by reason, and stores the position of the first record per reason."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._counts: dict[ParseErrorReason, int] = {}
        self._first: dict[str, str] = {}

    def add(self, reason: ParseErrorReason, at: int, count: int = 1) -> None:
        """Count `count` unusable records; `at` is the byte offset of the first of them."""
        if count:
            self._counts[reason] = self._counts.get(reason, 0) + count
            self._first.setdefault(reason, f"{self._path}:{at}")

    def all(self) -> tuple[ParseError, ...]:
        """Return one ParseError per reason."""
        return tuple(
            ParseError(reason, count, self._first[reason]) for reason, count in self._counts.items()
        )


Text = memoryview | str

Decode = Callable[[Text, int], T | None]
"""A function that decodes a text with one record; it returns None if the text is unusable.

The second argument is the byte offset of the text in the file.
"""

Recover = Callable[[Text, int], list[tuple[T, int]]]
"""A function that decodes all records in a text, and returns a list of (record, end).

`end` is the position after the record in the text. The second argument is the byte offset of the
text in the file.
"""


def decoder(kind: type[T], errors: Errors) -> Decode[T]:
    """Return a function that decodes a text with exactly one record of type `kind`.

    The function counts errors in `errors`, and decodes damaged text like the function of
    `recoverer`. If the text has several records, the function returns the first record and counts
    one `json` error for the other records.
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
    """Return a function that decodes all records of type `kind` in a damaged text.

    The function counts errors in `errors` by reason:

    * `encoding`: A record contains invalid text, such as invalid UTF-8. U+FFFD or "?" replaces it.
    * `schema`: A record has fields of the wrong type, and these fields are dropped. Or the text is
      a JSON value that is not an object.
    * `json`: The text before, between or after complete records is not a record.
    * `too_large`: A text between records has too many JSON values to be decoded.

    White space and byte order marks are ignored.
    """
    lenient = _lenient(kind, errors)

    def recover(given: Text, at: int) -> list[tuple[T, int]]:
        text = given.encode() if isinstance(given, str) else given.tobytes()
        is_half = b"}" not in text and b"{" in text
        if is_half or (b"{" not in text and text.lstrip(SPACE)[:1] not in VALUE_BEGINS):
            errors.add("json", at)  # without decoding, because there can be many such lines
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
    """Return a function that decodes one JSON value as far as possible.

    The function returns (record or None, valid). `valid` is true if the text is JSON or blank. The
    function counts invalid JSON as an error. With `damaged=True` it does not count invalid JSON,
    because the caller then searches the text for records.
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
    """A text has so many JSON values that decoding it could exhaust memory."""


def _value(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Decode a JSON text that may have invalid UTF-8, lone surrogates or control characters.

    Raises _DenseError if the text has too many values, and RecursionError if values are nested too
    deeply. Raises ValueError if the text is not JSON, or if it has NUL bytes, which a file system
    writes in place of lost data.
    """
    if text.count(b",") > VALUES_MAX or text.count(b"[") + text.count(b"{") > VALUES_MAX:
        raise _DenseError
    if b"\0" in text:
        raise ValueError("NUL bytes")
    value = json.loads(text.decode("utf-8", "replace"), strict=False)
    # only an escape can be a lone surrogate
    return _well_formed(value) if b"\\u" in text else value


def seconds_of(milliseconds: float | None) -> float | None:
    """Convert unix milliseconds to seconds; None if the value is missing or out of range."""
    if milliseconds is None or not 0 < milliseconds < LATEST_MILLISECONDS:
        return None
    return milliseconds / 1000


def seconds_of_text(text: str) -> float:
    """Convert a time in ISO 8601 to unix seconds; 0 if the time is invalid.

    A time without a time zone is in UTC.
    """
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def usable_fields(value: object, kind: type[T]) -> T | None:
    """Return a Struct of type `kind` with the members of `value` that have the right type.

    Return None if `value` is not an object, or lacks a usable value of a required field.
    """
    if not isinstance(value, dict):
        return None
    fields: dict[str, Any] = {}
    for field in _fields_of(kind):
        if field.encode_name in value:
            with suppress(ValueError):
                fields[field.name] = _usable(value[field.encode_name], field.type)
    try:
        return kind(**fields)
    except TypeError:  # a required field is missing
        return None


def _usable(given: object, kind: Any) -> Any:  # noqa: ANN401 - a type, and a value of it
    """Return a value converted to a type, without the unusable parts of objects and arrays.

    Raises ValueError if no part of the value is usable.
    """
    with suppress(msgspec.ValidationError, RecursionError):
        return _converted(given, kind)
    if isinstance(given, list) and (items := _arguments_of(kind, list)):
        return [each for item in given for each in _usable_or_none(item, *items)]
    if isinstance(given, dict) and (inner := _struct_of(kind)):
        partial = usable_fields(given, inner)
        if partial is not None:
            return partial
    elif isinstance(given, dict) and (items := _arguments_of(kind, dict)):
        usable = ((key, _usable_or_none(each, items[1])) for key, each in given.items())
        return {key: each for key, found in usable for each in found}
    raise ValueError("no usable part")


def _converted(given: object, kind: Any) -> Any:  # noqa: ANN401 - a type, and a value of it
    """Convert a value to the type `kind`. Raises ValidationError, or RecursionError."""
    if kind is msgspec.Raw:
        return msgspec.Raw(json.dumps(given, separators=(",", ":")).encode())
    return msgspec.convert(given, kind, strict=False)


def _usable_or_none(given: object, kind: Any) -> list[Any]:  # noqa: ANN401 - see `_usable`
    """Return a list with the usable part of a value; an empty list if there is none."""
    try:
        return [_usable(given, kind)]
    except ValueError:
        return []


def _arguments_of(kind: object, container: type) -> tuple[Any, ...]:
    """Return the arguments of `list[...]` or `dict[...]`, also if None is allowed; else ()."""
    for candidate in (kind, *getattr(kind, "__args__", ())):
        if getattr(candidate, "__origin__", None) is container:
            return tuple(candidate.__args__)
    return ()


def _struct_of(kind: object) -> type[msgspec.Struct] | None:
    """Return the Struct type of `Struct` or `Struct | None`; None for other types."""
    for candidate in (kind, *getattr(kind, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def _well_formed(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Replace lone surrogates, which JSON can escape but UTF-8 cannot encode."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_well_formed(item) for item in value]
    if isinstance(value, dict):
        return {_well_formed(key): _well_formed(item) for key, item in value.items()}
    return value
