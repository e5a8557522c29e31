"""The ledger turns usage events into totals. Totals count each event once and never decrease.

Each refresh commits cursors, event keys, sessions and totals in one transaction. A crash therefore
loses no event and counts no event twice. No module of this package reads a transcript, a price
table or the clock.
"""

from agtop_exporter.ledger.history import History, UsageHistory
from agtop_exporter.ledger.label_values import LABELS_MAX
from agtop_exporter.ledger.ledger import Ledger
from agtop_exporter.ledger.limits import ACCOUNTS_MAX, WINDOWS_MAX
from agtop_exporter.ledger.lock import is_locked, last_writer_started_at
from agtop_exporter.ledger.merging import Price
from agtop_exporter.ledger.past import BY_HOUR, PastTotal
from agtop_exporter.ledger.records import Entry
from agtop_exporter.ledger.sessions import Key, unpacked
from agtop_exporter.ledger.view import REOPEN_BYTES

__all__ = [
    "ACCOUNTS_MAX",
    "BY_HOUR",
    "LABELS_MAX",
    "REOPEN_BYTES",
    "WINDOWS_MAX",
    "Entry",
    "History",
    "Key",
    "Ledger",
    "PastTotal",
    "Price",
    "UsageHistory",
    "is_locked",
    "last_writer_started_at",
    "unpacked",
]
