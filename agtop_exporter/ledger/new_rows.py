"""`NewRows`: events and hourly sums that are only in memory until the next flush."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence

import msgspec

from agtop_exporter.ledger import rows
from agtop_exporter.ledger.changes import Place
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.rows import Row
from agtop_exporter.ledger.schema import TABLES

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class NewRows:
    """Events and hourly sums that are not in the ledger file yet.

    An event is kept encoded, which takes a third of the memory.
    """

    def __init__(self) -> None:
        self._events: dict[bytes, bytes] = {}
        self._unpriced: set[bytes] = set()
        self._hourly: dict[Place, list[int]] = {}

    def __contains__(self, key: object) -> bool:
        """Return whether the event with this key is new or changed since the last flush."""
        return key in self._events

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self._events)

    def put_event(self, key: bytes, entry: Entry) -> None:
        """Store a new or changed event."""
        self._events[key] = _encode(entry)
        if entry.cost is None and entry.is_billed:
            self._unpriced.add(key)
        else:
            self._unpriced.discard(key)

    def add_hourly(self, place: Place, sums: Sequence[int]) -> None:
        """Add to the sums of a (session, model, hour). `sums` are in the order of the columns."""
        known = self._hourly.get(place)
        if known is None:
            self._hourly[place] = list(sums)
        else:
            for index, amount in enumerate(sums):
                known[index] += amount

    def entries(self) -> Iterator[tuple[bytes, Entry]]:
        """Yield (key, event) of each event."""
        return ((key, _decode(data)) for key, data in self._events.items())

    def find(self, keys: Collection[bytes]) -> dict[bytes, Entry]:
        """Return the events with these keys, by key. Keys without an event are left out."""
        return {key: _decode(self._events[key]) for key in keys if key in self._events}

    def unpriced(self) -> dict[bytes, Entry]:
        """Return the events whose price is unknown, by key."""
        return self.find(self._unpriced)

    def hours(self, start: int, end: int) -> Iterator[Row]:
        """Yield the sums from the hour `start` to the one before `end`, as rows of `hourly`."""
        for place, sums in self._hourly.items():
            if start <= place[2] < end:
                yield (*place, *sums)

    def write(self, database: sqlite3.Connection) -> None:
        """Write all rows to the database, within the transaction of the caller."""
        database.executemany(
            TABLES["events"].insert("events"),
            (rows.event_row(key, _decode(data)) for key, data in sorted(self._events.items())),
        )
        database.executemany(
            rows.ADD_HOURLY,
            (rows.hourly_row(place, sums) for place, sums in self._hourly.items()),
        )
