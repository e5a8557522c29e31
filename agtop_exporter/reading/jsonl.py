"""Reads the new records of a file of JSON Lines, or of concatenated JSON objects."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import (
    UNDECODABLE,
    Errors,
    Recover,
    decoder_of,
    recoverer,
)
from agtop_exporter.reading.framing import LINES, Lines
from agtop_exporter.reading.lines import LineReader, has_lines
from agtop_exporter.reading.parsers import BlockParser, Record, RecordParser, State
from agtop_exporter.reading.state import encode_state, restore

T = TypeVar("T", bound=msgspec.Struct)


def read_jsonl(
    agent: str,
    parser_type: type[RecordParser[Record, State]] | type[BlockParser[Record, State]],
    path: str,
    cursor: Cursor,
    *,
    framing: Lines = LINES,
) -> Batch:
    """Read the complete records after a cursor and return a Batch.

    If the file has more records than one batch may contain, the next read continues. The last
    record of the file is read if it is complete, even if it has no newline. `framing` defines the
    boundaries of records. Raises NotAFileError if the path is not a regular file, or OSError if the
    file cannot be read.
    """
    state, cursor, lost_state = restore(cursor, parser_type.state_type)
    with LineReader(path, cursor, framing=framing) as lines:
        if lines.reset:
            state = parser_type.state_type()
        batch = BatchBuilder(
            agent, path, known_types=parser_type.known_types, modified_at=lines.modified_at
        )
        parser = parser_type(batch, state)
        if isinstance(parser, BlockParser):
            for records in record_blocks(lines, parser.record, batch.errors):
                batch.records += len(records)
                parser.feed(records, lines.offset)
        else:
            batch.records += feed_each(lines, parser.record, batch.errors, parser.feed)
        parser.finish()
        batch.error("too_large", lines.offset, lines.too_large)
        if lines.problem:
            batch.error(lines.problem, lines.offset)
        return batch.build(
            lines.cursor(encode_state(state)),
            bytes_read=lines.offset - lines.start,
            reset=lost_state or lines.reset,
            more=lines.more,
        )


def feed_each(
    lines: LineReader, kind: type[T], errors: Errors, feed: Callable[[T, int], object]
) -> int:
    """Call `feed` with each record and a byte offset; return the number of records.

    The offset identifies the record in its file. It is one byte after the end of the record. In an
    undamaged file this is the position after the newline of the record.
    """
    decode, recover = decoder_of(kind).decode, recoverer(kind, errors)
    count = 0
    for text, end in lines.blocks():
        for line in lines.lines_of(text, end):
            try:
                record = decode(line)
            except UNDECODABLE:
                begin = lines.offset - len(line)
                for recovered, record_end in recover(line, lines.offset):
                    count += 1
                    feed(recovered, begin + record_end)
                continue
            count += 1
            feed(record, lines.offset)
    return count


def record_blocks(lines: LineReader, kind: type[T], errors: Errors) -> Iterator[list[T]]:
    """Yield the list of the records in each block of lines.

    One call decodes all lines of a block, and would accept a record that spans several lines. If
    the number of records differs from the number of lines, each line is decoded alone. The result
    therefore does not depend on the size of the block. The complete records in a damaged line are
    recovered.
    """
    decode = decoder_of(kind).decode_lines
    recover = recoverer(kind, errors)
    for text, end in lines.blocks():
        try:
            records = decode(memoryview(text)[:end])
        except UNDECODABLE:
            records = []
        if has_lines(text, end, len(records)):
            lines.lines += len(records)
        else:
            records = [
                record
                for line in lines.lines_of(text, end)
                for record in _decoded(line, lines.offset, decode, recover)
            ]
        yield records


def _decoded(
    line: memoryview,
    offset: int,
    decode: Callable[[memoryview], list[T]],
    recover: Recover[T],
) -> list[T]:
    """Return the records in one line; recover the complete records if the line is damaged.

    `offset` is the byte offset that is reported with an error.
    """
    try:
        return decode(line)
    except UNDECODABLE:
        return [record for record, _ in recover(line, offset)]
