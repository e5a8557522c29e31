"""Rows of a SQLite table, and the position up to which a table has been read."""

import msgspec

ANCHORS = 24


class TableRow(msgspec.Struct, array_like=True, gc=False):
    """Base class of table rows. Each field is a column that is read.

    If a column is NULL or missing, the field has its default.
    """


class Watermark(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The position up to which a table has been read.

    `anchors` are the pairs (row id, key) of some rows that were read, the latest row first. SQLite
    reuses row ids when the last rows of a table are deleted. The next read therefore continues
    after the latest anchor whose row still has the same key.
    """

    anchors: tuple[tuple[int, str], ...] = ()

    def moved_to(self, rowid: int, key: str, *, reset: str = "") -> "Watermark":
        """Return the watermark after a later row with this row id and key.

        The new watermark has an anchor for that row. Of the older anchors, it has one for each
        range of distances (1, 2 to 3, 4 to 7, and so on) from that row. If some of the last rows
        are deleted, the next read therefore repeats about as many rows as were deleted. `reset`
        is the reason why the table was read again from its start, or "". With a reason, the older
        anchors are dropped.
        """
        by_distance: dict[int, tuple[int, str]] = {}
        for anchor in () if reset else self.anchors:
            if anchor[0] < rowid:
                # the farthest anchor of each distance stays
                by_distance[(rowid - anchor[0]).bit_length()] = anchor
        older = sorted(by_distance.values(), reverse=True)
        return Watermark(((rowid, key), *older)[:ANCHORS])
