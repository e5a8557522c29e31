"""Removes long strings from one very long JSON line, so that its numbers can be decoded."""

import re
from functools import cache

LONG_LINE_BYTES = 8 * 1024 * 1024  # longer lines are read without their long strings
LONG_STRING_BYTES = 4096
SHORTER_STRING_BYTES = 256  # limit for lines that are too long even without their long strings
END_BYTES = 16 * 1024  # of a long string, in which the part to keep is searched
PIECE_BYTES = 256 * 1024
ELLIPSIS = "…".encode()

_NULS = re.compile(rb"\0\0+")
_STRING_PART = re.compile(rb'[^"\\\0]*+(?:\\[^\0][^"\\\0]*+)*+', re.DOTALL)


@cache
def _short_strings(limit: int) -> re.Pattern[bytes]:
    """Return a pattern of strings of up to `limit` bytes, and of the text between them.

    The escape sequences of a string may make the string about 50% longer.
    """
    pattern = rb'(?:[^"]*+"[^"\\\0]{0,%d}+(?:\\[^\0][^"\\\0]{0,64}+){0,%d}+")*+[^"]*+'
    return re.compile(pattern % (limit, limit // 128), re.DOTALL)


class StringShortener:
    """Copies JSON text piece by piece and replaces long strings with an ellipsis.

    A string is long if it exceeds `string_bytes`. A string that is half as long again may be copied
    unchanged, because one regular expression copies many strings at once. The replacement is not
    empty, because parsers treat an empty text differently. A run of NUL bytes becomes one NUL byte
    and ends the current string, because a file system writes NUL bytes in place of lost data.

    `kept` matches the part of a long string that is copied after the ellipsis, up to the end of the
    string. The part must not begin within an escape sequence.

    `overflow` is true if the shortened line is still too long. `line()` then returns b"", and
    further pieces are ignored.
    """

    def __init__(
        self, kept: re.Pattern[bytes] | None = None, *, string_bytes: int = LONG_STRING_BYTES
    ) -> None:
        self._kept = kept
        self._limit = string_bytes
        self._short_strings = _short_strings(string_bytes)
        self._end = b""  # the last bytes of the current string, if a part can be kept
        self._out = bytearray()
        # the start of the current string; None outside of strings
        self._string: bytearray | None = None
        self._string_bytes = 0
        self._pending = b""  # a backslash at the end of the last piece
        self.overflow = False

    def feed(self, data: bytes) -> None:
        """Add the next piece of the line."""
        for begin in range(0, len(data), PIECE_BYTES):
            if self.overflow:
                return
            self._feed(data[begin : begin + PIECE_BYTES])

    def _feed(self, data: bytes) -> None:
        data, self._pending = self._pending + data, b""
        if b"\0" in data:
            data = _NULS.sub(b"\0", data)
        at = 0
        while at < len(data):
            at = self._outside(data, at) if self._string is None else self._inside(data, at)

    def _outside(self, data: bytes, at: int) -> int:
        """Copy text from `at` to the next string that is long or continues in the next piece.

        Return the position after the copied text.
        """
        matched = self._short_strings.match(data, at)
        end = matched.end() if matched else at
        if end < len(data):  # at the opening quote
            end += 1
            self._string, self._string_bytes, self._end = bytearray(), 0, b""
        self._emit(data[at:end])
        return end

    def _inside(self, data: bytes, at: int) -> int:
        matched = _STRING_PART.match(data, at)
        end = matched.end() if matched else at
        part = data[at:end]
        self._string_bytes += len(part)
        if self._string is not None and self._string_bytes <= self._limit:
            self._string += part
        if self._kept is not None:
            self._end = (self._end + part)[-END_BYTES:]
        if end >= len(data):
            return end
        # the escaped character is in the next piece
        if data[end] == ord("\\") and end + 1 >= len(data):
            self._pending = data[end:]
            return len(data)
        short = self._string is not None and self._string_bytes <= self._limit
        self._emit(bytes(self._string or b"") if short else _ellipsis(part) + self._kept_part())
        self._string = None
        end += data[end] == ord("\\")  # a backslash before a NUL byte
        if data[end] != 0:
            self._emit(b'"')
            end += 1
        return end

    def _kept_part(self) -> bytes:
        found = self._kept.search(self._end) if self._kept is not None else None
        return found[0] if found else b""

    def _emit(self, data: bytes) -> None:
        if len(self._out) + len(data) > LONG_LINE_BYTES:
            self.overflow = True
            self._out.clear()
        elif not self.overflow:
            self._out += data

    def line(self) -> bytes:
        """Return the shortened line, which may end within a string."""
        short = self._string_bytes <= self._limit
        rest = (
            (bytes(self._string) if short else _ellipsis(b"")) if self._string is not None else b""
        )
        return b"" if self.overflow else bytes(self._out) + rest + self._pending


def _ellipsis(end: bytes) -> bytes:
    """Return the replacement of a long string whose last part is `end`.

    The replacement ends with `{` if `end` does. If a record is torn within a string, the `{` can be
    the start of the next record.
    """
    return ELLIPSIS + b"{" if end.endswith(b"{") else ELLIPSIS
