"""Finds the two records of each response: a telemetry record and an answer record.

The two records have nothing in common but the model and the token counts. A second copy of a record
would be paired with a record of another response, or with none. So copies are recognized by their
ids.
"""

import msgspec

from agtop_exporter.agents.qwen.records import Figures, Record
from agtop_exporter.reading.seen import SeenIds

UNPAIRED_MAX = 32  # maximum number of records whose second record may follow


class Unpaired(msgspec.Struct, array_like=True):
    """A record of a response whose other record has not been read.

    `kind` is the type of the record, and `key` is its event key.
    """

    kind: str
    figures: Figures
    key: str


class Pairs(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Finds the two records of each response in one transcript.

    `unpaired` has the records whose other record has not been read. `seen` has the ids of the
    latest records with token counts.
    """

    unpaired: list[Unpaired] = msgspec.field(default_factory=list)
    seen: SeenIds = msgspec.field(default_factory=SeenIds)

    def is_repeated(self, record: Record) -> bool:
        """Return whether a record has been read before. If not, store its id.

        Return False for a record without an id.
        """
        return bool(record.uuid) and not self.seen.add(record.uuid)

    def first_of(self, record: Record, figures: Figures, key: str) -> Unpaired | None:
        """Return the earlier of the two records of a response; `record` is the later one.

        If no earlier record matches, store `record` as the earlier one and return None. `figures`
        are the model and the token counts of `record`, and `key` is its event key.
        """
        for index, first in enumerate(self.unpaired):
            if first.kind != record.type and _are_of_one(first.figures, figures):
                return self.unpaired.pop(index)
        self.unpaired.append(Unpaired(record.type, figures, key))
        del self.unpaired[:-UNPAIRED_MAX]
        return None


def _are_of_one(first: Figures, second: Figures) -> bool:
    """Return whether two records can describe the same response.

    Their token counts must be equal. Their models must be equal if both are known.
    """
    return first[1:] == second[1:] and (first[0] == second[0] or not (first[0] and second[0]))
