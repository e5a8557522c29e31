"""Finds the complete records in damaged text. Does no I/O.

A crash, a full disk or two concurrent writers leave lines such as these:

* a record after a byte order mark, if files were concatenated,
* a record before or after a run of NUL bytes, with which a file system fills lost data,
* a torn record, whose end is missing, and the next record on the same line,
* several records on one line.

A record is a JSON object. The search goes from left to right, and its time is proportional to the
length of the text.

At some positions only a record can begin: at the start of the text, after a record, after NUL
bytes, and where JSON does not allow the following text inside a torn record. A complete object at
such a position is *trusted*: it is a record. Any other object may be a part of a torn record. It is
a record only if the end of the text, NUL bytes or another record follows it.
"""

import json
import re

import msgspec

from agtop_exporter.reading.files import BYTE_ORDER_MARK

SPACE = b" \t\r\n"
NUL = 0
TRUNCATED = "truncated"  # part of msgspec's message for a text that ends too early
TRAILING = "trailing"  # part of msgspec's message for text after the first value
DECODES_PER_BYTE = 4  # time limit: how often each byte is decoded on average
ATTEMPT_BYTES = 128  # cost of each attempt to decode, in bytes decoded in the same time
COMPARISON_BYTES = 16  # cost of a comparison of two record heads
SPARE_BYTES = 16 * 1024  # additional time limit, for short texts
SURROGATE_BYTES = 1024 * 1024  # maximum length of a record with a lone surrogate
SURROGATES_MAX = 16  # maximum number of such records in one text
DEEP_BYTES = 64 * 1024  # cost of an object that is nested too deeply

_check = msgspec.json.Decoder(msgspec.Raw).decode
_scan = json.JSONDecoder(strict=False).raw_decode

_SPACES = re.compile(rb"(?:[ \t\r\n]|\xef\xbb\xbf)*+")
_OBJECT = re.compile(rb'\{[ \t\r\n]*+["}]')
_BEGIN = re.compile(rb'\{[ \t\r\n]*+"')
_AFTER_ERROR = re.compile(rb'[^{}\[\]",:\0]*+(?=\{[ \t\r\n]*+")')
# a first key, and the second key if the first value is neither object nor array
_HEAD = re.compile(
    rb'(\{\s*+"(?:[^"\\\0]|\\.)*+"\s*+:)'
    rb'(?:\s*+(?:"(?:[^"\\\0]|\\.)*+"|[^\s",{}\[\]\0]++)\s*+,\s*+"((?:[^"\\\0]|\\.)*+)"\s*+:)?+'
)
_PLACE = re.compile(r"\(byte (\d+)\)")
_SURROGATE = re.compile(rb"\\u[dD]")  # perhaps a lone surrogate, which msgspec rejects

Span = tuple[int, int]


def find_records(text: bytes, *, ended: bool = True) -> list[Span]:
    """Return (begin, end) of each complete record in a text, in order.

    If `ended` is false, the text may continue. The result then contains only the records that do
    not depend on the continuation, so that reading in pieces gives the same records as reading at
    once.
    """
    return _Search(text, ended=ended).run()


def complete_end(text: bytes) -> int:
    """Return the end of the last record that is complete whatever follows the text; 0 if none is.

    An object is complete at its closing brace. A number is not: `12` may become `123`.
    """
    records = find_records(text, ended=False)
    return records[-1][1] if records else 0


def without_marks(text: bytes) -> bytes:
    """Return a text without surrounding white space and byte order marks."""
    begin = _SPACES.match(text, 0)
    text = text[begin.end() if begin else 0 :].rstrip(SPACE)
    while text.endswith(BYTE_ORDER_MARK):
        text = text.removesuffix(BYTE_ORDER_MARK).rstrip(SPACE)
    return text


