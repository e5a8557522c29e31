"""What is new in a file since a cursor: complete lines, and nothing lost.

Reading is bounded in memory whatever the file holds, and opens only regular files, read-only.
This module knows no agent.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from agtop_exporter.decoding import UNDECODABLE, Decode, Errors, decoder, decoder_of, rescuer
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.model import (
    Batch,
    Cursor,
    RateLimit,
    SessionUpdate,
    UsageEvent,
)
from agtop_exporter.shortening import LONG_LINE_BYTES, StringShortener

BLOCK_BYTES = 256 * 1024
BATCH_BYTES = 32 * 1024 * 1024  # one batch ends after the line that passes this
FINGERPRINT_BYTES = 512  # of the head, and of the tail before the offset

T = TypeVar("T", bound=msgspec.Struct)

_spare_buffers: list[bytearray] = []  # of files that were read: new memory costs time


class NotAFileError(OSError):
    """The path is a directory, FIFO, socket or symbolic link: never a transcript."""


def open_regular(
    path: str | os.PathLike[str], *, follow: bool = False
) -> tuple[int, os.stat_result]:
    """Open a regular file for reading, and nothing else; `follow` symbolic links to one.

    Raises NotAFileError, or OSError.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotAFileError(error.errno, "not a regular file", path) from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise NotAFileError(errno.EINVAL, "not a regular file", path)
    return descriptor, status


