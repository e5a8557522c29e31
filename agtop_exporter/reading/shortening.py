"""Removes the long strings from one very long line of JSON, so that its numbers can be decoded."""

import re

LONG_LINE_BYTES = 8 * 1024 * 1024  # longer lines are read without their long strings
LONG_STRING_BYTES = 4096
ELLIPSIS = "…".encode()

_STRING_PART = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)


class StringShortener:
    """Copies JSON text piece by piece; replaces each string longer than LONG_STRING_BYTES.

    The replacement is an ellipsis and not an empty string, because a parser must still see that
    there is a text. `overflow` is true if the line is too long even so; then `line()` is empty.
    """

    def __init__(self) -> None:
        self._out: list[bytes] = []
        self._size = 0
        self._string: list[bytes] | None = None  # parts of the current string
        self._string_bytes = 0
        self._pending = b""  # a backslash at the end of the last block
        self.overflow = False

    def feed(self, data: bytes) -> None:
        """Add the next piece of the line."""
        data, self._pending = self._pending + data, b""
        at = 0
        while at < len(data):
            at = self._outside(data, at) if self._string is None else self._inside(data, at)

    def _outside(self, data: bytes, at: int) -> int:
        quote = data.find(b'"', at)
        end = len(data) if quote < 0 else quote + 1
        self._emit(data[at:end])
        if quote >= 0:
            self._string, self._string_bytes = [], 0
        return end

    def _inside(self, data: bytes, at: int) -> int:
        matched = _STRING_PART.match(data, at)
        end = matched.end() if matched else at
        part = data[at:end]
        self._string_bytes += len(part)
        if self._string is not None and self._string_bytes <= LONG_STRING_BYTES:
            self._string.append(part)
        if end >= len(data):
            return end
        if data[end] == ord("\\"):  # half an escape: the rest is in the next piece
            self._pending = data[end:]
            return len(data)
        short = self._string is not None and self._string_bytes <= LONG_STRING_BYTES
        self._emit(b"".join(self._string or ()) if short else ELLIPSIS)
        self._emit(b'"')
        self._string = None
        return end + 1

    def _emit(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > LONG_LINE_BYTES:
            self.overflow = True
            self._out.clear()
        if not self.overflow:
            self._out.append(data)

    def line(self) -> bytes:
        """Return the shortened line."""
        return b"".join(self._out)
