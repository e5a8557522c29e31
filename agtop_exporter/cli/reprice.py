"""Implements `agtop-exporter reprice`, which computes the cost of the stored usage again.

The cost is computed with the prices that are known today.
"""

import contextlib
from argparse import Namespace

from agtop_exporter.agents import covered_by, load_agents
from agtop_exporter.cli.output import write
from agtop_exporter.cli.wiring import cache_directory, now, settings_of, state_directory
from agtop_exporter.ledger import Ledger
from agtop_exporter.logs import log_for_people
from agtop_exporter.model import PICODOLLARS_PER_USD, AgtopError
from agtop_exporter.pricing import PriceBook, PriceRefresher


def run(options: Namespace) -> None:
    """Compute the costs in the ledger again, and print the change of each agent's cost."""
    settings = settings_of(options)
    log_for_people(settings)
    if settings.no_state:
        raise AgtopError("there is no ledger to reprice: leave out --no-state")
    book = PriceBook(overrides=settings.prices)
    refresher = PriceRefresher(book, cache_directory(settings), clock=now)
    refresher.load_cache()
    if settings.refresh_pricing:
        refresher.refresh_once(force=True)
    covered = covered_by(settings.plan, load_agents())
    with contextlib.closing(Ledger(state_directory(settings), covered=covered)) as ledger:
        if ledger.warning:
            raise AgtopError(ledger.warning)
        before = ledger.corrections
        priced = ledger.reprice(book.cost)
        replaces = book.replaces_agent_cost
        while ledger.reprice_step(book.cost, book.fingerprint, replaces=replaces):
            ledger.checkpoint()
        ledger.commit()
        after = ledger.corrections
    lines = [f"{agent}: {_change(before.get(agent, 0), after[agent])}" for agent in sorted(after)]
    lines += [f"{priced:,} responses without a price have one now"] if priced else []
    write("\n".join(lines or ["nothing has another price"]) + "\n")


def _change(before: int, after: int) -> str:
    """Return a text with the change of a correction by this run, and with the new correction.

    A correction is the cost of an agent in the ledger minus the cost in its counters, in
    picodollars. `before` and `after` are the correction before and after this run.
    """
    usd = (after - before) / PICODOLLARS_PER_USD
    all_usd = after / PICODOLLARS_PER_USD
    return f"{usd:+.4f} USD by this run, {all_usd:+.4f} USD in all compared with the counters"
