"""`agtop-exporter`: the daemon."""

import contextlib
import os
from argparse import Namespace

from agtop_exporter.cli.wiring import (
    environment,
    make_pipeline,
    make_prices,
    make_refresher,
    now,
    settings_of,
    state_directory,
)
from agtop_exporter.daemon import Daemon, notify
from agtop_exporter.ledger import Ledger
from agtop_exporter.notify import notifier
from agtop_exporter.outlets import make_outlets


def run(options: Namespace) -> None:
    """Serve until a signal ends it."""
    settings = settings_of(options)
    ledger = Ledger(None if settings.no_state else state_directory(settings))
    with contextlib.closing(ledger):
        prices = make_prices(settings, notify)
        Daemon(
            settings,
            pipeline=lambda notice: make_pipeline(settings, ledger, prices, notice),
            refresher=make_refresher(settings, prices, notify),
            reload=lambda: settings_of(options),
            clock=now,
            outlets=lambda notice: make_outlets(
                settings, environment(), facts=ledger.facts, uid=os.getuid(), notice=notice
            ),
            notifier=notifier(environment(), pid=os.getpid()),
        ).run()
