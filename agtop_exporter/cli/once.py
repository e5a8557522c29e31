"""Implements `agtop-exporter --once`: one scan, printed as metrics or written to a textfile."""

from argparse import Namespace
from pathlib import Path

from agtop_exporter import textfile
from agtop_exporter.cli.output import leave, write
from agtop_exporter.cli.snapshot import one_snapshot
from agtop_exporter.cli.wiring import settings_of
from agtop_exporter.metrics import collect
from agtop_exporter.render import prometheus


def run(options: Namespace) -> None:
    """Scan once, and print the metrics or write them to the file in the setting `textfile`."""
    settings = settings_of(options)
    exposition = collect(one_snapshot(settings, for_others=True))
    if settings.textfile:
        page = textfile.page(exposition, settings.labels_of_textfile)
        textfile.write(Path(settings.textfile).expanduser(), page)
    else:
        write(prometheus.text(exposition))
    leave()
