"""Finds the rows after the damaged part of a table.

SQLite fails at the first damaged page, but finds rows after that page by their row ids.
"""

from bisect import bisect_left
from collections.abc import Callable

import msgspec

MAX_ROWID = 2**63 - 1

Gaps = dict[str, int]
"""By table, the row id before the first rows that could not be read."""


def end_of_damage(rowid: int, is_readable: Callable[[int], bool]) -> int | None:
    """Return the first row id at which reading can continue; None if there is none.

    `is_readable` returns whether the first row after a row id can be read. It is false for `rowid`.
    """
    low, step = max(rowid, 0), 1  # row ids below 1 are rare
    while low + step < MAX_ROWID:
        if is_readable(low + step):
            candidates = range(low + 1, low + step)
            return candidates.start + bisect_left(candidates, x=True, key=is_readable)
        low, step = low + step, step * 2
    return None


def encode_gaps(gaps: Gaps) -> bytes:
    """Return gaps as bytes; b"" if there is none."""
    return msgspec.json.encode(gaps) if gaps else b""


def decode_gaps(data: bytes) -> Gaps:
    """Return the gaps that `encode_gaps` has encoded. Other bytes are no gaps."""
    try:
        return msgspec.json.decode(data, type=Gaps)
    except msgspec.DecodeError:
        return {}