def beginning(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return at most so many bytes of a regular file. Raises NotAFileError, or OSError."""
    descriptor, status = open_regular(path, follow=True)
    try:
        return os.read(descriptor, min(limit, status.st_size))
    finally:
        os.close(descriptor)


class Lines(msgspec.Struct, frozen=True):
    """How a text falls into lines."""

    def end(self, buffer: bytearray, filled: int) -> int:
        """Return where the last complete line in the filled part of a buffer ends."""
        return buffer.rfind(b"\n", 0, filled) + 1

    def split(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Find the lines in a text of complete ones, without blank ones: (begin, end)."""
        begin = 0
        while (end := text.find(b"\n", begin)) >= 0:
            if end > begin:
                yield begin, end
            begin = end + 1


LINES = Lines()


class LineReader:
    """The complete lines of a growing file after a cursor; a context manager and an iterator.

    `state` is what the last read remembered, empty where the file begins again. After the
    iteration `cursor` and `batch` say how far the lines went. An unfinished last line is left for
    the next read. Raises NotAFileError, or OSError where the file cannot be read.
    """

    def __init__(
        self,
        path: str,
        cursor: Cursor,
        *,
        form: Lines = LINES,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self.path = path
        self.more = False
        self.reset = ""
        self.too_large = 0
        self._form = form
        self._batch_bytes = batch_bytes
        self._fd, self._status = open_regular(path)
        if cursor.offset:
            self.reset = self._why_from_the_start(cursor)
        self.offset = 0 if self.reset else cursor.offset
        self.start = self.offset
        self.state = b"" if self.reset else cursor.state

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def _why_from_the_start(self, cursor: Cursor) -> str:
        if self._status.st_size < cursor.offset:
            return "truncated"
        if self._fingerprint(cursor.offset) == cursor.fingerprint:
            return ""
        same_file = (self._status.st_dev, self._status.st_ino) == (cursor.device, cursor.inode)
        return "rewritten" if same_file else "replaced"

    def _fingerprint(self, offset: int) -> bytes:
        head = os.pread(self._fd, min(FINGERPRINT_BYTES, offset), 0)
        tail_at = max(0, offset - FINGERPRINT_BYTES)
        tail = os.pread(self._fd, offset - tail_at, tail_at)
        return hashlib.blake2b(head + tail, digest_size=16).digest()

    def cursor(self, state: bytes = b"") -> Cursor:
        """Return the place after the last line given, with the reader's own state."""
        return Cursor(
            device=self._status.st_dev,
            inode=self._status.st_ino,
            size=self._status.st_size,
            mtime_ns=self._status.st_mtime_ns,
            offset=self.offset,
            fingerprint=self._fingerprint(self.offset) if self.offset else b"",
            state=state,
        )

    def memory(self, kind: type[T]) -> T:
        """Return what the last read remembered, as the given Struct type; else a new one."""
        return msgspec.msgpack.decode(self.state, type=kind) if self.state else kind()

    def batch(  # noqa: PLR0913 - what a reader may have found
        self,
        agent: str,
        *,
        errors: "Errors",
        records: int,
        memory: msgspec.Struct | None = None,
        events: Iterable[UsageEvent] = (),
        sessions: Iterable[SessionUpdate] = (),
        rate_limits: Iterable[RateLimit] = (),
        unknown: UnknownTypes | None = None,
    ) -> Batch:
        """Return what was found, with the place after it; `memory` is for the next read."""
        errors.add("too_large", self.offset, self.too_large)
        return Batch(
            agent=agent,
            path=self.path,
            cursor=self.cursor(msgspec.msgpack.encode(memory) if memory is not None else b""),
            events=tuple(events),
            sessions=tuple(sessions),
            rate_limits=tuple(rate_limits),
            errors=errors.all(),
            unknown=unknown.all() if unknown else (),
            records=records,
            bytes_read=self.offset - self.start,
            reset=self.reset,
            more=self.more,
        )

    def __iter__(self) -> Iterator[memoryview]:
        for text, end in self.blocks():
            yield from self.lines_of(text, end)

    def blocks(self) -> Iterator[tuple[bytes | bytearray, int]]:
        """Give many complete lines at a time: a text, and where they end in it.

        Meanwhile `offset` is their end in the file. The text is good until the next is asked for.
        """
        buffer = _spare_buffers.pop() if _spare_buffers else bytearray(BLOCK_BYTES)
        try:
            yield from self._blocks(buffer)
        finally:
            _spare_buffers.append(buffer)

    def _blocks(self, buffer: bytearray) -> Iterator[tuple[bytes | bytearray, int]]:
        filled = 0
        os.lseek(self._fd, self.offset, os.SEEK_SET)
        while not self.more:
            got = os.readv(self._fd, [memoryview(buffer)[filled : filled + BLOCK_BYTES]])
            if not got:
                return
            filled += got
            end = self._form.end(buffer, filled)
            if end:
                self.offset += end
                yield buffer, end
                filled -= end
                buffer[:filled] = buffer[end : end + filled]
            if filled > LONG_LINE_BYTES:
                begun_at = self.offset
                yield from self._long_line(bytes(memoryview(buffer)[:filled]))
                if self.offset == begun_at:
                    return  # it has no end yet: what is written meanwhile is no line
                filled = 0
            elif filled > len(buffer) // 2:
                buffer = buffer + bytes(len(buffer))
            self.more = self.offset - self.start >= self._batch_bytes

    def lines_of(self, text: bytes | bytearray, end: int) -> Iterator[memoryview]:
        """Give the lines of a block; meanwhile `offset` is the end of the line at hand."""
        block_end = self.offset
        lines = bytes(memoryview(text)[:end])
        for line_begin, line_end in self._form.split(lines):
            self.offset = block_end - end + line_end + 1
            yield memoryview(lines)[line_begin:line_end]
        self.offset = block_end

    def _long_line(self, beginning: bytes) -> Iterator[tuple[bytes, int]]:
        """Finish one very long line: its long strings are dropped, its figures stay."""
        shortener = StringShortener()
        shortener.feed(beginning)
        length = len(beginning)
        while block := os.read(self._fd, BLOCK_BYTES):
            end = block.find(b"\n")
            shortener.feed(block if end < 0 else block[:end])
            length += len(block) if end < 0 else end
            if end < 0:
                continue
            self.offset += length + 1
            os.lseek(self._fd, self.offset, os.SEEK_SET)
            if shortener.overflow:
                self.too_large += 1
            else:
                line = shortener.line() + b"\n"
                yield line, len(line)
            return


def records(lines: LineReader, kind: type[T], errors: Errors) -> Iterator[list[T]]:
    """Decode all lines as records of the given Struct type, many at a time.

    What cannot be decoded is rescued and counted as `decoder` does it. Several records on one line
    are as good as each on its own.
    """
    decode = decoder_of(kind).decode_lines
    for text, end in lines.blocks():
        try:
            yield decode(memoryview(text)[:end])
        except UNDECODABLE:
            rescue = rescuer(kind, errors)
            yield [
                record
                for line in lines.lines_of(text, end)
                for record in _decoded(line, lines.offset, decode, rescue)
            ]


def use_each(
    lines: LineReader, kind: type[T], errors: Errors, use: Callable[[T, int], object]
) -> int:
    """Hand every record to `use`, with the offset of its end; return how many there were."""
    decode = decoder(kind, errors)
    count = 0
    for text, end in lines.blocks():
        for line in lines.lines_of(text, end):
            record = decode(line, lines.offset)
            if record is not None:
                count += 1
                use(record, lines.offset)
    return count


def _decoded(
    line: memoryview,
    at: int,
    decode: Callable[[memoryview], list[T]],
    rescue: Decode[T],
) -> list[T]:
    """Decode a line of a block that holds at least one bad line."""
    try:
        return decode(line)
    except UNDECODABLE:
        record = rescue(line, at)
        return [] if record is None else [record]
