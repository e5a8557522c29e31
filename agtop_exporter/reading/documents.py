"""Reads JSON documents with bounded memory. The agent rewrites a document as a whole."""

import hashlib
import json
import os
import re
from collections.abc import Iterator

import msgspec

from agtop_exporter.model import NANOSECONDS, Batch, Cursor
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import Errors, decoder
from agtop_exporter.reading.file_group import cursor_at
from agtop_exporter.reading.files import open_regular, read_head
from agtop_exporter.reading.lines import BLOCK_BYTES
from agtop_exporter.reading.parsers import Record, RecordParser, State
from agtop_exporter.reading.recovery import TRUNCATED, without_marks
from agtop_exporter.reading.shortening import (
    LONG_LINE_BYTES,
    LONG_STRING_BYTES,
    SHORTER_STRING_BYTES,
    StringShortener,
)
from agtop_exporter.reading.state import NoState, encode_state, restore

SMALL_DOCUMENT_BYTES = 1024 * 1024


class Form(msgspec.Struct, frozen=True):
    """How a document is decoded.

    If `member` is not empty, the document is decoded as the value of this member of an object. So a
    Struct can describe a document that is an array. `kept` matches the part of a long string that
    is not removed from a long document; see StringShortener.
    """

    member: str = ""
    kept: re.Pattern[bytes] | None = None


OBJECT = Form()

_check = msgspec.json.Decoder(msgspec.Raw).decode


def read_document(
    agent: str,
    parser_type: type[RecordParser[Record, State]],
    path: str,
    cursor: Cursor,
    form: Form = OBJECT,
) -> Batch:
    """Return a batch from the document at `path`; an empty batch if the document has not changed.

    A changed document is passed to a parser of type `parser_type`. Raises NotAFileError if the path
    is not a regular file, or OSError if the file cannot be read.
    """
    batch = BatchBuilder(agent, path, known_types=parser_type.known_types)
    state, start, lost_state = restore(cursor, parser_type.state_type)
    document, now = load_document(path, start, parser_type.record, errors=batch.errors, form=form)
    if document is not None:
        batch.records = 1
        batch.modified_at = now.mtime_ns / NANOSECONDS
        parser = parser_type(batch, state)
        parser.feed(document, 0)
        parser.finish()
    if parser_type.state_type is not NoState:
        now = msgspec.structs.replace(now, state=encode_state(state))
    return batch.build(now, bytes_read=now.size, reset=lost_state)


def usable_document(path: str | os.PathLike[str], kind: type[Record]) -> Record | None:
    """Return the usable part of a small document; None if the document cannot be read.

    No errors are counted. The document is also read as a source, which counts them.
    """
    try:
        text = read_head(path, SMALL_DOCUMENT_BYTES)
    except OSError:
        return None
    return decoder(kind, Errors(os.fspath(path)))(memoryview(text), 0)


def load_document(
    path: str,
    cursor: Cursor,
    kind: type[Record],
    *,
    errors: Errors,
    form: Form = OBJECT,
) -> tuple[Record | None, Cursor]:
    """Return (document, new cursor). The document is None if its content has not changed.

    The document is also None if it is incomplete, because the agent is still writing it. The new
    cursor then has the offset 0, so that the next change is read. A document longer than
    LONG_LINE_BYTES is decoded without its long strings. A document that is too long even without
    them is counted as a `too_large` error. Text before or after the JSON value, except white space
    and byte order marks, is counted as a `json` error. Raises NotAFileError if the path is not a
    regular file, or OSError if the file cannot be read.
    """
    descriptor, status = open_regular(path)
    try:
        text, digest = _text(descriptor, status.st_size, form.kept)
    finally:
        os.close(descriptor)
    now = cursor_at(status, status.st_size, fingerprint=cursor.fingerprint)
    if text is None:
        errors.add("too_large", 0)
        return None, now
    if digest == cursor.fingerprint:
        return None, now
    if not _is_complete(without_marks(text)):
        return None, msgspec.structs.replace(now, offset=0)
    if form.member:
        text = b'{"%s":%s}' % (form.member.encode(), without_marks(text) or b"null")
    value = decoder(kind, errors)(memoryview(text), 0)
    return value, msgspec.structs.replace(now, fingerprint=digest)


def _text(descriptor: int, size: int, kept: re.Pattern[bytes] | None) -> tuple[bytes | None, bytes]:
    """Return (text, digest of the whole file).

    `size` is the size of the file. The text of a long file lacks its long strings, and also its
    strings of medium length if necessary. The text is None if it is too long even without them.
    """
    if size <= LONG_LINE_BYTES:
        whole = b"".join(_blocks(descriptor))
        return whole, hashlib.blake2b(whole, digest_size=16).digest()
    text, digest = _shortened(descriptor, kept, LONG_STRING_BYTES)
    if text is None:
        text, digest = _shortened(descriptor, kept, SHORTER_STRING_BYTES)
    return text, digest


def _shortened(
    descriptor: int, kept: re.Pattern[bytes] | None, limit: int
) -> tuple[bytes | None, bytes]:
    """Return (text without strings longer than `limit` bytes, digest of the whole file).

    The text is None if it is too long.
    """
    digest, shortener = hashlib.blake2b(digest_size=16), StringShortener(kept, string_bytes=limit)
    for block in _blocks(descriptor):
        digest.update(block)
        shortener.feed(block)
    return None if shortener.overflow else shortener.line(), digest.digest()


def _blocks(descriptor: int) -> Iterator[bytes]:
    """Yield the content of a file from its start."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    while block := os.read(descriptor, BLOCK_BYTES):
        yield block


def _is_complete(text: bytes) -> bool:
    """Return False if the end of a JSON document is missing.

    The result is True for a document with other errors, which the decoder reports.
    """
    try:
        _check(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return TRUNCATED not in str(error) or _is_json(text)
    return True


def _is_json(text: bytes) -> bool:
    """Return whether the text is JSON in which lone surrogates are allowed."""
    try:
        json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return True
