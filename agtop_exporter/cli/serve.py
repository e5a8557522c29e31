"""Implements `agtop-exporter` without a command, which runs the daemon."""

import contextlib
import os
from argparse import Namespace
from functools import partial

from agtop_exporter import platforms
from agtop_exporter.agents import covered_by, load_agents
from agtop_exporter.cli.wiring import (
    environment,
    make_pipeline,
    make_refresher,
    now,
    settings_of,
    state_directory,
    warn_of_missing_homes,
)
from agtop_exporter.daemon import Daemon
from agtop_exporter.ledger import Ledger
from agtop_exporter.logs import log_as_daemon
from agtop_exporter.model import AgtopError
from agtop_exporter.notify import notifier
from agtop_exporter.outlets import make_outlets
from agtop_exporter.pipeline.scan import CHILDREN_MAX
from agtop_exporter.server import Endpoint
from agtop_exporter.server.listen import inherited

DESCRIPTORS_WANTED = 4096
DESCRIPTORS_MIN = 64  # without connections


def run(options: Namespace) -> None:
    """Run the daemon until a signal stops it."""
    settings = settings_of(options)
    in_journal = "JOURNAL_STREAM" in environment()  # set by systemd; the journal has timestamps
    configure_logging = partial(log_as_daemon, timestamps=not in_journal)
    configure_logging(settings)
    descriptors = platforms.raise_descriptor_limit(DESCRIPTORS_WANTED)
    if descriptors < DESCRIPTORS_MIN:
        raise AgtopError(
            f"this process may open {descriptors} files, and needs {DESCRIPTORS_MIN}:"
            " raise the limit (`ulimit -n`, or LimitNOFILE= of systemd)"
        )
    endpoint = Endpoint(
        settings,
        descriptors=descriptors,
        inherited=inherited(environment(), pid=os.getpid()),
    )
    warn_of_missing_homes(settings)
    directory = None if settings.no_state else state_directory(settings)
    ledger = Ledger(directory, covered=covered_by(settings.plan, load_agents()))
    with contextlib.closing(endpoint), contextlib.closing(ledger):
        pipeline = make_pipeline(
            settings,
            ledger,
            keep_closed=False,
            # A processor remains for this process, which answers scrapes during a scan.
            children_max=min(CHILDREN_MAX, max(1, platforms.cpu_count() - 1)),
        )
        Daemon(
            settings,
            endpoint=endpoint,
            pipeline=pipeline,
            refresher=make_refresher(settings, pipeline),
            reload=lambda: settings_of(options),
            clock=now,
            configure_logging=configure_logging,
            outlets=make_outlets(
                settings,
                environment(),
                metadata=ledger.metadata,
                uid=platforms.user_id(),
                telemetry=pipeline.telemetry,
            ),
            notifier=notifier(environment(), pid=os.getpid()),
        ).run()
