"""Finds the boundaries of records in a text file."""

import re
from collections.abc import Iterator

import msgspec

_NOT_BLANK = re.compile(rb"[^\n]")


class Lines(msgspec.Struct, frozen=True):
    """The framing of a file with one record per line."""

    def end(self, buffer: bytearray, filled: int) -> int:
        """Return the offset after the last complete record in `buffer[:filled]`, or 0."""
        return buffer.rfind(b"\n", 0, filled) + 1

    def split(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield the offsets (begin, end) of each record in complete lines; skip empty lines."""
        begin = 0
        while (end := text.find(b"\n", begin)) >= 0:
            if end > begin:
                yield begin, end
                begin = end + 1
            elif following := _NOT_BLANK.search(text, end):  # there can be millions of newlines
                begin = following.start()
            else:
                return


LINES = Lines()


class Objects(Lines, frozen=True):
    """The framing of a file of JSON objects, each on one line or indented over several lines.

    An indented object begins with the line `{` and ends with the line `}`. In a damaged file, other
    text may precede the `{` on its line.

    An object that contains none of the byte strings `markers` is skipped. The last object of a text
    is never skipped, because the cursor can only move to the end of an object that is not skipped.
    """

    markers: tuple[bytes, ...] = ()

    def end(self, buffer: bytearray, filled: int) -> int:
        """Return the offset after the last complete object in `buffer[:filled]`, or 0."""
        end = super().end(buffer, filled)
        closed = buffer.rfind(_CLOSING, 0, end)
        at = closed + len(_CLOSING) if closed >= 0 else 0
        while (brace := buffer.find(b"{\n", at, end)) >= 0:
            begin = buffer.rfind(b"\n", at, brace) + 1 or at
            if buffer[begin] not in _WITHIN:
                return begin
            at = brace + len(b"{\n")
        return end

    def split(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield the offsets (begin, end) of each object that contains one of the `markers`.

        The last object is always yielded, so that the cursor can move to its end. `text` contains
        complete objects only.
        """
        find = text.find
        opening, closing = _ForwardSearch(text, b"\n{\n"), _ForwardSearch(text, _CLOSING)
        skipped = None
        begin = 0
        while (end := find(b"\n", begin)) >= 0:
            if text[end - 1 : end] == b"{" and text[begin] not in _WITHIN:
                end = _end_of_object(opening.after(end), closing.after(end), end)
            if any(find(marker, begin, end) >= 0 for marker in self.markers):
                skipped = None
                yield begin, end
            elif end > begin:
                skipped = (begin, end)
            begin = end + 1
        if skipped is not None:
            yield skipped


_WITHIN = b" \t}"  # first characters of the lines inside an indented object
_CLOSING = b"\n}\n"


class _ForwardSearch:
    """Searches a text for a substring at increasing positions, in linear total time."""

    def __init__(self, text: bytes, substring: bytes) -> None:
        self._text = text
        self._substring = substring
        self._found = -1
        self._ended = False

    def after(self, place: int) -> int:
        """Return the position of the first occurrence at or after `place`; -1 if there is none.

        `place` must not be smaller than in the previous call.
        """
        if self._found < place and not self._ended:
            self._found = self._text.find(self._substring, place)
            self._ended = self._found < 0
        return self._found


def _end_of_object(following: int, end: int, line_end: int) -> int:
    """Return the position of the end of an indented object.

    `end` is the position of the next closing brace, and `following` is the position where the next
    object begins (-1 if there is none). An object whose closing brace is missing ends where the
    next object begins. Without a next object, it ends at `line_end`.
    """
    if end >= 0 and (following < 0 or end < following):
        return end + len(b"\n}")
    return following if following >= 0 else line_end
