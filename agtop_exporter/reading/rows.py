"""Rows of a SQLite table, and the position up to which a table has been read."""

import msgspec

ANCHORS = 24


class TableRow(msgspec.Struct, array_like=True, gc=False):
    """The columns that are read from a table. The default of a field replaces NULL."""


class Watermark(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The position up to which a table has been read.

    `anchors` are (row id, key) of some rows that were read, the latest first. SQLite reuses row ids
    when the last rows of a table are deleted. Reading therefore continues after the latest anchor
    whose row still has the same key.
    """

    anchors: tuple[tuple[int, str], ...] = ()

    def moved_to(self, rowid: int, key: str) -> "Watermark":
        """Return the watermark after a later row.

        It keeps one anchor for each power of two of the distance from that row. If some of the last
        rows are deleted, about as many rows are read again.
        """
        by_distance: dict[int, tuple[int, str]] = {}
        for anchor in self.anchors:
            if anchor[0] < rowid:
                # the farthest anchor of each distance stays
                by_distance[(rowid - anchor[0]).bit_length()] = anchor
        older = sorted(by_distance.values(), reverse=True)
        return Watermark(((rowid, key), *older)[:ANCHORS])
