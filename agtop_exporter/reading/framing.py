"""Where one record ends and the next begins in a text file."""

from collections.abc import Iterator

import msgspec


class Lines(msgspec.Struct, frozen=True):
    """One record on each line."""

    def end(self, buffer: bytearray, filled: int) -> int:
        """Return the offset after the last complete record in `buffer[:filled]`; 0 if none is."""
        return buffer.rfind(b"\n", 0, filled) + 1

    def split(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield (begin, end) of each record in a text of complete lines; blank lines are none."""
        begin = 0
        while (end := text.find(b"\n", begin)) >= 0:
            if end > begin:
                yield begin, end
            begin = end + 1


LINES = Lines()


class Objects(Lines, frozen=True):
    """Concatenated JSON objects, each on one line or indented over several lines.

    An indented object begins with a line that is only `{` and ends with a line that is only `}`.
    Objects that contain none of the `markers` are skipped, except the last one if no object with a
    marker follows it: it moves the cursor forward.
    """

    markers: tuple[bytes, ...] = ()

    def end(self, buffer: bytearray, filled: int) -> int:
        """Return the offset after the last complete object in `buffer[:filled]`; 0 if none is."""
        end = super().end(buffer, filled)
        begin = 0 if buffer.startswith(b"{\n") else -1
        last = buffer.rfind(b"\n{\n", 0, end)
        begin = begin if last < 0 else last + 1
        is_complete = begin < 0 or buffer.find(b"\n}\n", begin, end) >= 0
        return end if is_complete else begin

    def split(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield (begin, end) of each object with a marker, in a text of complete objects."""
        find = text.find
        skipped = None
        begin = 0
        while (end := find(b"\n", begin)) >= 0:
            if text[begin:end] == b"{":
                end = _end_of_object(text, end)
            if any(find(marker, begin, end) >= 0 for marker in self.markers):
                skipped = None
                yield begin, end
            elif end > begin:
                skipped = (begin, end)
            begin = end + 1
        if skipped is not None:
            yield skipped


def _end_of_object(text: bytes, begin: int) -> int:
    """Return where an indented object ends; one without an end stops before the next object."""
    end, following = text.find(b"\n}\n", begin), text.find(b"\n{\n", begin)
    if end >= 0 and (following < 0 or end < following):
        return end + len(b"\n}")
    return following if following >= 0 else begin
