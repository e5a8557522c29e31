"""Reads the lines of a file for the tests of `reading`."""

from agtop_exporter.model import Cursor
from agtop_exporter.reading.lines import LineReader


def read(path, cursor=None, **options):
    """Return (lines, cursor after them, the reader)."""
    with LineReader(str(path), cursor or Cursor(), **options) as reader:
        lines = [bytes(line) for line in reader]
        return lines, reader.cursor(b"state"), reader


def append(path, data):
    with path.open("ab") as file:
        file.write(data)
