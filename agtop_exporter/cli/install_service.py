"""Implements `agtop-exporter install-service`, which installs a systemd user unit."""

import sys
from argparse import Namespace
from pathlib import Path

from agtop_exporter import service
from agtop_exporter.cli.output import write
from agtop_exporter.cli.wiring import environment


def run(_options: Namespace) -> None:
    """Write the systemd unit, enable it, and print what was done."""
    lines = service.install(environment(), home=Path.home(), python=Path(sys.executable))
    write("\n".join(lines) + "\n")
