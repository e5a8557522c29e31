"""Recognises the two records of a response: one of telemetry and one of the answer.

The two have only their figures in common. So a second copy of one of them would pair with nothing,
or with a record of another response.
"""

import msgspec

from agtop_exporter.agents.qwen.records import Figures, Record
from agtop_exporter.reading.seen import SeenIds

UNPAIRED_MAX = 32  # records whose second record may still follow


class Unpaired(msgspec.Struct, array_like=True):
    """The first record of a response."""

    kind: str
    figures: Figures
    key: str


class Pairs(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What a parser remembers of the records with figures in one transcript."""

    unpaired: list[Unpaired] = msgspec.field(default_factory=list)
    seen: SeenIds = msgspec.field(default_factory=SeenIds)

    def is_repeated(self, record: Record) -> bool:
        """Return whether a record has been used before; one without an id is not recognised."""
        return bool(record.uuid) and not self.seen.add(record.uuid)

    def first_of(self, record: Record, figures: Figures, key: str) -> Unpaired | None:
        """Return the first record of the response; None if `record` is the first one itself."""
        for index, first in enumerate(self.unpaired):
            if first.kind != record.type and _are_of_one(first.figures, figures):
                return self.unpaired.pop(index)
        self.unpaired.append(Unpaired(record.type, figures, key))
        del self.unpaired[:-UNPAIRED_MAX]
        return None


def _are_of_one(first: Figures, second: Figures) -> bool:
    """Return whether two records can be of one response; either may lack its model."""
    return first[1:] == second[1:] and (first[0] == second[0] or not (first[0] and second[0]))
