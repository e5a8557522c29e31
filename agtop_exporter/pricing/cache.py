"""Stores downloaded price tables, and the times of the downloads, in a cache directory.

A file of the cache may be missing, damaged or written by another version. Only the owner can read
the files, and they are replaced atomically.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from agtop_exporter import platforms
from agtop_exporter.atomic import replace_file
from agtop_exporter.pricing.downloads import TABLE_BYTES_MAX
from agtop_exporter.pricing.rates import PriceTableError

STATE_FILE = "price-refresh.json"


class State(msgspec.Struct, frozen=True):
    """The stored download state of one price table. Times are unix seconds."""

    fetched_at: float | None = None
    next_attempt_at: float = 0.0
    failures: int = 0
    sha256: str = ""  # of the last valid table
    genai_version: str = (
        ""  # of the installed package at the download; a newer one has newer prices
    )


class PriceCache:
    """The files of a cache directory, which may be missing."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def states(self) -> dict[str, State]:
        """Return the stored states by the name of the price table; {} if they are unusable."""
        try:
            data = self._read(STATE_FILE)
            return msgspec.json.decode(data, type=dict[str, State])
        except (OSError, msgspec.DecodeError, RecursionError, ValueError):
            return {}

    def store_states(self, states: Mapping[str, State]) -> None:
        """Replace the stored states. Raises OSError."""
        self._write(STATE_FILE, msgspec.json.encode(states))

    def table(self, file: str, *, sha256: str) -> bytes:
        """Return a stored price table.

        Raises:
            OSError: The file cannot be read, or is too large.
            PriceTableError: The content does not have the checksum `sha256`.

        """
        data = self._read(file)
        if checksum(data) != sha256:
            raise PriceTableError(f"not the table that was downloaded: {file}")
        return data

    def store_table(self, file: str, data: bytes) -> None:
        """Replace a stored price table. Raises OSError."""
        self._write(file, data)

    def _read(self, name: str) -> bytes:
        path = self._directory / name
        with open(platforms.open_for_reading(path), "rb") as file:  # noqa: PTH123 - opened without blocking on a FIFO
            data = file.read(TABLE_BYTES_MAX + 1)
        if len(data) > TABLE_BYTES_MAX:
            raise OSError(f"too large for a price table: {path}")
        return data

    def _write(self, name: str, data: bytes) -> None:
        platforms.make_directory(self._directory)
        replace_file(self._directory / name, data, durable=True)


def checksum(data: bytes) -> str:
    """Return the SHA-256 of a table, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
