"""Finds the complete records in damaged text.

A crash, a full disk or two writers at a time leave lines such as these:

* a record after a byte order mark, where files were concatenated,
* a record before or after a run of NUL bytes, which a file system puts where data was lost,
* a torn record, the end of which is missing, and the next record on the same line,
* several records on one line.

A record is a JSON object. Nothing here does I/O. The time is proportional
to the length of the text, whatever it contains.

The search goes from left to right. An object is *trusted*, which means that it is a record if it is
complete, where only a record can begin: at the start of the text, after a record, after NUL bytes,
or where the grammar of JSON forbids what follows a torn record. Any other object may be a part of a
torn record. It is a record only if nothing but the end, NUL bytes or another record follows it.
"""

import json
import re

import msgspec

from agtop_exporter.reading.files import BYTE_ORDER_MARK

SPACE = b" \t\r\n"
NUL = 0
TRUNCATED = "truncated"  # part of msgspec's message about a text that ends too early
TRAILING = "trailing"  # part of its message about a text that goes on after the first value
BYTES_PER_BYTE = 4  # so often is each byte looked at, on average
ATTEMPT_BYTES = 128  # are decoded in the time that any attempt takes
COMPARISON_BYTES = 16  # the same for a comparison of two beginnings
SPARE_BYTES = 16 * 1024  # so many more are looked at in a short text
HALVES_BYTES = 1024 * 1024  # of a record with half of a surrogate pair, at most
HALVES_MAX = 16  # such records in one text
DEEP_BYTES = 64 * 1024  # are charged for an object that is nested too deeply

_check = msgspec.json.Decoder(msgspec.Raw).decode
_scan = json.JSONDecoder(strict=False).raw_decode

_SPACES = re.compile(rb"(?:[ \t\r\n]|\xef\xbb\xbf)*+")
_OBJECT = re.compile(rb'\{[ \t\r\n]*+["}]')
_BEGIN = re.compile(rb'\{[ \t\r\n]*+"')
_AFTER_ERROR = re.compile(rb'[^{}\[\]",:\0]*+(?=\{[ \t\r\n]*+")')
_HEAD = re.compile(  # a first key, and the second one if the first value is no object or array
    rb'(\{\s*+"(?:[^"\\\0]|\\.)*+"\s*+:)'
    rb'(?:\s*+(?:"(?:[^"\\\0]|\\.)*+"|[^\s",{}\[\]\0]++)\s*+,\s*+"((?:[^"\\\0]|\\.)*+)"\s*+:)?+'
)
_PLACE = re.compile(r"\(byte (\d+)\)")
_HALF = re.compile(rb"\\u[dD]")  # perhaps half of a surrogate pair, which msgspec rejects

Span = tuple[int, int]


def find_records(text: bytes, *, ended: bool = True) -> list[Span]:
    """Return (begin, end) of each complete record in a text, in order.

    If `ended` is false, more may follow the text. Then only those records are returned that are
    found whatever follows, so that reading in pieces gives the same records as reading at once.
    """
    return _Search(text, ended=ended).run()


def complete_end(text: bytes) -> int:
    """Return where the last record ends that is complete whatever follows the text; 0 if none is.

    An object cannot become another one by growing, unlike a number: `12` may become `123`.
    """
    records = find_records(text, ended=False)
    return records[-1][1] if records else 0


def without_marks(text: bytes) -> bytes:
    """Return a text without the space and byte order marks around it."""
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
        self._budget = BYTES_PER_BYTE * len(text) + SPARE_BYTES
        self._halves_left = HALVES_MAX
        self._found: list[Span] = []

    def run(self) -> list[Span]:
        """Return all records."""
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
                    break  # it may still be completed
                at, trusted = self._after_torn(begin, error_at)
            elif trusted or (self._byte_before(begin) not in b":,[" and self._is_alone(end)):
                self._found.append((begin, end))
                at, trusted = end, True
            elif not self._ended and self._skip(end) == len(text):
                break  # what follows decides
            else:
                at, trusted = end, False
        return self._found

    def _skip(self, at: int) -> int:
        """Return the place after space and byte order marks."""
        spaces = _SPACES.match(self._text, at)
        return spaces.end() if spaces else at

    def _byte_before(self, at: int) -> int:
        """Return the last byte before a place that is no space and no mark; NUL if none is."""
        near = self._text[max(0, at - 64) : at].rstrip(SPACE + BYTE_ORDER_MARK)
        return near[-1] if near else NUL

    def _is_alone(self, end: int) -> bool:
        """Return whether the end, NUL bytes or another record follow an object."""
        following = self._skip(end)
        if following == len(self._text):
            return self._ended
        return self._text[following] in b"\0{"

    def _decode(self, begin: int) -> tuple[int, int]:
        """Return (end, 0) of the object that begins at a place, or (0, where the error is)."""
        end, error_at = _decode(self._view, begin)
        self._budget -= (end or error_at) - begin + ATTEMPT_BYTES
        if not end and self._halves_left and _HALF.search(self._text, begin, error_at):
            self._halves_left -= 1
            end = _decode_lenient(self._view[begin : begin + HALVES_BYTES])
            end += begin if end else 0
        return end, error_at

    def _after_torn(self, begin: int, error_at: int) -> tuple[int, bool]:
        """Return where to continue after a torn record, and whether only a record can begin there.

        The torn record may have ended where a value is expected. Then JSON allows the next record
        as that value, and it can only be recognized because it begins as the torn one does.
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
                if end and self._is_alone(end):
                    self._found.append((at, end))
                    return end, True
                at = text.find(own[1], end or at + 1, error_at)
        for at in range(max(begin + 1, error_at - 2), error_at + 1):  # a string may include `{"`
            if following := _AFTER_ERROR.match(text, at):
                return following.end(), True
        return max(begin + 1, error_at), False


def _decode(view: memoryview, begin: int) -> tuple[int, int]:
    """Return (end, 0) of the JSON value that begins at a place, or (0, where the error is)."""
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
        return 0, len(view)  # it ends too early
    error_at = min(len(view), begin + int(place[1]))
    if TRAILING not in message:
        return 0, error_at
    for limit in (error_at - 1, error_at):  # msgspec's place is that of the next byte, or after it
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
    """Return the end of the first value as the standard library decodes it; 0 if it does not."""
    try:
        _, end = _scan(view.tobytes().decode("latin-1"))  # one character for each byte
    except (ValueError, RecursionError):
        return 0
    return end
