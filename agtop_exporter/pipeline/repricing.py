"""Applies price changes to events that are already counted."""

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import PriceSource
from agtop_exporter.pricing import PriceBook


class Repricing:
    """Applies new prices to the events of a ledger, once for each change of the price book."""

    def __init__(self, ledger: Ledger, prices: PriceBook, *, at_once: bool) -> None:
        """Start without a known change of prices.

        If `at_once` is true, one call of `apply` reprices all events. The daemon passes false: each
        call reprices a part of the events, so that no refresh takes long.
        """
        self.sources: tuple[PriceSource, ...] = ()
        self._ledger = ledger
        self._prices = prices
        self._at_once = at_once
        self._generation = -1  # the first refresh looks up the missing prices
        self._is_finished = False

    def apply(self) -> None:
        """Price the unpriced events after a change of the price book, then reprice the others."""
        book = self._prices
        if self._generation != book.generation:
            self.sources = book.sources()
            self._ledger.reprice(book.cost)
            self._generation = book.generation
            self._is_finished = False
        while not self._is_finished:
            self._is_finished = not self._ledger.reprice_step(
                book.cost, book.fingerprint, replaces=book.replaces_agent_cost
            )
            if not self._at_once:
                break
