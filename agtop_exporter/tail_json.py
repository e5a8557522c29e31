"""JSON that is not lines: documents that are rewritten whole, and files of concatenated objects.

Reading is bounded in memory, and opens only regular files, read-only. This module knows no agent.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from agtop_exporter.decoding import Errors, decoder
from agtop_exporter.model import Cursor
from agtop_exporter.shortening import LONG_LINE_BYTES, StringShortener
from agtop_exporter.tail import BLOCK_BYTES, Lines, open_regular

T = TypeVar("T", bound=msgspec.Struct)

UNFINISHED = "truncated"  # in msgspec's message about text that ends too early

_check = msgspec.json.Decoder(msgspec.Raw).decode


def read_document(
    path: str, cursor: Cursor, kind: type[T], *, errors: Errors
) -> tuple[T | None, Cursor]:
    """Decode a file that is one JSON document; None where it says nothing new since the cursor.

    A document that is still being written says nothing: it changes again, and is then read. Of a
    very long one the long strings are dropped, and what is too long even so is counted as
    `too_large`. Raises NotAFileError, or OSError where the file cannot be read.
    """
    descriptor, status = open_regular(path)
    try:
        text, digest = _text(descriptor, status.st_size)
    finally:
        os.close(descriptor)
    now = Cursor(
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        offset=status.st_size,
        fingerprint=cursor.fingerprint,
    )
    if text is None:
        errors.add("too_large", 0)
        return None, now
    if digest == cursor.fingerprint or not _is_whole(text):
        return None, now
    value = decoder(kind, errors)(memoryview(text), 0)
    return value, msgspec.structs.replace(now, fingerprint=digest)


def _text(descriptor: int, size: int) -> tuple[bytes | None, bytes]:
    """Return the text, None where it is too long, and a digest of all of it."""
    digest = hashlib.blake2b(digest_size=16)
    shortener = StringShortener() if size > LONG_LINE_BYTES else None
    blocks: list[bytes] = []
    while block := os.read(descriptor, BLOCK_BYTES):
        digest.update(block)
        if shortener is None:
            blocks.append(block)
        else:
            shortener.feed(block)
    if shortener is None:
        return b"".join(blocks), digest.digest()
    return None if shortener.overflow else shortener.line(), digest.digest()


def _is_whole(text: bytes) -> bool:
    """Say whether the text has an end; what is wrong in its middle is the decoder's to say."""
    try:
        _check(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return UNFINISHED not in str(error) or _is_json(text)
    return True


def _is_json(text: bytes) -> bool:
    """Ask the more tolerant parser: half of an escaped pair is no early end."""
    try:
        json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return True


class Objects(Lines, frozen=True):
    """Concatenated objects, each on a line of its own or indented over several lines.

    An indented object is all lines from one that is only `{` to one that is only `}`. Objects
    without any of the `markers` are passed over, but for the last of those that are complete.
    """

    markers: tuple[bytes, ...] = ()

    def end(self, buffer: bytearray, filled: int) -> int:
        """Return where the last complete object in the filled part of a buffer ends."""
        end = super().end(buffer, filled)
        begin = 0 if buffer.startswith(b"{\n") else -1
        last = buffer.rfind(b"\n{\n", 0, end)
        begin = begin if last < 0 else last + 1
        is_complete = begin < 0 or buffer.find(b"\n}\n", begin, end) >= 0
        return end if is_complete else begin

    def split(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Find the objects that matter in a text of complete ones: (begin, end)."""
        find = text.find
        passed = None
        begin = 0
        while (end := find(b"\n", begin)) >= 0:
            if text[begin:end] == b"{":
                end = _end_of_object(text, end)
            if any(find(marker, begin, end) >= 0 for marker in self.markers):
                passed = None
                yield begin, end
            elif end > begin:
                passed = (begin, end)
            begin = end + 1
        if passed is not None:
            yield passed


def _end_of_object(text: bytes, begin: int) -> int:
    """Return where an indented object ends; one whose end was lost ends before the next."""
    end, following = text.find(b"\n}\n", begin), text.find(b"\n{\n", begin)
    if end >= 0 and (following < 0 or end < following):
        return end + len(b"\n}")
    return following if following >= 0 else begin