class _Search:
    """One search for the records of a text."""

    def __init__(self, text: bytes, *, ended: bool) -> None:
        self._text = text
        self._view = memoryview(text)
        self._ended = ended
        self._budget = DECODES_PER_BYTE * len(text) + SPARE_BYTES
        self._surrogates_left = SURROGATES_MAX
        self._found: list[Span] = []

    def run(self) -> list[Span]:
        """Return (begin, end) of all records."""
        text, at, trusted = self._text, 0, True
        while self._budget > 0:
            begin = self._skip(at)
            if not (trusted and _OBJECT.match(text, begin)):
                begun = _BEGIN.search(text, begin)
                if begun is None:
                    break
                begin = begun.start()
                trusted = self._byte_before(begin) == NUL
            end, error_at = self._decode(begin)
            if not end:
                if not self._ended and error_at == len(text):
                    break  # the continuation may complete the object
                at, trusted = self._after_torn(begin, error_at)
            elif trusted or (self._byte_before(begin) not in b":,[" and self._ends_record(end)):
                self._found.append((begin, end))
                at, trusted = end, True
            elif not self._ended and self._skip(end) == len(text):
                break  # the continuation decides whether it is a record
            else:
                at, trusted = end, False
        return self._found

    def _skip(self, at: int) -> int:
        """Return the position after white space and byte order marks."""
        spaces = _SPACES.match(self._text, at)
        return spaces.end() if spaces else at

    def _byte_before(self, at: int) -> int:
        """Return the last byte before a position, ignoring white space and byte order marks.

        Returns NUL if there is none.
        """
        near = self._text[max(0, at - 64) : at].rstrip(SPACE + BYTE_ORDER_MARK)
        return near[-1] if near else NUL

    def _ends_record(self, end: int) -> bool:
        """Return whether the end of the text, NUL bytes or another record follows an object."""
        following = self._skip(end)
        if following == len(self._text):
            return self._ended
        return self._text[following] in b"\0{"

    def _decode(self, begin: int) -> tuple[int, int]:
        """Return (end, 0) of the object at a position, or (0, position of the error)."""
        end, error_at = _decode(self._view, begin)
        self._budget -= (end or error_at) - begin + ATTEMPT_BYTES
        if not end and self._surrogates_left and _SURROGATE.search(self._text, begin, error_at):
            self._surrogates_left -= 1
            end = _decode_lenient(self._view[begin : begin + SURROGATE_BYTES])
            end += begin if end else 0
        return end, error_at

    def _after_torn(self, begin: int, error_at: int) -> tuple[int, bool]:
        """Return (position to continue at, trusted) after a torn record.

        A record can be torn where a value is expected. JSON then allows the next record as that
        value. Such a record is recognized by its first keys, which are those of the torn record.
        """
        text = self._text
        own = _HEAD.match(text, begin)
        if own is not None:
            at = text.find(own[1], begin + 1, error_at)
            while at >= 0 and self._budget > 0:
                self._budget -= COMPARISON_BYTES
                other = _HEAD.match(text, at)
                end = 0
                if other is not None and (own[2] is None or own[2] == other[2]):
                    end, _ = self._decode(at)
                if end and self._ends_record(end):
                    self._found.append((at, end))
                    return end, True
                at = text.find(own[1], end or at + 1, error_at)
        for at in range(max(begin + 1, error_at - 2), error_at + 1):  # a string may include `{"`
            if following := _AFTER_ERROR.match(text, at):
                return following.end(), True
        return max(begin + 1, error_at), False


def _decode(view: memoryview, begin: int) -> tuple[int, int]:
    """Return (end, 0) of the JSON value at a position, or (0, position of the error)."""
    try:
        _check(view[begin:])
    except RecursionError:
        return 0, min(len(view), begin + DEEP_BYTES)
    except msgspec.MsgspecError as error:
        message = str(error)
    else:
        return len(view[begin:].tobytes().rstrip(SPACE)) + begin, 0
    place = _PLACE.search(message)
    if place is None:
        return 0, len(view)  # the text ends too early
    error_at = min(len(view), begin + int(place[1]))
    if TRAILING not in message:
        return 0, error_at
    # msgspec reports the position of the next byte, or one after it
    for limit in (error_at - 1, error_at):
        value = view[begin:limit].tobytes().rstrip(SPACE)
        if _is_valid(value):
            return begin + len(value), 0
    return 0, error_at


def _is_valid(value: bytes) -> bool:
    try:
        _check(value)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _decode_lenient(view: memoryview) -> int:
    """Return the end of the first value according to the standard library; 0 if it is invalid."""
    try:
        _, end = _scan(view.tobytes().decode("latin-1"))  # one character for each byte
    except (ValueError, RecursionError):
        return 0
    return end
