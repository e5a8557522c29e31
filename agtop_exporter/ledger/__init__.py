"""Turns usage events into totals that count each event once, never decrease, and survive a crash.

What one refresh learns (cursors, event keys, sessions, totals) is committed in one transaction.
Nothing here reads a transcript, a price table or the clock.
"""

from agtop_exporter.ledger.counting import Price
from agtop_exporter.ledger.ledger import Ledger
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.sessions import Key, unpacked
from agtop_exporter.ledger.state import WINDOWS_MAX
from agtop_exporter.ledger.totals import LABELS_MAX

__all__ = ["LABELS_MAX", "WINDOWS_MAX", "Entry", "Key", "Ledger", "Price", "unpacked"]
