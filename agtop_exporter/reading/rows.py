"""Rows of a SQLite table, and how far a table has been read."""

import msgspec

ANCHORS = 24


class TableRow(msgspec.Struct, array_like=True, gc=False):
    """The columns that are read of a table; each field's default replaces NULL."""


class Watermark(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How far a table has been read: (row id, key) of some rows that were read, the latest first.

    SQLite reuses row ids when the last rows of a table are deleted. Reading therefore continues
    after the latest anchor whose row still has the same key.
    """

    anchors: tuple[tuple[int, str], ...] = ()

    def moved_to(self, rowid: int, key: str) -> "Watermark":
        """Return the watermark at a later row.

        Its anchors are dense near that row and sparse far from it: one for each power of two of
        the distance. So little is read again, whether few or many of the last rows are deleted.
        """
        by_distance: dict[int, tuple[int, str]] = {}
        for anchor in self.anchors:
            if anchor[0] < rowid:
                by_distance[(rowid - anchor[0]).bit_length()] = anchor  # the farthest one stays
        older = sorted(by_distance.values(), reverse=True)
        return Watermark(((rowid, key), *older)[:ANCHORS])
