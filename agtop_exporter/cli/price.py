"""Implements `agtop price`, which explains the price of a model at a given time."""

import sys
from argparse import Namespace

from agtop_exporter.cli.output import write
from agtop_exporter.cli.wiring import cache_directory, now, settings_of
from agtop_exporter.logs import log_for_people
from agtop_exporter.pricing import PriceBook, PriceRefresher
from agtop_exporter.pricing.explanation import explain
from agtop_exporter.render import price


def run(options: Namespace) -> None:
    """Print the explanation of the price. The exit status is 1 if the price is unknown."""
    settings = settings_of(options)
    log_for_people(settings)
    at = now() if options.at is None else options.at
    book = PriceBook(overrides=settings.prices)
    refresher = PriceRefresher(book, cache_directory(settings), clock=now)
    refresher.load_cache()
    if settings.refresh_pricing:
        refresher.refresh_once(force=True)
    question = price.Question(options.model, options.provider, options.tier, at)
    answer = explain(book, options.model, provider=options.provider, at=at)
    if answer is None and not settings.no_pricing_refresh:
        refresher.refresh_once()
        answer = explain(book, options.model, provider=options.provider, at=at)
    write(price.as_json(question, answer) if options.json else price.text(question, answer))
    if answer is None or answer.tiers_of(options.tier) is None:
        sys.exit(1)
