"""Finds the complete records in damaged text. Does no I/O.

A record is a JSON object. Crashes, full disks and concurrent writers leave lines such as these:

* a record after a byte order mark, if files were concatenated
* a record before or after a run of NUL bytes, with which a file system replaces lost data
* a *torn* record, whose end is missing, and then the next record on the same line
* several records on one line

The search goes from left to right. Its time is proportional to the length of the text.

At a *trusted* position, only a record can begin. The trusted positions are the start of the text,
the end of a record, the end of NUL bytes, and the first position in a torn record at which the text
is not valid JSON. A complete object at a trusted position is a record. An object at any other
position may be a part of a torn record. Such an object is taken for a record only if the end of the
text, NUL bytes or another object follows it.
"""

import json
import re

import msgspec

from agtop_exporter.reading.files import BYTE_ORDER_MARK

SPACE = b" \t\r\n"
NUL = 0
TRUNCATED = "truncated"  # part of msgspec's message for a text that ends too early
TRAILING = "trailing"  # part of msgspec's message for text after the first value
DECODES_PER_BYTE = 4  # time limit: maximum number of times that each byte is decoded, on average
ATTEMPT_BYTES = 128  # cost of each attempt to decode, in bytes decoded in the same time
COMPARISON_BYTES = 16  # cost of a comparison of the first keys of two records, in the same unit
SPARE_BYTES = 16 * 1024  # time added to the limit, in decoded bytes, for short texts
SURROGATE_BYTES = 1024 * 1024  # maximum length of a record with a lone surrogate
SURROGATES_MAX = 16  # maximum number of records with a lone surrogate in one text
DEEP_BYTES = 64 * 1024  # cost of an object that is nested too deeply, in decoded bytes

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
    """Return the positions (begin, end) of each complete record in a text, in order.

    If `ended` is false, more text may follow. The result then excludes records that depend on the
    following text. Therefore, reading a text in pieces gives the same records as reading it at
    once.
    """
    return _Search(text, ended=ended).run()


def complete_end(text: bytes) -> int:
    """Return the position after the last complete record; 0 if there is none.

    A record is a JSON object, so it is complete at its closing brace, whatever follows.
    """
    records = find_records(text, ended=False)
    return records[-1][1] if records else 0


def without_marks(text: bytes) -> bytes:
    """Return a text without white space and byte order marks at its start and its end."""
    begin = _SPACES.match(text, 0)
    text = text[begin.end() if begin else 0 :].rstrip(SPACE)
    while text.endswith(BYTE_ORDER_MARK):
        text = text.removesuffix(BYTE_ORDER_MARK).rstrip(SPACE)
    return text


class _Search:
    """One search for the complete records in a text.

    `ended` is false if more text may follow. The search stops when its time limit is exhausted.
    """

    def __init__(self, text: bytes, *, ended: bool) -> None:
        self._text = text
        self._view = memoryview(text)
        self._ended = ended
        self._budget = DECODES_PER_BYTE * len(text) + SPARE_BYTES
        self._surrogates_left = SURROGATES_MAX
        self._found: list[Span] = []

    def run(self) -> list[Span]:
        """Return the positions (begin, end) of all complete records."""
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
        """Return the position after any white space and byte order marks at `at`."""
        spaces = _SPACES.match(self._text, at)
        return spaces.end() if spaces else at

    def _byte_before(self, at: int) -> int:
        """Return the last byte before a position, ignoring white space and byte order marks.

        Return NUL if there is no such byte.
        """
        near = self._text[max(0, at - 64) : at].rstrip(SPACE + BYTE_ORDER_MARK)
        return near[-1] if near else NUL

    def _ends_record(self, end: int) -> bool:
        """Return whether the text after an object that ends at `end` allows it to be a record.

        The end of the text, NUL bytes or a `{` must follow.
        """
        following = self._skip(end)
        if following == len(self._text):
            return self._ended
        return self._text[following] in b"\0{"

    def _decode(self, begin: int) -> tuple[int, int]:
        """Return (end, 0) for a complete object at `begin`, or (0, position of the error)."""
        end, error_at = _decode(self._view, begin)
        self._budget -= (end or error_at) - begin + ATTEMPT_BYTES
        if not end and self._surrogates_left and _SURROGATE.search(self._text, begin, error_at):
            self._surrogates_left -= 1
            end = _decode_lenient(self._view[begin : begin + SURROGATE_BYTES])
            end += begin if end else 0
        return end, error_at

    def _after_torn(self, begin: int, error_at: int) -> tuple[int, bool]:
        """Return (position where the search continues, whether the position is trusted).

        `begin` is the start of a torn record, and `error_at` is the position where its JSON becomes
        invalid. A record can be torn just before a value. The next record then looks like this
        value. It is recognized because its first keys are equal to those of the torn record.
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
    """Return (end, 0) for a JSON value at `begin`, or (0, position of the error)."""
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
    """Return the position after the first JSON value in `view`; 0 if the value is invalid.

    The standard library parses the value. It accepts lone surrogates, which msgspec rejects.
    """
    try:
        _, end = _scan(view.tobytes().decode("latin-1"))  # one character for each byte
    except (ValueError, RecursionError):
        return 0
    return end
