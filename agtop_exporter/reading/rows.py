"""Rows of a SQLite table, and how far a table has been read."""

import msgspec

ANCHORS = 8
ANCHOR_ROWS = 256  # the least distance between two anchors, in row ids


class TableRow(msgspec.Struct, array_like=True, gc=False):
    """The columns that are read of a table; each field's default replaces NULL."""


class Watermark(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How far a table has been read: (row id, key) of some rows that were read, the latest first.

    SQLite reuses row ids when the last rows of a table are deleted. Reading therefore continues
    after the latest anchor whose row still has the same key.
    """

    anchors: tuple[tuple[int, str], ...] = ()

    def moved_to(self, rowid: int, key: str) -> "Watermark":
        """Return the watermark at a later row."""
        older = self.anchors
        if len(older) > 1 and older[0][0] - older[1][0] < ANCHOR_ROWS:
            older = older[1:]
        return Watermark(((rowid, key), *older)[:ANCHORS])
