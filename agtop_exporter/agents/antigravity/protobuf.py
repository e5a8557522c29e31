"""Decodes protobuf messages without a schema.

A decoded message (`Fields`) maps each field number to the list of the field's values. A varint is
decoded to an int. Any other value, such as a text or a nested message, stays bytes. Wire format:
https://protobuf.dev/programming-guides/encoding/
"""

import base64
import binascii
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_VARINT_BITS = 63

Fields = dict[int, list[int | bytes]]


def fields(data: bytes) -> Fields:
    """Decode an encoded message. Raises ValueError if the message is invalid."""
    found: Fields = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        value: int | bytes
        if kind == VARINT:
            value, at = _varint(data, at)
        else:
            length, at = _length(data, at, kind)
            if length > len(data) - at:
                raise ValueError("ends too early")
            value, at = data[at : at + length], at + length
        if number == 0:
            raise ValueError("no field has this number")
        found.setdefault(number, []).append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, MAX_VARINT_BITS + 1, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that marks a continuation
            return value, at
    raise ValueError("no such number")


def _length(data: bytes, at: int, kind: int) -> tuple[int, int]:
    if kind == BYTES:
        return _varint(data, at)
    if kind in (FIXED64, FIXED32):
        return (8 if kind == FIXED64 else 4), at
    raise ValueError("no such type")


def number(message: Fields, field: int) -> int:
    """Return the first integer in a field; 0 if the field has none."""
    found = message.get(field, ())
    return next((value for value in found if isinstance(value, int)), 0)


def numbers(message: Fields, field: int) -> Iterator[int]:
    """Yield the integers in a repeated field, packed or not.

    A damaged packed list yields no integers.
    """
    for value in message.get(field, ()):
        if isinstance(value, int):
            yield value
        else:
            yield from _packed(value)


def _packed(data: bytes) -> list[int]:
    found, at = [], 0
    try:
        while at < len(data):
            value, at = _varint(data, at)
            found.append(value)
    except ValueError:
        return []
    return found


def texts(message: Fields, field: int) -> Iterator[str]:
    """Yield those values of a field that are UTF-8 text."""
    for value in message.get(field, ()):
        if isinstance(value, bytes):
            try:
                yield value.decode("utf-8")
            except UnicodeDecodeError:
                continue


def text(message: Fields, field: int) -> str:
    """Return the first text in a field; "" if there is none."""
    return next(texts(message, field), "")


def messages(message: Fields, field: int) -> Iterator[Fields]:
    """Yield the decoded messages in a field; skip values that are not messages."""
    for value in message.get(field, ()):
        if isinstance(value, bytes) and value:
            try:
                yield fields(value)
            except ValueError:
                continue


def message_at(message: Fields, field: int) -> Fields:
    """Return the first decoded message in a field; {} if there is none."""
    return next(messages(message, field), {})


def from_base64(data: bytes) -> bytes:
    """Decode base64; return the data unchanged if it is not base64."""
    try:
        return base64.b64decode(data.strip(), validate=True)
    except (binascii.Error, ValueError):
        return data
