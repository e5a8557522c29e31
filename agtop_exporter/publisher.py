"""Renders the metrics pages of the daemon, and continues the counters of an earlier process."""

from collections.abc import Callable, Mapping
from functools import partial

from agtop_exporter.backfill import note_scrape
from agtop_exporter.ledger import Ledger
from agtop_exporter.metrics import Publication, publish, resume
from agtop_exporter.model import Series, Snapshot
from agtop_exporter.redaction import Redaction
from agtop_exporter.server import OwnProcess, Pages, Scrapers, render_pages

SCRAPERS = "scrapers"  # metadata of the ledger: the scrapers of an earlier process


class Publisher:
    """The published metrics pages, and the state that the next publication continues.

    `pages` are the pages to serve; None before the first call of `publish`. `previous` is the
    published result of the last scan; None before the first scan has ended. `scrapers` stores which
    publication each scraper received last.
    """

    def __init__(
        self, ledger: Ledger, redaction: Redaction, *, totals: Mapping[Series, float], now: float
    ) -> None:
        """Start without pages.

        `totals` are the totals of an earlier process that the ledger does not have as series. `now`
        is in unix seconds.
        """
        self.pages: Pages | None = None
        self.previous: Snapshot | None = None
        self.scrapers = Scrapers(ledger.metadata.get(SCRAPERS, b""), now=now)
        self._redaction = redaction
        self._own = OwnProcess()
        self._publication: Publication | None = None
        self._resume = _resuming({**ledger.stored_totals, **totals}, ledger, redaction)

    def publish(self, snapshot: Snapshot, *, ready: bool) -> None:
        """Render and publish the pages of `snapshot`. If this raises, the previous pages remain.

        `ready` is true if `snapshot` is the result of a scan.
        """
        shown = self._redaction.snapshot(snapshot)
        before, previous = self._publication, self.previous
        if previous is not None:
            previous = self._redaction.snapshot(previous)
        if self.pages is None or not self.pages.ready:
            before, previous = self._resume(shown) if ready else None, None
        publication = publish(shown, before, previous=previous)
        received = self.scrapers.generations(snapshot.generated_at)
        self.pages = render_pages(
            publication, snapshot, own=self._own, received=received, ready=ready
        )
        self._publication, self.previous = publication, snapshot if ready else None

    def save_state(self, ledger: Ledger) -> None:
        """Write the scrapers and the first scraped values to the ledger, if they have changed."""
        scrapers = self.scrapers.encode()
        if ledger.metadata.get(SCRAPERS, b"") != scrapers:
            ledger.remember(SCRAPERS, scrapers)
        if self.previous is not None and self.scrapers.received(self.previous.generated_at):
            note_scrape(ledger, self.previous)


def _resuming(
    totals: Mapping[Series, float], ledger: Ledger, redaction: Redaction
) -> Callable[[Snapshot], Publication | None]:
    """Return a function that reconstructs the last publication of an earlier process.

    The function takes the first snapshot of this process. If no daemon has published anything, the
    function returns None, and all values of the first snapshot are published.
    """
    new = ledger.take_unpublished()
    if ledger.is_new or new.everything:
        return lambda _snapshot: None
    known = {series: value for series, value in totals.items() if series not in new.series}
    sessions = set(ledger.sessions) - new.sessions
    return partial(resume, totals=redaction.totals(known), sessions=sessions)
