"""Turns usage events into totals that count each event once and never decrease.

Each refresh commits its cursors, event keys, sessions and totals in one transaction, so a crash
loses or repeats nothing. Nothing here reads a transcript, a price table or the clock.
"""

from agtop_exporter.ledger.ledger import Ledger
from agtop_exporter.ledger.merging import Price
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.sessions import Key, unpacked
from agtop_exporter.ledger.state import WINDOWS_MAX
from agtop_exporter.ledger.totals import LABELS_MAX

__all__ = ["LABELS_MAX", "WINDOWS_MAX", "Entry", "Key", "Ledger", "Price", "unpacked"]
